"""A body that leans: its cameras move in base_link, odometry says so, and perception believes it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from fake_samples import shipped_rig
from hypothesis import given
from hypothesis import strategies as st

from autodrive.errors import InputError
from autodrive.geometry import IDENTITY
from autodrive.inference.manifest import load_manifest
from autodrive.rig import projection, rotation_from_rpy, tilted
from autodrive.scene import EgoState
from autodrive.vision.layout import GRID_CELLS
from autodrive.vision.perceiver import Perceiver
from autodrive_nodes import messages
from autodrive_nodes.paths import DEFAULT_ENGINE

RIG = shipped_rig("humanoid")
lean = st.floats(-0.3, 0.3)


class Recorder:
    """An engine that only notes what it is given."""

    manifest = load_manifest(DEFAULT_ENGINE)
    runtime = "none"

    def __init__(self) -> None:
        self.inputs: dict[str, np.ndarray] = {}

    def run(self, inputs):
        self.inputs = dict(inputs)
        shapes = {spec.name: [int(size) for size in spec.shape] for spec in self.manifest.outputs}
        assert shapes["ground"][-1] == GRID_CELLS
        return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def images() -> list[np.ndarray]:
    return [np.zeros((c.height, c.width, 3), np.uint8) for c in RIG.cameras]


def ego(**state: float) -> EgoState:
    return replace(EgoState(1_000_000_000, IDENTITY, 0.0, 0.0), **state)


@given(lean, lean, st.floats(-0.1, 0.1))
def test_a_leaning_camera_sees_what_it_would_see_of_a_counter_leaning_world(
    roll: float, pitch: float, rise: float
) -> None:
    turn, pivot = rotation_from_rpy(roll, pitch, 0.0), np.array([0.0, 0.0, RIG.mount_height])
    point = np.array([3.0, -1.0, 0.4])
    moved = turn.T @ (point - pivot - (0.0, 0.0, rise)) + pivot
    for upright, leaning in zip(RIG.cameras, tilted(RIG, roll, pitch, rise).cameras, strict=True):
        seen = upright.optical_from_base() @ [*moved, 1.0]
        assert leaning.optical_from_base() @ [*point, 1.0] == pytest.approx(seen, abs=1e-9)


def test_leaning_forward_lowers_the_front_camera_and_makes_it_look_down() -> None:
    before, after = RIG.camera("head_front"), tilted(RIG, 0.0, 0.1, 0.0).camera("head_front")
    assert after.position[0] > before.position[0] and after.position[2] < before.position[2]
    assert after.rotation[2, 2] < before.rotation[2, 2], "the optical axis points further down"


@given(lean, lean, st.floats(-math.pi, math.pi), st.floats(-0.2, 0.2))
def test_odometry_carries_the_lean(roll: float, pitch: float, yaw: float, rise: float) -> None:
    state = ego(pose=replace(IDENTITY, yaw=yaw), roll=roll, pitch=pitch, rise=rise)
    back = messages.from_odometry(messages.to_odometry(state))
    assert (back.roll, back.pitch, back.rise) == pytest.approx((roll, pitch, rise), abs=1e-9)
    assert math.cos(back.pose.yaw - yaw) == pytest.approx(1.0)


def test_perception_tells_the_network_where_the_cameras_are_now() -> None:
    engine = Recorder()
    perceiver = Perceiver(engine, RIG)
    perceiver(images(), 1, ego())
    np.testing.assert_array_equal(engine.inputs["optical_from_base"], projection(RIG)[1])
    perceiver(images(), 2, ego(roll=0.02, pitch=-0.06, rise=0.03))
    np.testing.assert_array_equal(engine.inputs["optical_from_base"], projection(tilted(RIG, 0.02, -0.06, 0.03))[1])
    perceiver(images(), 3, None)
    np.testing.assert_array_equal(engine.inputs["optical_from_base"], projection(RIG)[1])


@pytest.mark.parametrize("what", ["roll", "pitch", "rise"])
def test_a_lean_that_is_no_number_is_refused(what: str) -> None:
    with pytest.raises(InputError, match="not finite"):
        Perceiver(Recorder(), RIG)(images(), 1, ego(**{what: math.nan}))
    message = messages.to_odometry(ego())
    message.pose.pose.position.z = math.nan
    with pytest.raises(InputError, match="not finite"):
        messages.from_odometry(message)
