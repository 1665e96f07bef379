"""Random legal drives through a town, given to the car as a navigation map would: a coarse line and a start pose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from autodrive.errors import InputError
from autodrive.geometry import Pose2, box_corners
from autodrive.scene import Route
from autodrive.sim.town import Town
from autodrive.sim.town_network import Connection, Lane

Array = NDArray[np.float64]

SPACING_M = 2.0
ROUNDING_DIGITS = 1
START_TO_JUNCTION_M = 15.0
JUNCTION_TO_GOAL_M = 10.0
GOAL_TO_JUNCTION_M = 10.0
_TURNS = frozenset("lrLR")
_WANTED_TURNS = 2
_ATTEMPTS = 60
_FINE_M = 0.5
_SMOOTHING_M = 1.0
_FIRST_OFFSET_M = 6.0  # the whole car stands on the lane
_EGO_MIDDLE_M, _EGO_LENGTH_M, _EGO_WIDTH_M = 4.0, 12.0, 2.0  # the body and the first metres that it will drive


@dataclass(frozen=True)
class TownRoute:
    """A route with what the traffic simulation needs to know of it.

    ``edges`` are SUMO's, in order; base_link starts ``start_offset`` [m] along ``start_lane``.
    """

    route: Route
    edges: tuple[str, ...]
    start_lane: str
    start_offset: float


@dataclass(frozen=True)
class _Walk:
    """Lanes entered and left per edge; ``links[k]`` leads from edge k to edge k + 1."""

    lanes: list[tuple[Lane, Lane]]
    links: list[Connection]
    start_offset: float


def make_route(town: Town, seed: int, length_m: float) -> TownRoute:
    """A drive of about ``length_m`` with two turns or more where possible; the same seed gives the same route.

    It starts on a free piece of lane at least START_TO_JUNCTION_M before a junction and ends between junctions.
    Raises InputError if ``length_m`` is not a positive number.
    """
    if not (math.isfinite(length_m) and length_m > 0):
        raise InputError(f"route length {length_m} m: must be positive")
    rng = np.random.default_rng([seed % 2**63, 0x40AD])
    standing = shapely.union_all(
        [
            shapely.Polygon(box_corners(item.x, item.y, item.yaw, item.length, item.width))
            for item in (*town.parked, *town.obstacles)
        ]
    )
    onward = _onward(town)
    best: tuple[tuple[int, int], _Walk] | None = None
    for _ in range(_ATTEMPTS):
        walk = _walk(rng, town, onward, standing, length_m)
        if walk is None:
            continue
        turns = sum(link.direction in _TURNS for link in walk.links)
        edges = [entry.edge_id for entry, _ in walk.lanes]
        rank = (min(turns, _WANTED_TURNS), len(set(edges)) - len(edges))
        if best is None or rank > best[0]:
            best = (rank, walk)
        if rank == (_WANTED_TURNS, 0):
            break
    if best is None:
        raise InputError(f"town {town.name!r} has no free place to start a route from; make another town")
    return _finish(town, seed, best[1], standing, length_m)


def _onward(town: Town) -> dict[str, dict[str, list[Connection]]]:
    """Connections by edge and next edge; lanes closed by road works are left out, as a navigation service does."""
    found: dict[str, dict[str, list[Connection]]] = {}
    closed = set(town.blocked_lanes)
    for link in town.connections:
        if link.from_lane in closed or link.to_lane in closed:
            continue
        here, there = town.lane[link.from_lane].edge_id, town.lane[link.to_lane].edge_id
        found.setdefault(here, {}).setdefault(there, []).append(link)
    return found


def _walk(
    rng: np.random.Generator,
    town: Town,
    onward: dict[str, dict[str, list[Connection]]],
    standing: shapely.Geometry,
    length_m: float,
) -> _Walk | None:
    """A random walk over edges that prefers new streets and turns; None if it found no place to start."""
    closed = set(town.blocked_lanes)
    roads = [lane for lane in town.lanes if lane.kind == "road" and lane.edge_id in onward and lane.id not in closed]
    first = roads[int(rng.integers(len(roads)))]
    offset = _start_offset(rng, first, standing)
    if offset is None or not any(link.from_lane == first.id for link in town.connections):
        return None
    edges, visits = [first.edge_id], {first.edge_id: 1}
    links: list[list[Connection]] = []
    length = {lane.edge_id: lane.length for lane in roads}
    covered = first.length - offset
    while covered - GOAL_TO_JUNCTION_M < length_m:
        options = onward[edges[-1]]
        # no lane change on the first edge: the car may start too late for it
        names = [n for n in options if links or any(link.from_lane == first.id for link in options[n])]
        names = [n for n in names if n in onward]
        if not names:
            return None
        weights = np.array(
            [(1.6 if options[n][0].direction in _TURNS else 1.0) / (1 + visits.get(n, 0)) ** 3 for n in names]
        )
        name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        links.append(options[name])
        covered += shapely.LineString(options[name][0].path).length + length[name]
        visits[name] = visits.get(name, 0) + 1
        edges.append(name)
    return _choose_lanes(town, first, links, offset)


def _start_offset(rng: np.random.Generator, lane: Lane, standing: shapely.Geometry) -> float | None:
    """A place on the lane where the car and the way just ahead of it are free."""
    last = lane.length - START_TO_JUNCTION_M - 1.0
    if last <= _FIRST_OFFSET_M:
        return None
    for offset in rng.uniform(_FIRST_OFFSET_M, last, 10).round(2).tolist():
        if _is_free(_pose_on(lane.centerline, offset), standing):
            return float(offset)
    return None


def _is_free(pose: Pose2, standing: shapely.Geometry) -> bool:
    middle = pose @ Pose2(_EGO_MIDDLE_M, 0.0, 0.0)
    return not shapely.Polygon(box_corners(middle.x, middle.y, middle.yaw, _EGO_LENGTH_M, _EGO_WIDTH_M)).intersects(
        standing
    )


def _pose_on(line: Array, s: float) -> Pose2:
    curve = shapely.LineString(line)
    a, p, b = (curve.interpolate(min(max(v, 0.0), curve.length)) for v in (s - 0.5, s, s + 0.5))
    return Pose2(p.x, p.y, math.atan2(b.y - a.y, b.x - a.x))


def _choose_lanes(town: Town, first: Lane, links: list[list[Connection]], offset: float) -> _Walk:
    """Stay in lane where one can; where the next edge is reached from another lane only, change on the way."""
    entry, lanes, chosen = first, [], []
    for k, options in enumerate(links):
        fitting = [link for link in options if link.from_lane == entry.id] or options
        after = {link.from_lane for link in links[k + 1]} if k + 1 < len(links) else set()
        link = next((link for link in fitting if link.to_lane in after), fitting[0])
        lanes.append((entry, town.lane[link.from_lane]))
        chosen.append(link)
        entry = town.lane[link.to_lane]
    return _Walk([*lanes, (entry, entry)], chosen, offset)


def _finish(town: Town, seed: int, walk: _Walk, standing: shapely.Geometry, length_m: float) -> TownRoute:
    pieces: list[Array] = []
    for k, (entry, leave) in enumerate(walk.lanes):
        pieces.append(_along_edge(entry, leave))
        pieces += [walk.links[k].path] if k < len(walk.links) else []
    driven = np.concatenate(pieces)
    line = shapely.LineString(driven)
    end = line.length
    start_lane = walk.lanes[0][0]
    # the goal lies on the last edge; the walk went on until that reaches beyond length_m
    first_goal = end - walk.lanes[-1][1].length + JUNCTION_TO_GOAL_M if walk.links else walk.start_offset + 1.0
    last_goal = end - GOAL_TO_JUNCTION_M
    wanted = min(max(walk.start_offset + length_m, first_goal), last_goal)
    places = sorted(np.arange(first_goal, last_goal, 1.0).tolist(), key=lambda s: abs(s - wanted))
    goal = next((s for s in (wanted, *places) if _is_free(_pose_on(driven, s), standing)), wanted)
    start = _pose_on(start_lane.centerline, walk.start_offset)
    stations = np.append(np.arange(walk.start_offset, goal - SPACING_M / 2, SPACING_M), goal)
    points = _smooth(line, stations).round(ROUNDING_DIGITS)
    points.setflags(write=False)
    route = Route(points, start, start_lane.speed, f"{town.name}-{seed}")
    return TownRoute(route, tuple(entry.edge_id for entry, _ in walk.lanes), start_lane.id, walk.start_offset)


def _along_edge(entry: Lane, leave: Lane) -> Array:
    """The centreline, or a lane change over the middle half of the edge."""
    if entry is leave:
        return entry.centerline
    share = np.linspace(0.0, 1.0, max(8, round(entry.length / 2.0)))
    before, after = (
        np.array([shapely.LineString(lane.centerline).interpolate(t, normalized=True).coords[0] for t in share])
        for lane in (entry, leave)
    )
    u = np.clip((share - 0.25) / 0.5, 0.0, 1.0)[:, None]
    blend = u * u * (3.0 - 2.0 * u)
    return (1.0 - blend) * before + blend * after


def _smooth(line: shapely.LineString, at: Array) -> Array:
    """Points (N, 2) at arc lengths ``at`` of a line, with its kinks rounded off."""
    stations = np.linspace(0.0, line.length, math.ceil(line.length / _FINE_M) + 1)
    fine = np.array([line.interpolate(s).coords[0] for s in stations])
    smooth = gaussian_filter1d(fine, _SMOOTHING_M / _FINE_M, axis=0, mode="nearest")
    return np.stack([np.interp(at, stations, smooth[:, axis]) for axis in (0, 1)], axis=1)
