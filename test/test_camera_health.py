"""Camera health: every fault that is done to a stream of images is named, and a healthy stream has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodrive.camera.health import CameraHealth, Health, HealthLimits, Level, look
from autodrive.errors import ConfigError

PERIOD = 50_000_000  # 20 Hz
LATENCY = 8_000_000
LIMITS = HealthLimits(rate_hz=20.0, latency_s=0.1, lost_s=0.5, frozen=5)


def noisy(seed: int, mean: float = 120.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(mean, 4.0, (96, 128, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


class Stream:
    """A camera that delivers as it should unless told otherwise."""

    def __init__(self, limits: HealthLimits = LIMITS) -> None:
        self.health, self.now, self.count = CameraHealth(limits, 0), 0, 0

    def run(self, frames: int, image=noisy, late_ns: int = LATENCY, period: int = PERIOD) -> Health:
        for _ in range(frames):
            self.now += period
            self.count += 1
            self.health.frame(self.now, self.now + late_ns, look(image(self.count)))
        return self.health.state(self.now + late_ns)


def test_a_healthy_camera_has_nothing_said_of_it() -> None:
    state = Stream().run(100)
    assert (state.level, state.text) == (Level.OK, "delivers")
    assert state.values["rate_hz"] == 20.0 and state.values["latency_ms"] == 8.0
    assert state.values["frames"] == 100 and state.values["dropped"] == 0


def test_frozen_and_thawed() -> None:
    stream = Stream()
    stream.run(10)
    assert stream.run(4, lambda _: noisy(1)).level == Level.OK
    state = stream.run(1, lambda _: noisy(1))
    assert state.level == Level.ERROR and state.text == "frozen: its images are equal"
    assert state.values["equal"] == 5 and stream.health.fault(stream.now) == state.text
    assert stream.run(1).level == Level.OK and stream.health.fault(stream.now) is None


def test_a_rendered_world_may_stand_still() -> None:
    assert Stream(HealthLimits(rate_hz=20.0)).run(30, lambda _: noisy(1)).level == Level.OK


@pytest.mark.parametrize(("grey", "word"), [(0, "black"), (255, "white")])
def test_exposure(grey: int, word: str) -> None:
    state = Stream(HealthLimits()).run(3, lambda _: np.full((96, 128, 3), grey, np.uint8))
    assert state.level == Level.WARN and state.text == f"exposure out of range: 100 % of the image is {word}"


def test_late_images_and_a_clock_that_is_not_ours() -> None:
    assert "up to 150 ms after their exposure" in Stream().run(10, late_ns=150_000_000).text
    assert "stamps lie in the future" in Stream().run(10, late_ns=-20_000_000).text


def test_slow_camera() -> None:
    state = Stream().run(20, period=2 * PERIOD)
    assert state.level == Level.WARN and state.text == "10.0 images per second instead of 20"
    assert state.values["dropped"] == 19


@pytest.mark.parametrize("rate_hz", [20.0, 0.0])
def test_dropped_frames_are_counted_with_and_without_a_known_rate(rate_hz: float) -> None:
    stream = Stream(HealthLimits(rate_hz=rate_hz))
    stream.run(10)
    stream.now += 3 * PERIOD
    assert stream.run(10).values["dropped"] == 3


def test_lost_and_back_again() -> None:
    stream = Stream()
    stream.run(10)
    silent = stream.health.state(stream.now + LATENCY + 2_000_000_000)
    assert silent.level == Level.ERROR and silent.text == "no image for 2.0 s"
    stream.now += 2_000_000_000
    state = stream.run(5)
    assert state.level == Level.OK and state.values["lost"] == 1 and state.values["rate_hz"] == 20.0
    assert state.values["dropped"] == 0


def test_a_camera_that_never_delivers_is_lost() -> None:
    assert CameraHealth(LIMITS, 0).state(600_000_000).text == "no image for 0.6 s"
    assert CameraHealth(LIMITS, 0).state(400_000_000).level == Level.OK


def test_images_of_a_wrong_size_are_named_until_a_right_one_comes() -> None:
    stream = Stream()
    stream.run(3)
    stream.health.refuse("image is 640x480, the rig file says 1280x960")
    state = stream.health.state(stream.now)
    assert state.level == Level.ERROR and "640x480" in state.text and state.values["refused"] == 1
    assert stream.run(1).level == Level.OK


def test_a_glance_sees_noise_and_costs_little() -> None:
    image = np.zeros((960, 1280, 3), np.uint8)
    other = image.copy()
    other[8, 8, 2] = 1
    assert look(image).digest != look(other).digest
    assert look(image).black == 1.0 and look(image).white == 0.0


@pytest.mark.parametrize(
    "limits",
    [{"rate_hz": -1.0}, {"lost_s": 0.0}, {"frozen": 1}, {"clipped": 0.0}, {"lost_s": float("nan")}],
)
def test_impossible_limits(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        HealthLimits(**limits)


@given(st.lists(st.tuples(st.integers(-(10**9), 10**10), st.integers(0, 10**9)), max_size=80), st.booleans())
def test_any_stamps_end_in_a_finite_state(steps: list[tuple[int, int]], known: bool) -> None:
    health, now = CameraHealth(LIMITS if known else HealthLimits(), 0), 0
    for stamp, wait in steps:
        now += wait
        health.frame(stamp, now, look(noisy(1)))
        state = health.state(now)
        assert all(np.isfinite(v) for v in state.values.values()) and state.text
    assert health.frames == len(steps)


def test_noise_and_darkness_are_faults_where_they_are_judged() -> None:
    limits = HealthLimits(blind=0.98, grain=20.0)
    edges = np.kron(np.random.default_rng(0).integers(0, 255, (12, 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    assert Stream(limits).run(3, lambda _: edges).level == Level.OK
    rng = np.random.default_rng(1)
    spoilt = Stream(limits).run(3, lambda _: np.clip(edges + rng.normal(0, 45, edges.shape), 0, 255).astype(np.uint8))
    assert spoilt.level == Level.ERROR and spoilt.text.startswith("noisy: half of its pixels are off by")
    dark = Stream(limits).run(3, lambda _: np.zeros((96, 128, 3), np.uint8))
    assert dark.level == Level.ERROR and dark.text.startswith("blind: 100 % of the image is black")


@pytest.mark.parametrize("limits", [{"blind": 1.5}, {"grain": -1.0}, {"blind": float("nan")}])
def test_impossible_limits_of_sight(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        HealthLimits(**limits)
