"""A motorcycle with its rider."""

from __future__ import annotations

import numpy as np

from ..light import Colour
from ..mesh import HEAD_LAMP, TAIL_LAMP, TYRE, Decal, Mesh, MeshBuilder, disc, draw_paint, on_end
from ..splits import Split


def motorcycle(rng: np.random.Generator, split: Split) -> Mesh:
    """Draws a motorcycle with its rider."""
    length = rng.uniform(1.95, 2.3)
    end, radius = length / 2, 0.31
    paint, jacket, helmet = (draw_paint(rng, split) for _ in range(3))
    dark = (jacket[0] * 0.5, jacket[1] * 0.5, jacket[2] * 0.5)
    builder = MeshBuilder()
    for x in (-end + radius, end - radius):
        profile = [(px, pz) for px, _, pz in disc(x, radius, radius, 0.0)]
        hub = [(0.6 * (px - x) + x, 0.08, 0.6 * (pz - radius) + radius) for px, pz in profile]
        other = [(px, -py, pz) for px, py, pz in hub]
        grey: Colour = (110, 110, 112)
        builder.solid(
            0, profile, [0.075] * 10, TYRE, [(hub, grey, True, 0), (other, grey, True, 0)]
        )
    frame = [
        (-0.8 * end, 0.75),
        (-0.35 * end, 0.3),
        (0.35 * end, 0.3),
        (0.72 * end, 0.85),
        (0.5 * end, 1.0),
    ]
    builder.solid(1, frame, [0.16, 0.18, 0.18, 0.14, 0.14], paint)
    lamps: list[Decal] = [
        (on_end((-0.1, 0.1), (0.8, 0.98), 0.8 * end), HEAD_LAMP, True, 1),
    ]
    bar = [(0.55 * end, 0.8), (0.8 * end, 0.78), (0.8 * end, 1.05), (0.6 * end, 1.1)]
    builder.solid(1, bar, [0.3, 0.14, 0.14, 0.34], (58, 58, 60), lamps)
    tail: list[Decal] = [(on_end((-0.09, 0.09), (0.74, 0.86), -0.82 * end), TAIL_LAMP, True, 2)]
    builder.box(1, (-0.82 * end, -0.1 * end), (0.7, 0.88), 0.15, (44, 44, 46), tail)
    legs = [(-0.3 * end, 0.85), (0.1 * end, 0.45), (0.3 * end, 0.5), (0.25 * end, 0.95)]
    builder.solid(2, legs, [0.24, 0.26, 0.26, 0.26], dark)
    torso = [
        (-0.42 * end, 0.85),
        (0.05 * end, 0.85),
        (0.28 * end, 1.35),
        (0.0, 1.48),
        (-0.2 * end, 1.35),
    ]
    builder.solid(3, torso, [0.2, 0.2, 0.27, 0.22, 0.27], jacket)
    head = disc(0.2 * end, 1.6, 0.15, 0.0)
    visor: list[Decal] = [
        (on_end((-0.1, 0.1), (1.56, 1.68), 0.2 * end + 0.14), (40, 40, 40), True, 0)
    ]
    builder.solid(4, [(p[0], p[2]) for p in head], [0.13] * 10, helmet, visor)
    return builder.mesh(length, 0.75)
