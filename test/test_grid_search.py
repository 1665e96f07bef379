"""A* on random grids: as cheap as scipy's answer, never through a corner, the same every time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from autodrive.geometry import Array
from autodrive.planning.grid_search import search, way_cost


def random_grid(seed: int) -> tuple[Array, tuple[int, int], tuple[int, int]]:
    rng = np.random.default_rng(seed)
    shape = tuple(int(v) for v in rng.integers(3, 16, 2))
    cost = rng.choice([1.0, 1.5, 3.0, np.inf], shape, p=[0.5, 0.1, 0.1, 0.3])
    start, goal = (tuple(int(v) for v in rng.integers(0, shape)) for _ in range(2))
    cost[start] = cost[goal] = 1.0
    return cost, (start[0], start[1]), (goal[0], goal[1])


def scipy_cost(cost: Array, start: tuple[int, int], goal: tuple[int, int]) -> float:
    """The same graph, written down edge by edge and solved by somebody else."""
    rows, columns = cost.shape
    edges: list[tuple[int, int, float]] = []
    for i in range(rows):
        for j in range(columns):
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    a, b = i + di, j + dj
                    if (di, dj) == (0, 0) or not (0 <= a < rows and 0 <= b < columns):
                        continue
                    beside = (cost[i, j], cost[a, b], cost[a, j], cost[i, b])
                    if all(math.isfinite(v) for v in beside):
                        edges.append(
                            (i * columns + j, a * columns + b, math.hypot(di, dj) * (beside[0] + beside[1]) / 2)
                        )
    if not edges:
        return 0.0 if start == goal else math.inf
    one, other, length = (np.array(v) for v in zip(*edges, strict=True))
    graph = coo_matrix((length, (one, other)), shape=(rows * columns,) * 2).tocsr()
    return float(dijkstra(graph, indices=start[0] * columns + start[1])[goal[0] * columns + goal[1]])


@settings(max_examples=150)
@given(st.integers(0, 10**6))
def test_no_way_is_cheaper(seed: int) -> None:
    cost, start, goal = random_grid(seed)
    way, best = search(cost, start, goal), scipy_cost(cost, start, goal)
    if way is None:
        assert best == math.inf
        return
    assert tuple(way[0]) == start
    assert tuple(way[-1]) == goal
    assert way_cost(cost, way) == pytest.approx(best)
    greedy = search(cost, start, goal, 1.3)
    assert greedy is not None
    assert way_cost(cost, greedy) <= 1.3 * best + 1e-9


@settings(max_examples=150)
@given(st.integers(0, 10**6))
def test_no_step_is_blocked_or_cuts_a_corner(seed: int) -> None:
    cost, start, goal = random_grid(seed)
    way = search(cost, start, goal, 1.3)
    if way is None:
        return
    assert np.isfinite(cost[way[:, 0], way[:, 1]]).all()
    assert (np.abs(np.diff(way, axis=0)).max(axis=1) == 1).all() or len(way) == 1
    assert np.isfinite(cost[way[1:, 0], way[:-1, 1]]).all()
    assert np.isfinite(cost[way[:-1, 0], way[1:, 1]]).all()


def test_the_same_grid_gives_the_same_way() -> None:
    cost = np.ones((30, 30))
    cost[10:20, 5:25] = np.inf
    first, again = search(cost, (2, 15), (28, 15)), search(cost.copy(), (2, 15), (28, 15))
    assert first is not None
    assert (first == again).all()


def test_no_way_is_none() -> None:
    cost = np.ones((9, 9))
    cost[:, 4] = np.inf
    assert search(cost, (1, 1), (1, 7)) is None
    assert search(cost, (1, 1), (1, 4)) is None
