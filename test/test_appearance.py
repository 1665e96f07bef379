"""Colours by image region: named right under any light, never taken from what stands in front."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from fake_samples import shipped_rig
from hypothesis import given
from hypothesis import strategies as st

from autodrive.geometry import IDENTITY
from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, projection
from autodrive.scene import ObjectClass, TrackedObject
from autodrive.sim.actor_parts import BOX_PAINT
from autodrive.vision.appearance import COLOURS, colour_of_pixels, name_colours

RIG = shipped_rig("humanoid")


def box(track_id: int, x: float, y: float, size: float = 0.4, z: float = 0.5) -> TrackedObject:
    return TrackedObject(track_id, ObjectClass.BOX, 0.9, x, y, z, 0.0, size, size, size, 0.0, 0.0, 0.0, 1.0)


def paint(images: np.ndarray, item: TrackedObject, rgb: tuple[int, int, int]) -> None:
    """Fill the box's bounding rectangle in every camera."""
    intrinsics, extrinsics = projection(RIG)
    for image, (fx, fy, cx, cy), matrix in zip(images, intrinsics, extrinsics, strict=True):
        half = item.length / 2
        corners = np.array([[sx, sy, sz] for sx in (-1, 1) for sy in (-1, 1) for sz in (-1, 1)]) * half
        x, y, depth = ((corners + np.array([item.x, item.y, item.z])) @ matrix[:, :3].T + matrix[:, 3]).T
        if depth.min() < 0.3:
            continue
        u, v = fx * x / depth + cx, fy * y / depth + cy
        low, high = np.maximum([u.min(), v.min()], 0).astype(int), np.array([u.max(), v.max()]).astype(int) + 1
        image[low[1] : high[1], low[0] : high[0]] = rgb


def grey_images() -> np.ndarray:
    images = np.full((len(RIG.cameras), NETWORK_HEIGHT, NETWORK_WIDTH, 3), 110, np.uint8)
    images[:, :8] = 235  # lamps: something is bright
    return images


@pytest.mark.parametrize("name", [n for n in BOX_PAINT if n in COLOURS])
@pytest.mark.parametrize("light", [0.6, 0.8, 1.0])
def test_paints_keep_their_names_in_shade(name: str, light: float) -> None:
    pixels = np.round(np.array([BOX_PAINT[name]]) * 255 * light).astype(np.uint8)
    found = COLOURS[int(colour_of_pixels(pixels, 245.0 * light if name == "white" else 245.0)[0])]
    assert found == name


def test_each_track_gets_the_colour_of_its_own_region() -> None:
    images, near, far = grey_images(), box(1, 2.0, 0.6), box(2, 3.0, -0.9)
    paint(images, near, (200, 20, 20))
    paint(images, far, (30, 60, 190))
    found = name_colours(images, RIG, IDENTITY, [near, far])
    assert {k: c.name for k, c in found.items()} == {1: "red", 2: "blue"}
    assert all(c.confidence > 0.8 for c in found.values())


def test_what_stands_in_front_does_not_lend_its_colour() -> None:
    images, front, behind = grey_images(), box(1, 1.5, 0.0, size=0.5), box(2, 2.6, 0.0, size=0.5)
    paint(images, behind, (30, 160, 40))
    paint(images, front, (200, 20, 20))
    found = name_colours(images, RIG, IDENTITY, [behind, front])
    assert found[1].name == "red"
    assert 2 not in found or found[2].name != "red"


def test_what_no_camera_shows_has_no_colour() -> None:
    assert name_colours(grey_images(), RIG, IDENTITY, [box(1, 0.1, 0.0)]) == {}
    assert name_colours(grey_images(), RIG, IDENTITY, []) == {}


@given(st.floats(0, 1), st.floats(0.9, 1), st.floats(0.5, 1))
def test_a_mirrored_hue_circle_is_covered_without_gaps(hue: float, saturation: float, value: float) -> None:
    rgb = np.round(np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 255).astype(np.uint8)[None]
    name = COLOURS[int(colour_of_pixels(rgb, 255.0)[0])]
    assert name not in ("grey", "white", "black")
