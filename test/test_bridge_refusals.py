"""In realtime a bridge does not end because somebody commands nonsense: the body stops by itself and says why."""

from __future__ import annotations

import math
from typing import Any

import pytest
from graph_bench import GraphBench

from autodrive.rig import load_rig
from autodrive.scene import Command
from autodrive_nodes import contracts, messages
from autodrive_nodes.paths import RIGS
from autodrive_nodes.stage_node import FATAL_PREFIX
from autodrive_nodes.world_bridge_node import WorldBridgeNode

RIG = RIGS / "car.yaml"


def test_a_car_that_is_told_what_is_no_number_brakes_by_itself(
    capfd: pytest.CaptureFixture[str],
) -> None:
    parameters = {"world": "toy_world:ToyWorld", "town": "", "rig": str(RIG), "mode": "realtime"}
    with GraphBench() as bench:
        told, truth = bench.listen(contracts.DIAGNOSTICS), bench.listen(contracts.TRUTH_ODOMETRY)
        for topic in (contracts.VELOCITY, contracts.IMU, contracts.STEERING):
            bench.listen(topic)
        for camera in load_rig(RIG).cameras:
            bench.listen(contracts.IMAGE_SHM, camera=camera.name)
        bench.up(WorldBridgeNode("world_bridge", parameters))

        def command(steering: float) -> Any:
            stamp_ns = messages.stamp_of(truth[-1]) if truth else 0
            bench.publish(contracts.COMMAND, messages.to_control(Command(stamp_ns, steering, 0.0, 8.0)))
            bench.settle(0.05)

        def reasons() -> list[str]:
            return [s.message for m in told for s in m.status]

        bench.spin(lambda: bool(truth))
        while len(truth) < 8:
            command(0.0)
        speed = truth[-1].twist.twist.linear.x
        assert reasons() == [] and speed > 7.0
        while len(truth) < 16:
            command(math.nan)
        assert reasons() == ["brakes by itself: the command is not finite"]
        assert truth[-1].twist.twist.linear.x < speed - 1.0
        while len(truth) < 20:
            command(0.0)
        assert len(reasons()) == 1
    assert FATAL_PREFIX not in capfd.readouterr().err
