"""Colours, light and weather of a scene, drawn from a seed, so that a network never learns one particular paint."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass, replace

import numpy as np

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Appearance:
    """How a scene looks. Colours are linear 0..1, ``sun_direction`` is the unit vector towards the sun.

    ``fog_density`` [1/m] mixes in the horizon's colour; ``texture_strength`` 0..1 scales the contrast of all textures.
    """

    seed: int
    asphalt_rgb: Rgb
    grass_rgb: Rgb
    sidewalk_rgb: Rgb
    marking_rgb: Rgb
    kerb_rgb: Rgb
    building_rgb: tuple[Rgb, ...]
    floor_rgb: Rgb
    wall_rgb: Rgb
    sun_direction: Rgb
    sun_rgb: Rgb
    ambient_rgb: Rgb
    sky_top_rgb: Rgb
    sky_horizon_rgb: Rgb
    fog_density: float
    texture_strength: float


def random_appearance(seed: int) -> Appearance:
    """A plausible daylight look: clear to overcast, morning to evening, any asphalt, plaster and lawn."""
    rng = np.random.default_rng([seed, 0xA99EA])
    overcast = rng.random() < 0.35
    height = math.radians(rng.uniform(15.0, 70.0))
    azimuth = rng.uniform(-math.pi, math.pi)
    warmth = max(0.0, 1.0 - height / math.radians(45.0))
    sun = (0.15 if overcast else rng.uniform(0.45, 0.85)) * np.array([1.0, 1.0 - 0.12 * warmth, 1.0 - 0.35 * warmth])
    ambient = (rng.uniform(0.65, 0.9) if overcast else rng.uniform(0.4, 0.65)) * np.array([0.97, 1.0, 1.05])
    grey = rng.uniform(0.6, 0.85)
    sky_top = grey * np.array([0.95, 1.0, 1.05]) if overcast else _jitter(rng, (0.38, 0.58, 0.88), 0.07)
    sky_horizon = grey * np.array([1.0, 1.0, 1.02]) if overcast else _jitter(rng, (0.80, 0.86, 0.92), 0.06)
    return Appearance(
        seed=seed,
        asphalt_rgb=_rgb(rng.uniform(0.16, 0.50) * _jitter(rng, (1.0, 1.0, 1.02), 0.04)),
        grass_rgb=_rgb(_jitter(rng, ((0.33, 0.45, 0.2), (0.5, 0.47, 0.3), (0.25, 0.37, 0.18))[rng.integers(3)], 0.05)),
        sidewalk_rgb=_rgb(rng.uniform(0.42, 0.75) * _jitter(rng, (1.0, 0.97, 0.93), 0.04)),
        marking_rgb=_rgb(rng.uniform(0.78, 0.98) * _jitter(rng, (1.0, 1.0, 0.97), 0.02)),
        kerb_rgb=_rgb(rng.uniform(0.5, 0.85) * _jitter(rng, (1.0, 0.98, 0.95), 0.03)),
        building_rgb=tuple(_hue(rng, 0.45, 0.95, 0.35) for _ in range(8)),
        floor_rgb=_hue(rng, 0.35, 0.8, 0.2),
        wall_rgb=_hue(rng, 0.5, 0.95, 0.2),
        sun_direction=(
            math.cos(height) * math.cos(azimuth),
            math.cos(height) * math.sin(azimuth),
            math.sin(height),
        ),
        sun_rgb=_rgb(sun),
        ambient_rgb=_rgb(ambient),
        sky_top_rgb=_rgb(sky_top),
        sky_horizon_rgb=_rgb(sky_horizon),
        fog_density=float(rng.uniform(0.0002, 0.004)),
        texture_strength=float(rng.uniform(0.3, 1.0)),
    )


def indoors(appearance: Appearance) -> Appearance:
    """The same look under lamps: light from above, no haze."""
    x, y, z = appearance.sun_direction
    direction = np.array([0.35 * x, 0.35 * y, z + 1.0])
    direction /= np.linalg.norm(direction)
    bright = np.clip(np.array(appearance.ambient_rgb) + 0.15, 0.0, 1.0)
    lamp = np.array(appearance.sun_rgb) * 0.7
    return replace(
        appearance,
        sun_direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        sun_rgb=_rgb(lamp),
        ambient_rgb=_rgb(bright),
        fog_density=0.0,
    )


def _rgb(values: np.ndarray) -> Rgb:
    r, g, b = (float(v) for v in np.clip(values, 0.0, 1.0))
    return r, g, b


def _jitter(rng: np.random.Generator, base: Rgb, spread: float) -> np.ndarray:
    return np.asarray(base) + rng.normal(0.0, spread, 3)


def _hue(rng: np.random.Generator, darkest: float, brightest: float, saturation: float) -> Rgb:
    return _rgb(
        np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, saturation), rng.uniform(darkest, brightest)))
    )
