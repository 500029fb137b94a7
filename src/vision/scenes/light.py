"""The light of a scene: time of day, sun, passing clouds, sensor noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from .splits import Split, draw_between

Colour = tuple[float, float, float]
"""Blue, green, red, each 0 to 255."""

NOISE_OFFSET: Final = 24
"""Added to the noise tiles so that they fit unsigned bytes; taken off again by the tone curve."""


@dataclass(frozen=True, slots=True)
class Light:
    """What lights a scene.

    Attributes:
        name: day, overcast, dusk or night.
        tint: Factor on each colour (blue, green, red) of what the light falls on.
        sky_top: Colour of the sky overhead.
        sky_horizon: Colour of the sky at the horizon.
        sun: Unit vector towards the sun.
        sun_ratio: Share of direct light: 0 (no shadows cast) to 1.
        has_lamps: Whether vehicles and streets are lit.
        noise_sigma: Standard deviation of the sensor noise, in grey levels.
        cloud_depth_ratio: How much of the light a passing cloud takes.
        cloud_period_s: Time from one cloud to the next.
        cloud_phase_rad: Where in this time the scene begins.
    """

    name: str
    tint: Colour
    sky_top: Colour
    sky_horizon: Colour
    sun: Colour
    sun_ratio: float
    has_lamps: bool
    noise_sigma: float
    cloud_depth_ratio: float
    cloud_period_s: float
    cloud_phase_rad: float

    def gain(self, time_s: float) -> float:
        """Returns the factor on the light at a time: below 1 while a cloud passes."""
        wave = math.sin(2 * math.pi * time_s / self.cloud_period_s + self.cloud_phase_rad)
        return 1 - self.cloud_depth_ratio * max(0.0, wave)

    def shade(self, normals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Returns the factor [n] on the colour of surfaces with these unit normals [n, 3]."""
        facing = np.clip(normals @ np.asarray(self.sun), 0, 1)
        sky = 0.5 + 0.5 * normals[:, 2]
        return np.asarray(
            0.5 + 0.3 * sky * (1 - 0.4 * self.sun_ratio) + 0.5 * self.sun_ratio * facing
        )

    def tone(self, time_s: float) -> npt.NDArray[np.uint8]:
        """Returns the tone curve [256] that ends a frame: noise offset off, cloud's gain on."""
        levels = (np.arange(256) - NOISE_OFFSET) * (256 / (256 - NOISE_OFFSET)) ** 0.5
        return np.asarray(np.clip(levels * self.gain(time_s), 0, 255), np.uint8)


def draw_light(rng: np.random.Generator, split: Split, wanted: str = "") -> Light:
    """Draws the light of a scene, of any name or of the one that is wanted."""
    drawn = str(rng.choice(["day", "day", "overcast", "dusk", "night"]))
    name = wanted or drawn
    azimuth = rng.uniform(0, 2 * math.pi)
    low, high = {"day": (35, 65), "overcast": (50, 70), "dusk": (12, 24), "night": (60, 70)}[name]
    elevation = math.radians(draw_between(rng, low, high, split))
    sun = (
        math.cos(elevation) * math.sin(azimuth),
        math.cos(elevation) * math.cos(azimuth),
        math.sin(elevation),
    )
    level = draw_between(rng, 0.88, 1.05, split)
    tint, top, horizon, ratio = {
        "day": ((0.98, 1.0, 1.02), (222, 164, 98), (240, 224, 200), 1.0),
        "overcast": ((0.88, 0.86, 0.84), (196, 188, 180), (220, 216, 212), 0.12),
        "dusk": ((0.56, 0.60, 0.72), (128, 84, 66), (120, 160, 232), 0.6),
        "night": ((0.42, 0.37, 0.35), (34, 20, 14), (62, 46, 40), 0.0),
    }[name]
    return Light(
        name=name,
        tint=(tint[0] * level, tint[1] * level, tint[2] * level),
        sky_top=top,
        sky_horizon=horizon,
        sun=sun,
        sun_ratio=ratio,
        has_lamps=name in {"dusk", "night"},
        noise_sigma=draw_between(rng, 1.0, 3.5, split) + (2.0 if name == "night" else 0.0),
        cloud_depth_ratio=draw_between(rng, 0.1, 0.35, split) if name == "day" else 0.05,
        cloud_period_s=draw_between(rng, 15, 50, split),
        cloud_phase_rad=rng.uniform(0, 2 * math.pi),
    )


@lru_cache(maxsize=4)
def noise_tile(height_px: int, width_px: int, sigma_tenths: int) -> npt.NDArray[np.uint8]:
    """Returns a tile [height, width, 3] of noise around `NOISE_OFFSET`, same for same arguments."""
    rng = np.random.default_rng([height_px, width_px, sigma_tenths])
    grey = rng.standard_normal((height_px, width_px, 1), dtype=np.float32)
    colour = rng.standard_normal((height_px, width_px, 3), dtype=np.float32)
    noise = (0.75 * grey + 0.65 * colour) * (sigma_tenths / 10) + NOISE_OFFSET
    return np.clip(noise, 0, 2 * NOISE_OFFSET).astype(np.uint8)
