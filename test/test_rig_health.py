"""Cameras judged by each other: exchanged cables, foreign stamps, a still image of a body that moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from autodrive.camera.health import look
from autodrive.camera.rig_health import RigHealth, RigLimits
from autodrive.errors import ConfigError

NAMES = ("front", "left", "rear", "right")
PERIOD = 100_000_000
Image = np.ndarray


def scene(name: str, frame: int) -> Image:
    """A view that is each camera's own, with something that moves through it."""
    image = np.random.default_rng(NAMES.index(name)).integers(40, 200, (10, 20, 3)).astype(np.uint8)
    image = np.kron(image, np.ones((16, 16, 1), np.uint8))
    image[:, 8 * frame % 300 :][:, :20] = 250
    return image


def run(
    health: RigHealth, frames: range, views: Mapping[str, Callable[[int], Image]] | None = None, **late: float
) -> None:
    """Frames of all cameras; ``views`` are those that show something else, ``late`` [s] shifts the stamps of some."""
    for k in frames:
        for name in NAMES:
            image = (views or {}).get(name, lambda k, name=name: scene(name, k))(k)  # type: ignore[misc]
            health.frame(name, k * PERIOD + round(late.get(name, 0.0) * 1e9), look(image))


def faults(health: RigHealth) -> dict[str, str]:
    return {name: text for name in NAMES if (text := health.fault(name)) is not None}


def test_healthy_cameras_have_no_fault() -> None:
    health = RigHealth(NAMES)
    assert faults(health) == {} and health.now_ns() == 0
    run(health, range(1, 30))
    assert faults(health) == {} and health.now_ns() == 29 * PERIOD


def test_exchanged_cables_are_seen_at_the_exchange_and_the_way_back() -> None:
    health = RigHealth(NAMES)
    run(health, range(1, 5))
    exchanged = {"front": lambda k: scene("left", k), "left": lambda k: scene("front", k)}
    run(health, range(5, 9), exchanged)
    assert faults(health) == {
        "front": "exchanged: it shows what camera left showed before",
        "left": "exchanged: it shows what camera front showed before",
    }
    run(health, range(9, 12))
    assert faults(health) == {}


def test_cables_that_are_exchanged_in_the_middle_of_a_frame() -> None:
    health = RigHealth(NAMES)
    run(health, range(1, 5))
    health.frame("front", 5 * PERIOD, look(scene("front", 5)))
    health.frame("front", 5 * PERIOD, look(scene("left", 5)))  # which was on its way to the other channel
    run(health, range(6, 9), {"front": lambda k: scene("left", k), "left": lambda k: scene("front", k)})
    assert sorted(faults(health)) == ["front", "left"]


def test_one_camera_that_shows_what_another_did_is_no_exchange() -> None:
    health = RigHealth(NAMES)
    run(health, range(1, 5))
    run(health, range(5, 9), {"front": lambda k: scene("left", k)})
    assert faults(health) == {}


def test_a_new_scene_is_no_exchange() -> None:
    health = RigHealth(NAMES)
    run(health, range(1, 5))
    run(health, range(5, 9), {name: lambda k: np.full((160, 320, 3), 20 * k, np.uint8) for name in NAMES})
    assert faults(health) == {}


@pytest.mark.parametrize(("late_s", "words"), [(-0.35, "0.35 s behind"), (0.35, "0.35 s ahead of")])
def test_stamps_of_another_time(late_s: float, words: str) -> None:
    health = RigHealth(NAMES)
    run(health, range(5, 10))
    run(health, range(10, 12), rear=late_s)
    assert faults(health) == {}  # not often enough yet
    run(health, range(12, 14), rear=late_s)
    assert list(faults(health)) == ["rear"] and words in faults(health)["rear"]
    run(health, range(14, 16))
    assert faults(health) == {}


def test_a_still_image_is_a_fault_only_while_the_body_moves() -> None:
    health = RigHealth(NAMES)
    still = {"rear": lambda k: scene("rear", 5)}
    run(health, range(1, 5))
    run(health, range(5, 9), still)
    assert faults(health) == {}  # who stands may see the same twice
    health.moving = True
    run(health, range(9, 12), still)
    assert faults(health) == {"rear": "frozen: 4 equal images while the body moves"}
    run(health, range(12, 14))
    assert faults(health) == {}


def test_an_image_that_comes_again_and_again_is_no_still_image() -> None:
    health = RigHealth(NAMES)
    health.moving = True
    run(health, range(1, 5))
    for _ in range(20):
        health.frame("rear", 4 * PERIOD, look(scene("rear", 4)))
    assert faults(health) == {}


@pytest.mark.parametrize("limits", [{"late_s": 0.0}, {"in_row": 0}, {"frozen": 1}, {"gap_s": float("nan")}])
def test_impossible_limits(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        RigLimits(**limits)  # type: ignore[arg-type]
