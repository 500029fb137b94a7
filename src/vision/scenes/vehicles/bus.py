"""A town bus."""

from __future__ import annotations

import numpy as np

from ..mesh import GLASS, UNDER, Decal, Mesh, MeshBuilder, draw_paint, lamps_of, on_end, on_side
from ..splits import Split


def bus(rng: np.random.Generator, split: Split) -> Mesh:
    """Draws a town bus: one long box with rows of windows and a lit sign."""
    length, half = rng.uniform(9.5, 12.5), 1.27
    height = rng.uniform(3.0, 3.3)
    end = length / 2
    paint, stripe = draw_paint(rng, split), draw_paint(rng, split)
    builder = MeshBuilder()
    builder.box(0, (-0.47 * length, 0.47 * length), (0.12, 0.5), half * 0.93, UNDER)
    decals: list[Decal] = []
    num_windows = round(length / 1.5)
    pitch = (length - 1.2) / num_windows
    for side in (1, -1):
        y = side * half
        decals.append((on_side((-end, end), (0.8, 1.05), y), stripe, False, 0))
        for k in range(num_windows):
            x = -end + 0.5 + k * pitch
            decals.append((on_side((x, x + pitch - 0.16), (1.4, 2.5), y), GLASS, False, 0))
    for share in (0.32, -0.05):
        door = on_side((share * length, share * length + 1.2), (0.4, 2.5), -half)
        decals.append((door, (70, 64, 58), True, 0))
    wide = (-half * 0.9, half * 0.9)
    decals.append((on_end(wide, (1.15, height - 0.5), end), GLASS, False, 0))
    decals.append(
        (on_end((-0.8, 0.8), (height - 0.42, height - 0.12), end), (60, 170, 235), True, 0)
    )
    decals.append((on_end(wide, (1.6, height - 0.5), -end), GLASS, False, 0))
    decals.extend(lamps_of(end, -end, half, 0.55, 0.22))
    builder.box(1, (-end, end), (0.35, height), half, paint, decals)
    builder.box(2, (-0.3 * length, 0.1 * length), (height, height + 0.22), 0.7, (185, 185, 185))
    builder.wheels((-0.27 * length, 0.3 * length), 0.5, half * 1.003)
    return builder.mesh(length, 2 * half)
