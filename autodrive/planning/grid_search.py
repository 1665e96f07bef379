"""A* on a grid of costs: eight neighbours, no cutting of corners, the same answer every time."""

from __future__ import annotations

import heapq
import math

import numpy as np
from numpy.typing import NDArray

from autodrive.geometry import Array

DIAGONAL = math.sqrt(2.0)
Cell = tuple[int, int]


def search(cost: Array, start: Cell, goal: Cell, greed: float = 1.0) -> NDArray[np.intp] | None:
    """The cheapest way (N, 2) of cells from ``start`` to ``goal``, or None where there is none.

    ``cost`` (rows, columns) is the price per cell length, at least 1, inf where blocked; a step costs its length times
    the mean of both ends. A diagonal step needs both cells beside it. Ties are broken by the distance left, then by the
    cell, so equal inputs give equal ways. ``greed`` above 1 looks at fewer cells; the way is at most that much dearer.
    """
    if not (math.isfinite(cost[start]) and math.isfinite(cost[goal])):
        return None
    rows, columns = cost.shape
    # a rim of blocked cells spares every bounds check
    width = columns + 2
    padded = np.full((rows + 2, width), np.inf)
    padded[1:-1, 1:-1] = cost
    price: list[float] = padded.ravel().tolist()
    left: list[float] = (greed * _octile(rows + 2, width, (goal[0] + 1, goal[1] + 1))).ravel().tolist()
    first, last = (start[0] + 1) * width + start[1] + 1, (goal[0] + 1) * width + goal[1] + 1
    parent = _expand(price, left, first, last, width)
    if parent is None:
        return None
    way = [last]
    while way[-1] != first:
        way.append(parent[way[-1]])
    cells = np.array(way[::-1], dtype=np.intp)
    return np.stack([cells // width - 1, cells % width - 1], axis=1)


def way_cost(cost: Array, way: NDArray[np.intp]) -> float:
    """What a way of cells (N, 2) costs."""
    values = cost[way[:, 0], way[:, 1]]
    length = np.hypot(*np.diff(way, axis=0).T)
    return float((length * (values[1:] + values[:-1]) / 2).sum())


def _octile(rows: int, columns: int, goal: Cell) -> Array:
    """Length of the shortest way to ``goal`` were nothing blocked: never more than what is left."""
    dx = np.abs(np.arange(rows) - goal[0])[:, None]
    dy = np.abs(np.arange(columns) - goal[1])[None, :]
    return np.asarray(np.maximum(dx, dy) + (DIAGONAL - 1.0) * np.minimum(dx, dy))


def _expand(price: list[float], left: list[float], first: int, last: int, width: int) -> dict[int, int] | None:
    """Parents of every cell that was reached on the way from ``first`` to ``last``; None if that was not reached."""
    push, pop, inf = heapq.heappush, heapq.heappop, math.inf
    half_diagonal = DIAGONAL / 2
    best, parent = {first: 0.0}, {first: first}
    done = bytearray(len(price))
    queue = [(left[first], left[first], first)]
    while queue:
        _, _, cell = pop(queue)
        if done[cell]:
            continue
        if cell == last:
            return parent
        done[cell] = 1
        so_far, here = best[cell], price[cell]
        up, down, before, after = price[cell - width], price[cell + width], price[cell - 1], price[cell + 1]
        for near, there, half in (
            (cell - width, up, 0.5),
            (cell + width, down, 0.5),
            (cell - 1, before, 0.5),
            (cell + 1, after, 0.5),
            (cell - width - 1, price[cell - width - 1] if up < inf and before < inf else inf, half_diagonal),
            (cell - width + 1, price[cell - width + 1] if up < inf and after < inf else inf, half_diagonal),
            (cell + width - 1, price[cell + width - 1] if down < inf and before < inf else inf, half_diagonal),
            (cell + width + 1, price[cell + width + 1] if down < inf and after < inf else inf, half_diagonal),
        ):
            if there < inf and not done[near]:
                total = so_far + half * (here + there)
                if total < best.get(near, inf):
                    best[near] = total
                    parent[near] = cell
                    push(queue, (total + left[near], left[near], near))
    return None
