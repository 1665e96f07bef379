"""Seeded halls for the walking bench: drawn by ``make_hall``, with people who walk, a start and a goal in reach."""

from __future__ import annotations

import math
import sys

import numpy as np
from walking_sim import FloorPlan, Log, Person, Scene, line_clear, run

from autodrive.geometry import Pose2
from autodrive.sim.hall import make_hall

ROOM_M = 0.42  # the passages that count as ways
GOAL_ROOM_M = 0.50


def random_hall(seed: int) -> Scene:
    """A hall with one to six people, about two thirds of whom walk."""
    hall = make_hall(seed)
    rng = np.random.default_rng([seed, 7])
    plan = FloorPlan.of(hall)
    people = [person(rng, plan, p.x, p.y, (p.length, p.width, p.height)) for p in hall.people]
    roomy = plan.clearance > GOAL_ROOM_M
    while True:
        x, y = plan.draw(rng, roomy)
        # past somebody who stands there must be room, too
        cells = plan.component(x, y, ROOM_M, [(p.x, p.y) for p in people if p.speed == 0.0]) & roomy
        # a nook is no start
        if cells.sum() * (2 * plan.half / len(plan.clearance)) ** 2 < 10.0 or near(people, x, y, 1.2):
            continue
        for _ in range(50):
            gx, gy = plan.draw(rng, cells)
            standing = [p for p in people if p.speed == 0.0]
            if math.hypot(gx - x, gy - y) > 3.0 and not near(standing, gx, gy, 1.3):
                yaw, goal_yaw = (float(v) for v in rng.uniform(-math.pi, math.pi, 2))
                return Scene(hall, people, Pose2(x, y, yaw), Pose2(gx, gy, goal_yaw))


def near(people: list[Person], x: float, y: float, distance: float) -> bool:
    """Whether somebody is near a point."""
    return any(math.hypot(p.x - x, p.y - y) < distance for p in people)


def person(rng: np.random.Generator, plan: FloorPlan, x: float, y: float, size: tuple[float, float, float]) -> Person:
    """Somebody at a place: standing, or walking to and fro between a few places in straight clear lines."""
    yaw = float(rng.uniform(-math.pi, math.pi))
    places = [(x, y)]
    if rng.random() < 0.67:
        for _ in range(40):
            angle, reach = rng.uniform(-math.pi, math.pi), rng.uniform(1.5, 6.0)
            there = (places[-1][0] + reach * math.cos(angle), places[-1][1] + reach * math.sin(angle))
            if line_clear(plan, places[-1], there, 0.35):
                places.append(there)
            if len(places) == 4:
                break
    if len(places) < 2:
        return Person(x, y, size, [], 0.0, yaw)
    # there and back along clear lines only
    return Person(x, y, size, [*places[1:], *places[-2::-1]], float(rng.uniform(0.5, 1.3)), yaw)


def main(first: int, last: int) -> None:
    """Walk halls ``first`` to ``last`` and print what happened: python test/walking_halls.py 0 59"""
    logs: list[Log] = []
    for seed in range(first, last + 1):
        log = run(random_hall(seed), seed)
        logs.append(log)
        verdict = log.contact or log.intrusion or ("" if log.reached else log.reason[-1])
        ms = f"{np.mean(log.plan_ms):.1f} ms"
        print(
            f"{seed:4d} {log.t[-1]:6.1f} s {log.length:5.1f} m, nearest {log.least_gap:.2f} m, {ms} {verdict}",
            flush=True,
        )
    ms = np.concatenate([log.plan_ms for log in logs])
    print(f"reached {sum(log.reached for log in logs)} of {len(logs)}")
    print(f"contacts {sum(log.contact != '' for log in logs)}, too near {sum(log.intrusion != '' for log in logs)}")
    print(f"CPU per plan: mean {ms.mean():.1f} ms, 99 % below {np.percentile(ms, 99):.1f} ms, most {ms.max():.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
