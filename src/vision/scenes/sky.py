"""A sky with clouds."""

from __future__ import annotations

import cv2
import numpy as np

from .camera import Floats
from .light import Light


def draw_sky(
    rng: np.random.Generator, height: int, width: int, horizon: float, light: Light
) -> Floats:
    """Returns the sky [height, width, 3], brighter towards the horizon, with clouds."""
    share = np.clip(np.arange(height) / max(horizon, 1.0), 0, 1)[:, None, None]
    top, low = np.asarray(light.sky_top), np.asarray(light.sky_horizon)
    sky = np.broadcast_to(top + (low - top) * share, (height, width, 3)).copy()
    if light.name != "night":
        cover = _smooth_noise(rng, height, width, 5)
        cloud = np.clip((cover - rng.uniform(0.42, 0.6)) * 4, 0, 0.85)[..., None]
        sky += (np.asarray(low) * 0.35 + 160 - sky) * cloud * 0.8
    return sky


def _smooth_noise(rng: np.random.Generator, height: int, width: int, cells: int) -> Floats:
    """Returns cloudy noise [height, width] in 0..1."""
    total = np.zeros((height, width))
    weight = 1.0
    for octave in range(4):
        size = cells * 2**octave
        small = rng.random((max(2, size * height // width), size))
        total += weight * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= 0.5
    return np.clip(total / 1.875, 0, 1)
