"""One training sample on disk: two synchronised camera frames some 0.5 s apart with ground truth at the later one.

A sample is one ``.npz`` (never pickled): JPEG bytes of the network-sized images (NETWORK_HEIGHT x NETWORK_WIDTH,
already cropped), projections, ego motion between the frames, objects, and bird's-eye masks around base_link of the
later frame.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.errors import InputError
from autodrive.geometry import Pose2
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH
from autodrive.scene import GroundClass

# columns of Sample.objects
OBJECT_COLUMNS = ("label", "x", "y", "z", "yaw", "length", "width", "height", "vx", "vy", "visible_px")
MASK_CELLS = 320
JPEG_QUALITY = 93


@dataclass(frozen=True)
class Sample:
    """A labelled frame pair; all geometry is in base_link of the *current* frame unless said otherwise.

    images, previous_images: tuples of N JPEG byte strings; intrinsics (N, 4), optical_from_base (N, 3, 4) float32;
    previous_from_current: pose of the current base_link seen from the previous base_link; dt [s] between them (> 0);
    objects (M, 11) float32, see OBJECT_COLUMNS (z is the box centre, vx/vy velocity over ground in base_link axes,
    visible_px the pixels of it that any camera sees in network images); masks (GroundClass, MASK_CELLS, MASK_CELLS)
    bool over [-mask_half_extent, mask_half_extent] in x then y, channel FREE being drivable ground not occupied.
    """

    rig: str
    town: str
    seed: int
    images: tuple[bytes, ...]
    previous_images: tuple[bytes, ...]
    intrinsics: NDArray[np.float32]
    optical_from_base: NDArray[np.float32]
    previous_from_current: Pose2
    dt: float
    objects: NDArray[np.float32]
    masks: NDArray[np.bool_]
    mask_half_extent: float


def encode_images(images: NDArray[np.uint8]) -> tuple[bytes, ...]:
    """JPEG-encode RGB images (N, NETWORK_HEIGHT, NETWORK_WIDTH, 3)."""
    encoded = []
    for image in images:
        ok, buffer = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not ok:
            raise InputError(f"cannot JPEG-encode an image of shape {image.shape}")
        encoded.append(buffer.tobytes())
    return tuple(encoded)


def decode_images(images: tuple[bytes, ...]) -> NDArray[np.uint8]:
    """Decode to RGB (N, NETWORK_HEIGHT, NETWORK_WIDTH, 3)."""
    decoded = np.empty((len(images), NETWORK_HEIGHT, NETWORK_WIDTH, 3), np.uint8)
    for k, data in enumerate(images):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if image is None or image.shape != decoded.shape[1:]:
            raise InputError(
                f"a sample holds an image that is not {NETWORK_WIDTH}x{NETWORK_HEIGHT} JPEG; generate it again"
            )
        decoded[k] = image[..., ::-1]
    return decoded


def save_sample(path: Path, sample: Sample) -> None:
    """Write atomically: a killed generator leaves no half sample."""
    motion = sample.previous_from_current
    fields = {
        "rig": np.array(sample.rig),
        "town": np.array(sample.town),
        "seed": np.array(sample.seed, np.int64),
        "images": np.frombuffer(b"".join(sample.images), np.uint8),
        "image_sizes": np.array([len(b) for b in sample.images], np.int64),
        "previous_images": np.frombuffer(b"".join(sample.previous_images), np.uint8),
        "previous_image_sizes": np.array([len(b) for b in sample.previous_images], np.int64),
        "intrinsics": sample.intrinsics.astype(np.float32),
        "optical_from_base": sample.optical_from_base.astype(np.float32),
        "motion": np.array([motion.x, motion.y, motion.yaw, sample.dt], np.float64),
        "objects": sample.objects.astype(np.float32),
        "masks": np.packbits(sample.masks, axis=-1),
        "mask_half_extent": np.array(sample.mask_half_extent, np.float64),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        np.savez(file, **fields)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)


def load_sample(path: Path) -> Sample:
    """Read and validate; raises InputError that names the file."""
    try:
        with np.load(path, allow_pickle=False) as data:
            fields = {key: data[key] for key in data.files}
        images = _split(fields["images"], fields["image_sizes"])
        motion = fields["motion"]
        sample = Sample(
            rig=str(fields["rig"]),
            town=str(fields["town"]),
            seed=int(fields["seed"]),
            images=images,
            previous_images=_split(fields["previous_images"], fields["previous_image_sizes"]),
            intrinsics=fields["intrinsics"],
            optical_from_base=fields["optical_from_base"],
            previous_from_current=Pose2(*(float(v) for v in motion[:3])),
            dt=float(motion[3]),
            objects=fields["objects"],
            masks=np.unpackbits(fields["masks"], axis=-1).astype(bool),
            mask_half_extent=float(fields["mask_half_extent"]),
        )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a training sample ({error}); delete it and generate again") from error
    n = len(images)
    shapes = {
        "previous_images": (len(sample.previous_images), n),
        "intrinsics": (sample.intrinsics.shape, (n, 4)),
        "optical_from_base": (sample.optical_from_base.shape, (n, 3, 4)),
        "objects": (sample.objects.shape[1:], (len(OBJECT_COLUMNS),)),
        "masks": (sample.masks.shape, (len(GroundClass), MASK_CELLS, MASK_CELLS)),
    }
    for key, (got, expected) in shapes.items():
        if got != expected:
            raise InputError(f"{path}: {key} has shape {got}, expected {expected}; delete it and generate again")
    if not sample.dt > 0:
        raise InputError(f"{path}: dt is {sample.dt}, must be > 0; delete it and generate again")
    return sample


def _split(buffer: NDArray[np.uint8], sizes: NDArray[np.int64]) -> tuple[bytes, ...]:
    if int(sizes.sum()) != len(buffer):
        raise ValueError("image sizes do not add up")
    ends = np.cumsum(sizes)
    return tuple(buffer[end - size : end].tobytes() for end, size in zip(ends, sizes, strict=True))
