"""Procedural texture layers, multiplied onto base colours (128: no change), drawn from the appearance's seed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 256
FACADES = 8
# material name -> (layer, mode of the shader, repeats per metre)
SURFACES: dict[str, tuple[int, int, float]] = {
    **{f"facade{i}": (i, 2, 1 / 9.0) for i in range(FACADES)},
    "grass": (8, 1, 1 / 6.0),
    "asphalt": (9, 1, 1 / 5.0),
    "sidewalk": (10, 1, 1 / 2.4),
    "floor": (11, 1, 1 / 2.4),
    "wall": (12, 2, 1 / 6.0),
    "shadow": (-1, 3, 1.0),
}
LAYERS = 13


def texture_layers(seed: int) -> NDArray[np.uint8]:
    """All layers (LAYERS, SIZE, SIZE, 3) for one appearance."""
    rng = np.random.default_rng([seed, 0x7E71])
    layers = [_facade(rng) for _ in range(FACADES)]
    layers += [_speckle(rng, 0.22, 3), _speckle(rng, 0.10, 1), _tiles(rng), _tiles(rng), _speckle(rng, 0.05, 2)]
    return np.clip(np.stack(layers) * 128.0, 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, cells: int) -> NDArray[np.float32]:
    coarse = rng.normal(0.0, 1.0, (cells, cells)).astype(np.float32)
    tiled = np.pad(coarse, ((0, 2), (0, 2)), mode="wrap")
    scaled = cv2.resize(tiled, None, fx=SIZE / cells, fy=SIZE / cells, interpolation=cv2.INTER_LINEAR)
    half = SIZE // cells // 2
    return np.asarray(scaled[half : half + SIZE, half : half + SIZE], np.float32)


def _speckle(rng: np.random.Generator, strength: float, roughness: int) -> NDArray[np.float32]:
    total = sum(_noise(rng, cells) / (1 + level / roughness) for level, cells in enumerate((8, 32, 128)))
    grey = 1.0 + strength * 0.6 * np.asarray(total, dtype=np.float32)
    return np.repeat(grey[..., None], 3, axis=2)


def _tiles(rng: np.random.Generator) -> NDArray[np.float32]:
    image = _speckle(rng, 0.06, 2)
    count = int(rng.choice([2, 3, 4, 6]))
    step = SIZE // count
    image *= np.kron(rng.uniform(0.93, 1.07, (count, count)), np.ones((step + 2, step + 2)))[:SIZE, :SIZE, None]
    joint = rng.uniform(0.7, 0.9)
    for k in range(count):
        image[k * step : k * step + 3] *= joint
        image[:, k * step : k * step + 3] *= joint
    return image.astype(np.float32)


def _facade(rng: np.random.Generator) -> NDArray[np.float32]:
    """A wall of 9 m x 9 m with three storeys of windows."""
    image = _speckle(rng, 0.07, 2)
    if rng.random() < 0.4:
        image[:: int(rng.integers(4, 9))] *= 0.85
    columns = int(rng.integers(2, 6))
    pane = np.array([0.35, 0.42, 0.5]) * rng.uniform(0.5, 1.4)
    frame = rng.uniform(0.7, 1.5)
    wide, high = rng.uniform(0.35, 0.75), rng.uniform(0.4, 0.65)
    for row in range(3):
        for column in range(columns):
            width, height = SIZE / columns, SIZE / 3
            x0, y0 = int((column + (1 - wide) / 2) * width), int((row + (1 - high) / 2) * height)
            x1, y1 = int(x0 + wide * width), int(y0 + high * height)
            image[y0:y1, x0:x1] = frame
            image[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] = pane * rng.uniform(0.7, 1.3)
    return image
