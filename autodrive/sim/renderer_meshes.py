"""Unit shapes of the renderer as triangle soups (M, 6): position and outward normal, counter-clockwise from outside."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

Soup = NDArray[np.float32]


def box(front_top: float = 1.0, rear_top: float = 1.0, side_top: float = 1.0) -> Soup:
    """The cube -1..1; its top face may be drawn in (x of the front and rear edge, y of the sides) as car cabins are."""
    x = {(1, 1): front_top, (1, -1): 1.0, (-1, 1): -rear_top, (-1, -1): -1.0}
    corner = {
        (i, j, k): np.array([x[i, k], j * (side_top if k > 0 else 1.0), k])
        for i in (-1, 1)
        for j in (-1, 1)
        for k in (-1, 1)
    }
    faces = (
        ((1, -1, -1), (1, 1, -1), (1, 1, 1), (1, -1, 1)),
        ((-1, 1, -1), (-1, -1, -1), (-1, -1, 1), (-1, 1, 1)),
        ((1, 1, -1), (-1, 1, -1), (-1, 1, 1), (1, 1, 1)),
        ((-1, -1, -1), (1, -1, -1), (1, -1, 1), (-1, -1, 1)),
        ((-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)),
        ((-1, 1, -1), (1, 1, -1), (1, -1, -1), (-1, -1, -1)),
    )
    quads = np.array([[corner[key] for key in face] for face in faces])
    return triangles(quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3, 3))


def triangles(points: NDArray[np.floating]) -> Soup:
    """Flat-shaded soup of triangles (T, 3, 3)."""
    normal = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    normal = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12)
    soup = np.concatenate([points, np.repeat(normal[:, None], 3, axis=1)], axis=2)
    return np.ascontiguousarray(soup.reshape(-1, 6), dtype=np.float32)


def cylinder(sides: int = 12) -> Soup:
    """Radius 1 around z, from -1 to 1, with caps."""
    angle = 2 * math.pi * np.arange(sides + 1) / sides
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(sides + 1)], axis=1)
    up = np.array([0.0, 0.0, 1.0])
    soup = []
    for a, b in itertools.pairwise(ring):
        soup += [(a - up, a), (b - up, b), (b + up, b), (a - up, a), (b + up, b), (a + up, a)]
        soup += [(up, up), (a + up, up), (b + up, up), (-up, -up), (b - up, -up), (a - up, -up)]
    return np.array([np.concatenate(item) for item in soup], dtype=np.float32)


def sphere(sides: int = 10, rings: int = 6) -> Soup:
    """Radius 1; the equator is doubled, so that the shader can draw the halves apart to make a capsule."""
    polar = np.linspace(0, math.pi, rings + 1)
    polar = np.insert(polar, rings // 2, math.pi / 2)
    z = np.cos(polar)
    z[rings // 2], z[rings // 2 + 1] = 1e-6, -1e-6
    angle = 2 * math.pi * np.arange(sides + 1) / sides
    grid = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(angle),
            np.sin(polar)[:, None] * np.sin(angle),
            np.repeat(z[:, None], sides + 1, axis=1),
        ],
        axis=-1,
    )
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    points = np.stack([a, b, c, a, c, d], axis=2).reshape(-1, 3)
    return np.ascontiguousarray(np.concatenate([points, points], axis=1), dtype=np.float32)


def plane() -> Soup:
    """The square -1..1 at z = 0, facing up."""
    quad = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=float)
    return triangles(quad[[0, 1, 2, 0, 2, 3]].reshape(-1, 3, 3))
