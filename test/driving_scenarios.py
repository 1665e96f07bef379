"""Seeded random encounters for the bench: junctions, pedestrians, obstructed lanes, drives through a small town."""

from __future__ import annotations

import numpy as np
from driving_sim import Agent, Scenario, straight, with_turn

from autodrive.geometry import Array
from autodrive.scene import ObjectClass

LANE = 3.4


def line(*points: tuple[float, float]) -> Array:
    """A polyline from corner points."""
    return np.array(points, dtype=np.float64)


def grid_points(x0: float, x1: float, y0: float, y1: float, step: float = 0.5) -> Array:
    """Paint points that fill a rectangle."""
    x, y = np.meshgrid(np.arange(x0, x1 + 1e-6, step), np.arange(y0, y1 + 1e-6, step))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def at_speed(speed: float):
    """A constant speed."""
    return lambda t: speed


def from_time(start_s: float, speed: float):
    """Standing, then a constant speed."""
    return lambda t: speed if t > start_s else 0.0


def junction(seed: int) -> Scenario:
    """A crossroads 60 m ahead, straight on or turning, with one to three vehicles that cross, half of them heedless."""
    rng = np.random.default_rng(seed)
    way = rng.choice(["straight", "left", "right"])
    if way == "straight":
        route = straight(120)
    elif way == "left":
        route = with_turn(51.7, 10.0, 50.0, left=True)
    else:
        route = with_turn(51.3, 7.0, 50.0, left=False)
    centre = 60.0
    ways = {
        "north": line((centre + LANE / 2, -90), (centre + LANE / 2, 150)),
        "south": line((centre - LANE / 2, 150), (centre - LANE / 2, -90)),
        "oncoming": line((200, LANE), (-60, LANE)),
    }
    agents = []
    for _ in range(rng.integers(1, 4)):
        name = rng.choice(list(ways))
        speed = float(rng.uniform(5.0, 10.0))
        arrival = float(rng.uniform(7.0, 17.0))
        to_centre = {"north": 90.0, "south": 150.0, "oncoming": 140.0}[str(name)]
        start = to_centre - arrival * speed
        if start < 0:
            continue
        label = ObjectClass(int(rng.choice([0, 0, 1, 2])))
        agents.append(Agent(label, ways[str(name)], at_speed(speed), start, careful=bool(rng.random() < 0.5)))
    stop_lines = [grid_points(51.0, 51.5, -1.6, 1.6, 0.25)] if rng.random() < 0.6 else []
    corridors = [
        (line((-20, LANE / 2), (200, LANE / 2)), 3.6),
        (line((centre, -120), (centre, 180)), 3.6),
        (line((centre - 5, LANE / 2), (centre + 5, LANE / 2)), 7.0),
    ]
    return Scenario(route, agents, corridors, stop_lines=stop_lines, duration_s=60.0)


def pedestrians(seed: int) -> Scenario:
    """A street with walkers along it and a few who cross near the time when the ego passes, with or without a zebra."""
    rng = np.random.default_rng(seed)
    agents = []
    crossing_x = float(rng.uniform(50, 80))
    zebra = bool(rng.random() < 0.5)
    for _ in range(rng.integers(1, 3)):
        speed = float(rng.uniform(0.9, 1.8))
        x = crossing_x + float(rng.uniform(-1.2, 1.2))
        start = float(rng.uniform(5.0, 14.0))
        right = line((x, -3.2), (x + float(rng.uniform(-1, 1)), 8.4))
        agents.append(
            Agent(ObjectClass.PEDESTRIAN, right if rng.random() < 0.5 else right[::-1], from_time(start, speed))
        )
    for _ in range(rng.integers(0, 4)):
        side = -3.6 if rng.random() < 0.5 else 7.2
        x = float(rng.uniform(20, 100))
        path = line((x, side), (x + 100.0, side))
        agents.append(Agent(ObjectClass.PEDESTRIAN, path if rng.random() < 0.5 else path[::-1], at_speed(1.2)))
    crosswalks = [grid_points(crossing_x - 2, crossing_x + 2, -1.7, 5.1)] if zebra else []
    return Scenario(straight(130), agents, [(line((-20, LANE / 2), (180, LANE / 2)), 3.6)], crosswalks, duration_s=60.0)


