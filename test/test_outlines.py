"""Outlines of boxes: cut out of an image, and what several of them say of the box."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from autodrive.geometry import Pose2, box_corners, wrap_angle
from autodrive.humanoid.arm_task import BoxPose
from autodrive.tasks.box_fit import BoxFit
from autodrive.vision.outline import Outline, cut_out

EYE = np.array([0.08, 0.0, 1.27])
BOX = BoxPose(2.0, 0.3, 0.86, 0.2, 0.20, 0.15, 0.16)
BELIEVED = BoxPose(1.86, 0.36, 0.93, 0.0, 0.16, 0.17, 0.19)  # as far off as the network now and then is


def outline(box: BoxPose, body: Pose2, rng: np.random.Generator, lean: float = 0.0) -> Outline:
    """The exact outline of a box seen from a body, with a pixel's noise, the whole turned up by ``lean`` [rad]."""
    ring = body.inverse().apply(box_corners(box.x, box.y, box.yaw, box.length, box.width))
    corners = np.vstack([np.column_stack([ring, np.full(4, box.z + s * box.height / 2)]) for s in (-1, 1)]) - EYE
    c, s = math.cos(lean), math.sin(lean)
    corners = corners @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    rays = corners / np.linalg.norm(corners, axis=1)[:, None] + rng.normal(0, 0.001, (8, 3))
    return Outline(tuple(EYE.tolist()), tuple((x, y, z) for x, y, z in rays.tolist()))


def approach(fit: BoxFit, box: BoxPose, rng: np.random.Generator) -> BoxPose | None:
    """Walk up to a box; what was found of it at last."""
    found = None
    for x, y in zip(np.linspace(0.2, 1.1, 20), np.linspace(-0.1, 0.3, 20), strict=True):
        body = Pose2(x, y, math.atan2(box.y - y, box.x - x))
        fit.add(outline(box, body, rng, rng.normal(0, 0.004)), body)
        found = fit.solve(BELIEVED) or found
    return found.pose if found is not None and found.sure else None


def test_a_walk_towards_a_box_tells_where_it_is_and_how_it_is_turned() -> None:
    fit = BoxFit()
    found = approach(fit, BOX, np.random.default_rng(1))
    assert found is not None
    assert math.dist((found.x, found.y, found.bottom), (BOX.x, BOX.y, BOX.bottom)) < 0.02
    assert abs(wrap_angle(found.yaw - BOX.yaw)) < 0.03
    np.testing.assert_allclose(
        (found.length, found.width, found.height), (BOX.length, BOX.width, BOX.height), atol=0.01
    )


def test_few_outlines_or_such_from_one_place_leave_the_range_open() -> None:
    rng, fit = np.random.default_rng(2), BoxFit()
    body = Pose2(0.0, 0.0, 0.15)
    fit.add(outline(BOX, body, rng), body)
    assert fit.solve(BELIEVED) is None
    for _ in range(20):
        fit.add(outline(BOX, body, rng), body)
    assert fit.solve(BELIEVED) is None


def test_a_fit_that_is_not_sure_yet_is_nearer_than_what_it_started_from() -> None:
    rng, fit = np.random.default_rng(4), BoxFit()
    rough = None
    for y in np.linspace(-0.1, 0.4, 20):
        body = Pose2(0.6, y, math.atan2(BOX.y - y, BOX.x - 0.6))
        fit.add(outline(BOX, body, rng, rng.normal(0, 0.004)), body)
        rough = rough or fit.solve(BELIEVED)
    assert rough is not None and not rough.sure
    off = math.dist((rough.pose.x, rough.pose.y), (BOX.x, BOX.y))
    assert off < math.dist((BELIEVED.x, BELIEVED.y), (BOX.x, BOX.y))


def test_outlines_of_something_far_from_what_is_believed_are_not_of_the_box() -> None:
    fit, other = BoxFit(), replace(BOX, x=BOX.x + 0.8, z=BOX.z + 0.2)
    assert approach(fit, other, np.random.default_rng(1)) is None


def test_a_box_that_was_pushed_is_found_again() -> None:
    rng, fit = np.random.default_rng(3), BoxFit()
    approach(fit, BOX, rng)
    pushed = BoxPose(BOX.x + 0.1, BOX.y - 0.15, BOX.z, 0.6, BOX.length, BOX.width, BOX.height)
    found = approach(fit, pushed, rng)
    assert found is not None
    assert math.dist((found.x, found.y), (pushed.x, pushed.y)) < 0.03


def picture() -> tuple[np.ndarray, np.ndarray]:
    """A dark box with a light strip on a brown table before a grey wall, and its true hull."""
    image = np.full((128, 320, 3), (90, 90, 100), np.uint8)
    image[50:] = (170, 120, 90)
    hull = np.array([(140, 60), (170, 52), (195, 60), (192, 90), (165, 100), (142, 88)], np.int32)
    cv2.fillConvexPoly(image, hull, (60, 25, 70))
    cv2.line(image, (150, 58), (182, 57), (150, 90, 170), 2)
    rng = np.random.default_rng(0)
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8), hull


def test_a_box_is_cut_out_of_the_image_from_a_part_of_it() -> None:
    image, hull = picture()
    seed = np.zeros(image.shape[:2], bool)
    seed[64:90, 148:184] = True
    corners = cut_out(image, seed, 1500)
    assert corners is not None and len(corners) <= 12
    mask, true = (np.zeros(image.shape[:2], np.uint8) for _ in range(2))
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1)
    cv2.fillConvexPoly(true, hull, 1)
    assert (mask & true).sum() / (mask | true).sum() > 0.9  # rounding to pixels costs some
    assert np.array_equal(corners, cut_out(image, seed, 1500))


@pytest.mark.parametrize("what", ["nothing", "too large"])
def test_what_has_no_ends_has_no_outline(what: str) -> None:
    image, _ = picture()
    seed = np.zeros(image.shape[:2], bool)
    if what == "too large":
        seed[64:90, 148:184] = True
    assert cut_out(image, seed, 200 if what == "too large" else 1500) is None
