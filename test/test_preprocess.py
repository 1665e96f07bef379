"""Pre-processing: the pixel that the network sees at (u, v) is the one that network_intrinsics says is there."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from fake_samples import shipped_rig

from autodrive.errors import InputError
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, Camera, Rig, network_intrinsics
from autodrive.vision.layout import PIXEL_MEAN, PIXEL_STD
from autodrive.vision.preprocess import Preprocessor

RIG = shipped_rig("humanoid")


def camera(width: int, height: int, distortion: tuple[float, ...] = (), model: str = "plumb_bob") -> Camera:
    focal = 0.6 * width
    K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
    return replace(RIG.cameras[0], width=width, height=height, K=K, distortion=np.array(distortion, float), model=model)


def rig_of(*cameras: Camera) -> Rig:
    return Rig("test", cameras, RIG.extent)


def blob_image(cam: Camera, point: np.ndarray) -> np.ndarray:
    """A soft white dot where the native camera sees ``point`` (optical frame)."""
    if cam.model == "equidistant":
        pixel = cv2.fisheye.distortPoints((point[:2] / point[2])[None, None], cam.K, cam.distortion)
    else:
        pixel, _ = cv2.projectPoints(point[None, None], np.zeros(3), np.zeros(3), cam.K, cam.distortion)
    u, v = pixel.ravel()
    x, y = np.meshgrid(np.arange(cam.width), np.arange(cam.height))
    sigma = 1.5 * max(1.0, cam.width / NETWORK_WIDTH)
    dot = 255 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * sigma**2))
    return np.repeat(dot[..., None], 3, -1).astype(np.uint8)


@pytest.mark.parametrize(
    "cam",
    [
        camera(320, 160),
        camera(320, 96),
        camera(640, 480),
        camera(1600, 900),
        camera(200, 120),
        camera(640, 480, (-0.25, 0.08, 0.001, -0.0005, -0.01)),
        camera(960, 604, (0.5, -0.2, 0.0, 0.0, 0.05, 0.7, -0.1, 0.02), "rational_polynomial"),
        camera(800, 600, (-0.02, 0.01, 0.0, 0.0), "equidistant"),
    ],
    ids=["crop", "pad", "half", "nuscenes", "enlarge", "plumb_bob", "rational", "fisheye"],
)
def test_a_point_appears_where_the_network_intrinsics_say(cam: Camera) -> None:
    preprocess = Preprocessor(rig_of(cam))
    fx, fy, cx, cy = network_intrinsics(cam)
    for point in np.array([[0.05, 0.1, 1.0], [-0.4, 0.05, 1.0], [0.3, 0.15, 1.0]]):
        expected = fx * point[0] + cx, fy * point[1] + cy
        image = preprocess.network_images([blob_image(cam, point)])[0].astype(float)[..., 0]
        x, y = np.meshgrid(np.arange(NETWORK_WIDTH), np.arange(NETWORK_HEIGHT))
        centre = (image * x).sum() / image.sum(), (image * y).sum() / image.sum()
        assert centre == pytest.approx(expected, abs=0.2)


def test_the_simulators_images_are_cropped_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (160, 320, 3), np.uint8) for _ in RIG.cameras]
    out = Preprocessor(RIG).network_images(images)
    for image, result in zip(images, out, strict=True):
        np.testing.assert_array_equal(result, image[32:])


def test_missing_rows_are_black_at_the_top() -> None:
    image = np.full((96, 320, 3), 200, np.uint8)
    (out,) = Preprocessor(rig_of(camera(320, 96))).network_images([image])
    assert (out[:32] == 0).all() and (out[32:] == 200).all()


def test_normalisation_is_the_manifests() -> None:
    images = [np.full((160, 320, 3), (0, 128, 255), np.uint8) for _ in RIG.cameras]
    tensor = Preprocessor(RIG)(images)
    assert tensor.shape == (4, 3, 128, 320) and tensor.dtype == np.float32 and tensor.flags.c_contiguous
    expected = (np.array([0, 128, 255]) - PIXEL_MEAN) / PIXEL_STD
    np.testing.assert_allclose(tensor[0, :, 5, 7], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((120, 320, 3), np.uint8), ["head_left", "(120, 320, 3)", "(160, 320, 3)"]),
        (np.zeros((160, 320), np.uint8), ["head_left", "(160, 320)"]),
        (np.zeros((160, 320, 3), np.float32), ["head_left", "float32", "uint8"]),
    ],
)
def test_a_wrong_image_is_named(image: np.ndarray, words: list[str]) -> None:
    images = [np.zeros((160, 320, 3), np.uint8) for _ in RIG.cameras]
    images[1] = image
    with pytest.raises(InputError) as caught:
        Preprocessor(RIG)(images)
    assert all(word in str(caught.value) for word in words)


def test_a_missing_camera_is_named() -> None:
    with pytest.raises(InputError, match=r"got 3 images, the rig has 4 cameras.*head_rear"):
        Preprocessor(RIG)([np.zeros((160, 320, 3), np.uint8)] * 3)
