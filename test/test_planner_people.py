"""The planner among people in the closed-loop bench: it waits for those who cross, and for nobody else."""

from __future__ import annotations

import numpy as np
from driving_scenarios import LANE, at_speed, from_time, grid_points, line
from driving_sim import Agent, Log, Scenario, run, straight

from autodrive.scene import ObjectClass

STREET = [(line((-20, LANE / 2), (300, LANE / 2)), 3.6)]
ZEBRA = [grid_points(48.0, 52.0, -1.7, 5.1)]
KERB = -2.45


def walker(*points: tuple[float, float], speed) -> Agent:
    return Agent(ObjectClass.PEDESTRIAN, line(*points), speed)


def stops(log: Log) -> int:
    """How often it comes to rest between setting off and arriving."""
    rests = np.array(log.speed[30:]) < 0.2
    under_way = np.array([pose.x for pose in log.pose[30:]]) < 85.0
    return int((np.diff((rests & under_way).astype(int)) == 1).sum())


def test_people_who_walk_along_the_kerb_do_not_stop_it() -> None:
    walkers = [
        walker((70.0, KERB), (0.0, KERB), speed=at_speed(1.3)),
        walker((80.0, KERB), (0.0, KERB), speed=at_speed(1.1)),
        walker((20.0, KERB), (100.0, KERB), speed=at_speed(1.2)),
        walker((45.0, KERB), (100.0, KERB), speed=at_speed(0.9)),
    ]
    log = run(Scenario(straight(90.0), walkers, STREET, ZEBRA, duration_s=30.0), seed=21, noise=2.5)
    assert log.collision == ""
    assert log.completion > 0.99
    assert stops(log) == 0


def test_one_stop_serves_all_who_stand_at_a_crosswalk() -> None:
    crossing = walker((50.0, -4.0), (50.0, 8.0), speed=from_time(7.0, 1.3))
    waiting = [walker((x, KERB), (x, KERB - 0.1), speed=at_speed(0.0)) for x in (49.0, 51.5)]
    log = run(Scenario(straight(90.0), [crossing, *waiting], STREET, ZEBRA, duration_s=40.0), seed=22)
    assert log.collision == ""
    assert log.completion > 0.99
    assert stops(log) <= 1


def test_it_sets_off_while_the_last_one_steps_off_the_lane() -> None:
    crossing = walker((50.0, -4.0), (50.0, 12.0), speed=from_time(6.8, 1.3))
    log = run(Scenario(straight(90.0), [crossing], STREET, ZEBRA, duration_s=40.0), seed=23)
    assert log.collision == ""
    left_the_lane_s = 6.8 + (4.0 + 1.75) / 1.3
    moving = [t for t, speed in zip(log.t, log.speed, strict=True) if t > 9.0 and speed > 0.5]
    assert moving[0] < left_the_lane_s + 0.8