def obstructed(seed: int) -> Scenario:
    """Parked cars, cones or a barrier reach into the lane while there may be oncoming traffic."""
    rng = np.random.default_rng(seed)
    agents = []
    x = 45.0
    for _ in range(rng.integers(1, 3)):
        kind = rng.choice(["car", "aside", "truck", "works"])
        y = float(rng.uniform(-1.0, -0.3)) if kind in ("car", "truck") else -1.6
        if kind == "works":
            agents += [
                Agent(ObjectClass.CONE, line((x + k, -1.6 + 0.45 * k), (x + k + 0.1, 0.0)), at_speed(0))
                for k in range(3)
            ]
            agents.append(Agent(ObjectClass.BARRIER, line((x + 4, -0.4), (x + 4, 5.0)), at_speed(0)))
        else:
            label = ObjectClass.TRUCK if kind == "truck" else ObjectClass.CAR
            agents.append(Agent(label, line((x, y), (x + 10, y)), at_speed(0)))
        x += float(rng.uniform(25, 40))
    for _ in range(rng.integers(0, 3)):
        start = float(rng.uniform(0, 120))
        agents.append(
            Agent(
                ObjectClass.CAR, line((240, LANE), (-60, LANE)), at_speed(float(rng.uniform(5, 9))), start, careful=True
            )
        )
    ghosts = [(float(rng.uniform(20, 120)), -2.1)] if rng.random() < 0.5 else []
    corridors = [(line((-20, LANE / 2), (190, LANE / 2)), 3.6)]
    return Scenario(straight(140), agents, corridors, ghosts=ghosts, duration_s=60.0)


def town(seed: int) -> Scenario:
    """About 250 m: a street, a junction where the ego turns, a second street; traffic, parked cars, crossing people."""
    rng = np.random.default_rng(seed)
    left = bool(rng.random() < 0.5)
    route = with_turn(111.7, 10.0, 124.0, left=True) if left else with_turn(111.3, 7.0, 126.0, left=False)
    sign = 1.0 if left else -1.0
    x_out = 121.7 if left else 118.3
    agents: list[Agent] = []
    agents.append(Agent(ObjectClass.CAR, line((35, -1.5), (50, -1.5)), at_speed(0)))
    agents.append(Agent(ObjectClass.CAR, line((x_out + 1.4, sign * 60), (x_out + 1.4, sign * 70)), at_speed(0)))
    if rng.random() < 0.5:
        agents.append(Agent(ObjectClass.CAR, route, lambda t: 5.0 + 2.0 * np.sin(t / 5.0), 18.0))
    flows = [line((121.7, -160), (121.7, 240)), line((118.3, 240), (118.3, -160)), line((300, LANE), (-60, LANE))]
    for flow in flows:
        at = float(rng.uniform(0, 40))
        while at < 330:
            speed = 7.5
            agents.append(Agent(ObjectClass.CAR, flow, at_speed(speed), at, careful=True))
            at += float(rng.uniform(30, 90))
    for x, vertical in ((70.0, False), (sign * 90.0, True)):
        for _ in range(rng.integers(0, 3)):
            start, speed = float(rng.uniform(3, 45)), float(rng.uniform(1.0, 1.6))
            a, b = (x_out - 9.0, x_out + 5.0) if vertical else (-3.2, 8.4)
            path = line((a, x), (b, x)) if vertical else line((x, a), (x, b))
            agents.append(
                Agent(ObjectClass.PEDESTRIAN, path if rng.random() < 0.5 else path[::-1], from_time(start, speed))
            )
    crosswalks = [grid_points(68, 72, -1.7, 5.1)]
    stop_lines = [grid_points(111.0, 111.5, -1.6, 1.6, 0.25)]
    corridors = [
        (line((-20, LANE / 2), (300, LANE / 2)), 3.6),
        (line((120, -180), (120, 260)), 3.6),
        (line((115, LANE / 2), (125, LANE / 2)), 7.0),
    ]
    return Scenario(route, agents, corridors, crosswalks, stop_lines, duration_s=60.0)


BATCHES = {"junction": junction, "pedestrians": pedestrians, "obstructed": obstructed, "town": town}
