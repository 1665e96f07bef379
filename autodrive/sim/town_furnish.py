"""Puts a town around a road network: houses, trees, cars parked at the kerb, road works; all drawn from a seed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from autodrive.geometry import Pose2, box_corners
from autodrive.scene import DetectedObject, ObjectClass
from autodrive.sim.town import FACADES, TRAFFIC_HALF_WIDTH_M, Building, Tree
from autodrive.sim.town_network import Array, Lane, Network
from autodrive.sim.town_surface import Surface

KERB_GAP_M = (0.08, 0.3)
CLEAR_OF_JUNCTION_M = 10.0  # nobody parks closer to a crossing: one must be seen from it
ROADS_PER_BLOCKED_LANE = 7
PARKING_OCCUPANCY = 0.45
_CLEAR_OF_WORKS_M = 30.0


def furnish(
    network: Network, surface: Surface, seed: int
) -> tuple[tuple[Building, ...], tuple[Tree, ...], tuple[DetectedObject, ...], tuple[DetectedObject, ...]]:
    """Buildings, trees, parked vehicles and obstacles."""
    rng = np.random.default_rng([seed, 0xF0B1])
    built = shapely.union_all([surface.road, surface.pavement])
    shapely.prepare(built)
    rings = [ring for part in shapely.get_parts(built) for ring in (part.exterior, *part.interiors)]
    buildings = _buildings(rng, built, rings)
    trees = _trees(rng, built, rings, buildings)
    traffic = shapely.union_all([_swept(lane) for lane in network.lanes if lane.kind == "road"])
    parked = [
        item
        for lane in network.lanes
        if lane.kind == "parking"
        for item in _park(rng, lane)
        if not shapely.Polygon(box_corners(item.x, item.y, item.yaw, item.length, item.width)).intersects(traffic)
    ]
    obstacles: list[DetectedObject] = []
    for count, lane in enumerate(_lanes_to_block(rng, network)):
        if count % 2:
            parked.append(_standing_in_lane(rng, lane))
        else:
            obstacles += _road_works(rng, lane)
    return tuple(buildings), tuple(trees), tuple(parked), tuple(obstacles)


def _swept(lane: Lane) -> BaseGeometry:
    """What a car in the middle of its lane passes over, and a hand's breadth more."""
    return shapely.LineString(lane.centerline).buffer(TRAFFIC_HALF_WIDTH_M + 0.05, cap_style="flat")


def _along(line: Array, s: float, left: float = 0.0) -> Pose2:
    """The pose at arc length ``s`` of a polyline, ``left`` metres beside it, heading along it."""
    curve = shapely.LineString(line)
    a, b = curve.interpolate(max(0.0, s - 0.5)), curve.interpolate(min(curve.length, s + 0.5))
    yaw = math.atan2(b.y - a.y, b.x - a.x)
    point = curve.interpolate(s)
    return Pose2(point.x, point.y, yaw) @ Pose2(0.0, left, 0.0)


def _buildings(rng: np.random.Generator, built: BaseGeometry, rings: list[shapely.LinearRing]) -> list[Building]:
    """Walk round every block and put houses beside the pavement wherever they fit."""
    placed: list[Building] = []
    footprints: list[BaseGeometry] = []
    for ring in rings:
        line, s = np.array(ring.coords), 0.0
        outward = -1.0 if ring.is_ccw else 1.0  # the side that is not road
        outward *= 1.0 if _is_hole(ring, built) else -1.0
        while s < ring.length - 4.0:
            frontage, depth = rng.uniform(9.0, 20.0), rng.uniform(8.0, 13.0)
            setback = rng.uniform(2.5, 6.5)
            pose = _along(line, min(ring.length, s + frontage / 2), -outward * (setback + depth / 2))
            footprint = shapely.Polygon(box_corners(pose.x, pose.y, pose.yaw, frontage, depth))
            if footprint.distance(built) < 2.0 or any(footprint.distance(other) < 1.0 for other in footprints):
                s += 3.0
                continue
            footprints.append(footprint)
            height = float(rng.choice([rng.uniform(4.0, 7.0), rng.uniform(7.0, 12.0), rng.uniform(12.0, 20.0)]))
            placed.append(Building(pose.x, pose.y, pose.yaw, frontage, depth, height, int(rng.integers(FACADES))))
            s += frontage + (rng.uniform(1.0, 4.0) if rng.random() < 0.7 else rng.uniform(8.0, 25.0))
    return placed


