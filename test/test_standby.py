"""A humanoid whose joints nobody commands any more keeps its balance; what it is told by a stranger it does not do."""

from __future__ import annotations

import numpy as np
import pytest
from body_sim import SUBSTEPS, TICK_S, BodySim, Command

from autodrive.body import JointCommand
from autodrive.errors import InputError
from autodrive.humanoid.robot import load_robot
from autodrive.humanoid.standby import PATIENCE_NS, Standby
from autodrive.localization.start_pose import check_start_pose


def left_alone(name: str, command: Command, ticks: int) -> tuple[BodySim, Standby]:
    """Walk for so many ticks, then nobody commands for three seconds."""
    sim, last = BodySim(load_robot(name), seed=ticks), None
    standby = Standby(sim.robot)
    for _ in range(ticks):
        sim.step(command)
    last = JointCommand(sim.stamp_ns, sim.robot.joints, sim.body._target, sim.body._effort)
    for _ in range(150):
        sim.body.command(standby.choose(sim.sensed, last, trusted=True))
        for _ in range(SUBSTEPS):
            sim.body.drive()
        sim.stamp_ns += round(TICK_S * 1e9)
        sim.sensed = sim.body.read(sim.stamp_ns)
    return sim, standby


@pytest.mark.parametrize("ticks", [150, 157, 163])
@pytest.mark.parametrize("command", [(0.6, 0.0, 0.0), (0.3, 0.0, 0.5)])
@pytest.mark.parametrize("name", ["g1", "t1"])
def test_it_stands_after_its_last_command_wherever_the_step_was(name: str, command: Command, ticks: int) -> None:
    sim, standby = left_alone(name, command, ticks)
    assert standby.active and not sim.body.fallen and sim.body.speed < 0.1


def test_fresh_commands_pass_unless_somebody_else_publishes_them_too() -> None:
    sim = BodySim(load_robot("g1"))
    standby = Standby(sim.robot)
    mad = JointCommand(sim.sensed.stamp_ns, sim.robot.joints, np.full(len(sim.robot.joints), 9.0), np.zeros(29))
    assert standby.choose(sim.sensed, mad, trusted=True) is mad
    own = standby.choose(sim.sensed, mad, trusted=False)
    assert standby.active and np.abs(own.position).max() < 3.0
    late = JointCommand(sim.sensed.stamp_ns - PATIENCE_NS - 1, mad.names, mad.position, mad.effort)
    assert standby.choose(sim.sensed, late, trusted=True) is not late
    assert standby.choose(sim.sensed, mad, trusted=True) is mad and not standby.active


def test_a_start_pose_from_before_a_restart_is_refused() -> None:
    check_start_pose(0, 1_900_000_000)
    with pytest.raises(InputError, match=r"30.0 s older .* /initialpose"):
        check_start_pose(0, 30_000_000_000)
