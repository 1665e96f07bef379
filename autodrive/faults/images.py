"""What a broken camera delivers, made from what a whole one would."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
NOISE = 45.0  # grey levels, standard deviation: a sensor whose gain has run away


def black(image: Image) -> Image:
    """No light (H, W, 3): a lens cap, mud, a dead exposure control."""
    return np.zeros_like(image)


def noisy(image: Image, rng: np.random.Generator, sigma: float = NOISE) -> Image:
    """The image (H, W, 3) under noise of ``sigma`` grey levels."""
    noise = rng.normal(0.0, sigma, image.shape).astype(np.float32)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def half_size(image: Image) -> Image:
    """A camera that came back in another mode: half the height and width."""
    return np.ascontiguousarray(image[::2, ::2])