def _is_hole(ring: shapely.LinearRing, built: BaseGeometry) -> bool:
    """Whether the inside of a ring is a block, rather than the town."""
    return not shapely.Polygon(ring).buffer(-1.0).intersects(built)


def _trees(
    rng: np.random.Generator, built: BaseGeometry, rings: list[shapely.LinearRing], buildings: list[Building]
) -> list[Tree]:
    trees = []
    houses = shapely.union_all([shapely.Polygon(b.corners) for b in buildings])
    for ring in rings:
        line, s = np.array(ring.coords), float(rng.uniform(0.0, 15.0))
        side = (1.0 if ring.is_ccw else -1.0) * (1.0 if _is_hole(ring, built) else -1.0)
        while s < ring.length:
            radius = float(rng.uniform(1.0, 2.2))
            pose = _along(line, s, side * rng.uniform(1.0, 4.0))
            s += rng.uniform(9.0, 28.0)
            spot = shapely.Point(pose.x, pose.y)
            if spot.distance(built) > 0.6 and spot.distance(houses) > radius + 0.2:
                trees.append(Tree(pose.x, pose.y, float(rng.uniform(4.0, 8.5)), radius))
    return trees


def _vehicle(rng: np.random.Generator, pose: Pose2, van: bool) -> DetectedObject:
    if van:
        label, size = ObjectClass.TRUCK, (rng.uniform(5.2, 6.4), rng.uniform(1.9, 2.05), rng.uniform(2.1, 2.7))
    else:
        label, size = ObjectClass.CAR, (rng.uniform(3.7, 4.9), rng.uniform(1.65, 1.9), rng.uniform(1.4, 1.75))
    length, width, height = (round(float(v), 2) for v in size)
    return DetectedObject(label, 1.0, pose.x, pose.y, height / 2, pose.yaw, length, width, height)


def _park(rng: np.random.Generator, lane: Lane) -> Iterable[DetectedObject]:
    """Vehicles along a parking strip that is narrower than they are, so that they reach into the lane."""
    s, end = CLEAR_OF_JUNCTION_M + rng.uniform(0.0, 10.0), lane.length - CLEAR_OF_JUNCTION_M
    while s < end - 7.0:
        item = _vehicle(rng, Pose2(0.0, 0.0, 0.0), van=rng.random() < 0.12)
        beside = -lane.width / 2 + rng.uniform(*KERB_GAP_M) + item.width / 2
        pose = _along(lane.centerline, s + item.length / 2, beside)
        yaw = pose.yaw + rng.normal(0.0, 0.015)
        if s + item.length < end and rng.random() < PARKING_OCCUPANCY:
            yield _moved(item, Pose2(pose.x, pose.y, yaw))
        s += item.length + (rng.uniform(0.9, 2.0) if rng.random() < 0.5 else rng.uniform(3.0, 18.0))


def _moved(item: DetectedObject, pose: Pose2) -> DetectedObject:
    return DetectedObject(item.label, 1.0, pose.x, pose.y, item.z, pose.yaw, item.length, item.width, item.height)


