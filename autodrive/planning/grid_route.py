"""A route through the hall: around what stands, to a goal or the nearest free point beside it, fit to be walked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Array
from autodrive.planning.grid_search import search
from autodrive.planning.occupancy import Floor, Mask
from autodrive.scene import TrackedObject

CLEARANCE_PRICE = 6.0  # per metre, beside what stands
UNKNOWN_PRICE = 0.5
ESCAPE_PRICE = 10.0  # of cells too near to something, close to where the body stands already
PERSON_PRICE = 12.0  # of cells beside somebody who stands
ESCAPE_M = 0.6
PERSON_GROW_M = 0.75
STEP_M = 0.1
NARROW_GAIN_M = 0.5  # a way through narrow passages must bring this much
SMOOTHING_ROUNDS = (12, 5, 2)
SEARCH_MARGIN_M = 4.0
GREED = 1.3  # a way is hardly ever longer for it, and found in a third of the time


@dataclass(frozen=True)
class GridRoute:
    """Points (N, 2) in ``map`` from the body to its end, empty where there is no route; ``reason`` says why or what.

    ``shortfall_m`` is how far from the wanted goal it ends.
    """

    points: Array
    shortfall_m: float
    reason: str

    @property
    def found(self) -> bool:
        """Whether there is somewhere to go."""
        return len(self.points) > 0


def find_route(
    floor: Floor,
    start: tuple[float, float],
    goal: tuple[float, float],
    *,
    people: Sequence[TrackedObject] = (),
    max_shortfall_m: float = 1.0,
) -> GridRoute:
    """The way from ``start`` to ``goal`` (x, y in map): short, but clear of what stands and of ``people`` who do.

    Unknown floor is allowed at a price, and narrow passages where there is no other way. A goal inside an obstacle, or
    cut off, is replaced by the nearest point that can be reached; one further than ``max_shortfall_m`` from it is no
    route.
    """
    memory = floor.memory
    if not memory.contains(*start):
        return GridRoute(np.zeros((0, 2)), math.inf, "no route: the body is outside its own map")
    first, wanted = _cell(floor, start), _nearest_in_window(floor, goal)
    cost = _costs(floor, start, people, floor.wary <= memory.config.radius)
    end = _nearest_reachable(cost, first, wanted)
    if end != wanted:
        narrow = _costs(floor, start, people, floor.clearance <= memory.config.narrow_radius)
        nearer = _nearest_reachable(narrow, first, wanted)
        if math.dist(nearer, wanted) < math.dist(end, wanted) - NARROW_GAIN_M / memory.config.cell:
            cost, end = narrow, nearer
    at = memory.centre(*end)
    shortfall = math.hypot(goal[0] - at[0], goal[1] - at[1])
    within_cell = end == wanted and memory.contains(*goal)
    if end != wanted and shortfall > max_shortfall_m:
        return GridRoute(np.zeros((0, 2)), shortfall, f"no route: the nearest point is {shortfall:.1f} m from the goal")
    way = _search_nearby(cost, first, end, round(SEARCH_MARGIN_M / memory.config.cell))
    assert way is not None, "cells of one component are connected"
    ends = (np.array(start), np.array(goal) if within_cell else at)
    points = _smooth(floor, cost, memory.centre(way[:, 0], way[:, 1]), ends)
    if within_cell:
        return GridRoute(points, 0.0, "route")
    blocked = "beyond the map" if end == wanted else "not free"
    return GridRoute(points, shortfall, f"goal is {blocked}: {shortfall:.1f} m short of it")


def _costs(floor: Floor, start: tuple[float, float], people: Sequence[TrackedObject], too_near: Mask) -> Array:
    """Price per metre (n, n), inf where the body would touch what stands: ``too_near`` (n, n)."""
    memory, config = floor.memory, floor.memory.config
    near = np.clip((config.comfort - floor.wary) / (config.comfort - config.radius), 0.0, 1.0)
    cost = 1.0 + CLEARANCE_PRICE * near.astype(np.float64) ** 2 + UNKNOWN_PRICE * ~floor.known
    for person in people:
        cost[memory.rasterise([person], PERSON_GROW_M)] += PERSON_PRICE
    blocked = too_near | floor.near_target
    # where the body stands it may stand, and from there it must be able to leave
    i, j = memory.index(np.array(start))
    reach = round(ESCAPE_M / config.cell)
    rows, columns = slice(max(i - reach, 0), i + reach + 1), slice(max(j - reach, 0), j + reach + 1)
    escape = blocked[rows, columns] & (floor.clearance[rows, columns] > 0)
    cost[rows, columns] += ESCAPE_PRICE * escape
    blocked[rows, columns] &= ~escape
    blocked[i, j] = False
    cost[blocked] = np.inf
    return cost


def _cell(floor: Floor, point: tuple[float, float]) -> tuple[int, int]:
    i, j = floor.memory.index(np.array(point))
    return int(i), int(j)


def _nearest_in_window(floor: Floor, goal: tuple[float, float]) -> tuple[int, int]:
    """The goal's cell, or where the straight line from the window's middle to it leaves the window."""
    memory = floor.memory
    middle = memory.origin + memory.config.cells * memory.config.cell / 2
    offset = np.array(goal) - middle
    room = (memory.config.cells / 2 - 2) * memory.config.cell
    share = min(1.0, room / max(float(np.abs(offset).max()), 1e-9))
    x, y = middle + share * offset
    return _cell(floor, (float(x), float(y)))


def _nearest_reachable(cost: Array, first: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """The cell nearest to ``wanted`` that can be reached: without cutting corners, that is 4-connectedness."""
    _, labels = cv2.connectedComponents(np.isfinite(cost).astype(np.uint8), connectivity=4)
    mine = labels == labels[first]
    if mine[wanted]:
        return wanted
    cells = np.argwhere(mine)
    distance = ((cells - np.array(wanted)) ** 2).sum(axis=1)
    i, j = cells[int(np.argmin(distance))]
    return int(i), int(j)


def _search_nearby(cost: Array, first: tuple[int, int], last: tuple[int, int], margin: int) -> NDArray[np.intp] | None:
    """Search around both ends, and everywhere only if that gives nothing: a small grid is a quick one."""
    low = np.maximum(np.minimum(first, last) - margin, 0)
    high = np.minimum(np.maximum(first, last) + margin + 1, cost.shape)
    i, j = (int(v) for v in low)
    part = cost[i : int(high[0]), j : int(high[1])]
    way = search(part, (first[0] - i, first[1] - j), (last[0] - i, last[1] - j), GREED)
    return search(cost, first, last, GREED) if way is None else way + low


def _smooth(floor: Floor, cost: Array, points: Array, ends: tuple[Array, Array]) -> Array:
    """Shortcuts where the line of sight is as cheap, equal steps, and corners rounded as far as they stay free."""
    points = np.vstack([ends[0], points[1:-1], ends[1]])
    points = _equal_steps(_shortcut(floor, cost, points))
    for rounds in SMOOTHING_ROUNDS:
        smooth = points.copy()
        for _ in range(rounds):
            smooth[1:-1] = 0.25 * smooth[:-2] + 0.5 * smooth[1:-1] + 0.25 * smooth[2:]
        if np.isfinite(_price(floor, cost, smooth)).all():
            return smooth
    return points


def _shortcut(floor: Floor, cost: Array, points: Array) -> Array:
    """Leave out points between which the straight line costs no more than the way along them."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    price = _price(floor, cost, points)
    spent = np.concatenate([[0.0], np.cumsum(steps * (price[1:] + price[:-1]) / 2)])
    kept, i = [0], 0
    while i < len(points) - 1:
        j, reach = i + 1, 2
        # doubling, then halving: lines of sight come in long runs
        while i + reach < len(points) and _line_price(floor, cost, points[i], points[i + reach]) <= (
            spent[i + reach] - spent[i]
        ):
            j, reach = i + reach, reach * 2
        while reach > 1:
            reach //= 2
            if j + reach < len(points) and _line_price(floor, cost, points[i], points[j + reach]) <= (
                spent[j + reach] - spent[i]
            ):
                j += reach
        kept.append(j)
        i = j
    return points[kept]


def _line_price(floor: Floor, cost: Array, a: Array, b: Array) -> float:
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    share = np.linspace(0.0, 1.0, max(int(length / (floor.memory.config.cell / 2)), 1) + 1)
    return length * float(_price(floor, cost, a + share[:, None] * (b - a)).mean())


def _price(floor: Floor, cost: Array, points: Array) -> Array:
    i, j = floor.memory.index(points)
    return np.asarray(cost[i, j])


def _equal_steps(points: Array) -> Array:
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0.0, s[-1], max(round(s[-1] / STEP_M), 1) + 1)
    return np.stack([np.interp(at, s, points[:, 0]), np.interp(at, s, points[:, 1])], axis=1)
