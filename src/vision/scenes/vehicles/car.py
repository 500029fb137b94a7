"""A saloon, hatchback or off-roader."""

from __future__ import annotations

import numpy as np

from ..mesh import GLASS, UNDER, Decal, Mesh, MeshBuilder, draw_paint, lamps_of, on_end
from ..splits import Split


def car(rng: np.random.Generator, split: Split) -> Mesh:
    """Draws a saloon, a hatchback or an off-roader."""
    kind = rng.choice(["saloon", "hatchback", "offroad"])
    length = {"saloon": 4.7, "hatchback": 4.0, "offroad": 4.6}[kind] * rng.uniform(0.95, 1.05)
    height = {"saloon": 1.45, "hatchback": 1.5, "offroad": 1.78}[kind] * rng.uniform(0.97, 1.03)
    half, end, belt = 0.92 * rng.uniform(0.96, 1.04), length / 2, 0.6 * height
    paint = draw_paint(rng, split)
    builder = MeshBuilder()
    builder.box(0, (-0.44 * length, 0.44 * length), (0.1, 0.4), half * 0.9, UNDER)
    nose, tail = 0.48 * height, 0.54 * height
    profile = [
        (-end + 0.08, 0.24),
        (end - 0.05, 0.24),
        (end, 0.35 * height),
        (end - 0.12, nose),
        (0.22 * length, belt),
        (-end + 0.06, belt if kind != "saloon" else tail),
        (-end, 0.45 * height),
    ]
    plate: list[Decal] = [
        (on_end((-0.26, 0.26), (0.34, 0.46), -end), (215, 220, 220), True, 0),
        (on_end((-0.5, 0.5), (0.3, 0.42), end), (40, 40, 40), True, 0),
    ]
    lamps = lamps_of(end - 0.02, -end, half, 0.36 * height, 0.14)
    builder.solid(1, profile, [half] * 7, paint, [*plate, *lamps])
    back = {"saloon": -0.32, "hatchback": -0.46, "offroad": -0.48}[kind] * length
    roof = {"saloon": -0.18, "hatchback": -0.34, "offroad": -0.42}[kind] * length
    front, brow, top = 0.24 * length, 0.07 * length, half * 0.76
    cabin = [(back, belt - 0.02), (front, belt - 0.02), (brow, height), (roof, height)]
    glass: list[Decal] = []
    for side in (1, -1):
        low, high = side * (half * 0.985), side * (top * 1.03)
        post = 0.25 * (roof + brow) + 0.25 * (back + front)
        for a, b, c, d in (
            (back + 0.2, post - 0.05, post - 0.05, roof + 0.1),
            (post + 0.05, front - 0.28, brow - 0.08, post + 0.05),
        ):
            z = (belt + 0.04, height - 0.1)
            corners = [(a, low, z[0]), (b, low, z[0]), (c, high, z[1]), (d, high, z[1])]
            glass.append((corners, GLASS, False, 0))
    for x_low, x_high in ((front, brow), (back, roof)):
        share = (height - 0.1 - belt) / (height - belt + 0.02)
        x_top = x_low + (x_high - x_low) * share
        corners = [
            (x_low, -half * 0.9, belt + 0.04),
            (x_low, half * 0.9, belt + 0.04),
            (x_top, top * 0.94, height - 0.1),
            (x_top, -top * 0.94, height - 0.1),
        ]
        glass.append((corners, GLASS, False, 0))
    builder.solid(2, cabin, [half * 0.97, half * 0.97, top, top], paint, glass)
    radius = 0.33 if kind != "offroad" else 0.38
    builder.wheels((-0.3 * length, 0.31 * length), radius, half * 1.005)
    return builder.mesh(length, 2 * half)