def _lanes_to_block(rng: np.random.Generator, network: Network) -> list[Lane]:
    """A few long kerb-side lanes, without which one can still drive from anywhere to anywhere."""
    parking = {lane.edge_id for lane in network.lanes if lane.kind == "parking"}
    candidates = [
        lane
        for lane in network.lanes
        if lane.kind == "road"
        and not lane.right
        and lane.edge_id not in parking
        and lane.length > 2 * _CLEAR_OF_WORKS_M + 15.0
    ]
    edges = {lane.edge_id for lane in network.lanes if lane.kind == "road"}
    wanted = max(2, len(edges) // 2 // ROADS_PER_BLOCKED_LANE)  # two edges make a road
    chosen: list[Lane] = []
    for k in rng.permutation(len(candidates)):
        lane = candidates[k]
        near = any(
            shapely.LineString(lane.centerline).distance(shapely.LineString(other.centerline)) < 8.0 for other in chosen
        )
        if not near and _all_reachable(network, {lane.id, *(other.id for other in chosen)}):
            chosen.append(lane)
        if len(chosen) == wanted:
            break
    return chosen


def _all_reachable(network: Network, without: set[str]) -> bool:
    """Whether every road that is left leads to every other."""
    onward: dict[str, set[str]] = {}
    back: dict[str, set[str]] = {}
    edge_of = {lane.id: lane.edge_id for lane in network.lanes}
    edges = {lane.edge_id for lane in network.lanes if lane.kind == "road" and lane.id not in without}
    for link in network.connections:
        if without.isdisjoint((link.from_lane, link.to_lane)):
            onward.setdefault(edge_of[link.from_lane], set()).add(edge_of[link.to_lane])
            back.setdefault(edge_of[link.to_lane], set()).add(edge_of[link.from_lane])
    return all(_reached(graph, min(edges)) >= edges for graph in (onward, back))


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found, border = {start}, [start]
    while border:
        for name in graph.get(border.pop(), set()) - found:
            found.add(name)
            border.append(name)
    return found


def _in_sight(rng: np.random.Generator, lane: Lane, length: float) -> float:
    """Where something ``length`` long may begin: away from junctions, and on the straightest of a few places."""
    places = rng.uniform(_CLEAR_OF_WORKS_M, lane.length - _CLEAR_OF_WORKS_M - length, 8)

    def turn(s: float) -> float:
        yaws = [_along(lane.centerline, v).yaw for v in (s - 20.0, s, s + length, s + length + 20.0)]
        return float(np.ptp(np.unwrap(yaws)))

    return float(min(places, key=turn))


def _standing_in_lane(rng: np.random.Generator, lane: Lane) -> DetectedObject:
    """A vehicle stopped at the kerb where there is no room for it."""
    item = _vehicle(rng, Pose2(0.0, 0.0, 0.0), van=rng.random() < 0.4)
    s = _in_sight(rng, lane, 0.0)
    return _moved(item, _along(lane.centerline, s, -lane.width / 2 + rng.uniform(*KERB_GAP_M) + item.width / 2))


def _road_works(rng: np.random.Generator, lane: Lane) -> Iterable[DetectedObject]:
    """Cones that taper from the kerb, a barrier across, barriers along the closed part, and a last cone."""
    reach = rng.uniform(1.0, 1.7)  # from the kerb into the lane
    count = int(rng.integers(2, 5))
    length = 1.9 * count
    first = _in_sight(rng, lane, length)
    kerb = -lane.width / 2
    for k, share in enumerate((0.2, 0.55, 0.9)):
        yield _thing(ObjectClass.CONE, _along(lane.centerline, first - 5.0 + 1.8 * k, kerb + share * reach))
    across = _along(lane.centerline, first + 0.8, kerb + reach / 2 - 0.1)
    yield _thing(ObjectClass.BARRIER, across @ Pose2(0.0, 0.0, math.pi / 2))
    for k in range(count):
        yield _thing(ObjectClass.BARRIER, _along(lane.centerline, first + 2.0 + 1.9 * k, kerb + reach - 0.2))
    yield _thing(ObjectClass.CONE, _along(lane.centerline, first + 2.2 + length, kerb + reach * 0.6))


def _thing(label: ObjectClass, pose: Pose2) -> DetectedObject:
    length, width, height = {ObjectClass.CONE: (0.4, 0.4, 0.7), ObjectClass.BARRIER: (1.6, 0.4, 1.0)}[label]
    return DetectedObject(label, 1.0, pose.x, pose.y, height / 2, pose.yaw, length, width, height)
