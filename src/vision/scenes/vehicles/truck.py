"""A lorry."""

from __future__ import annotations

import numpy as np

from ..mesh import GLASS, UNDER, Decal, Mesh, MeshBuilder, draw_paint, lamps_of, on_end, on_side
from ..splits import Split


def truck(rng: np.random.Generator, split: Split) -> Mesh:
    """Draws a lorry: a cab, a gap, and a closed box, a tipper or a tank behind it."""
    kind = rng.choice(["box", "box", "tipper", "tank"])
    length, half = rng.uniform(6.8, 10.5), 1.22
    end = length / 2
    cab_height, cab_rear = rng.uniform(2.5, 2.9), end - rng.uniform(1.8, 2.2)
    paint, load_paint = draw_paint(rng, split), draw_paint(rng, split)
    builder = MeshBuilder()
    builder.box(0, (-0.47 * length, 0.46 * length), (0.45, 0.95), half * 0.7, UNDER)
    decals: list[Decal] = [
        (on_end((-half * 0.9, half * 0.9), (1.5, cab_height - 0.25), end), GLASS, False, 0),
        (on_end((-half * 0.75, half * 0.75), (0.75, 1.3), end), (52, 52, 54), False, 0),
    ]
    for side in (1, -1):
        window = on_side((cab_rear + 0.5, end - 0.25), (1.5, cab_height - 0.35), side * half)
        decals.append((window, GLASS, False, 0))
    decals.extend(d for d in lamps_of(end, cab_rear, half, 0.6, 0.2) if d[3] == 1)
    builder.box(1, (cab_rear, end), (0.45, cab_height), half, paint, decals)
    front = cab_rear - rng.uniform(0.3, 0.6)
    tails = [d for d in lamps_of(end, -end, half, 0.95, 0.2) if d[3] == 2]  # noqa: PLR2004
    if kind == "box":
        top = rng.uniform(3.3, 3.9)
        seams: list[Decal] = []
        dark = (load_paint[0] * 0.78, load_paint[1] * 0.78, load_paint[2] * 0.78)
        for side in (1, -1):
            low_edge = on_side((-end, front), (0.95, 1.15), side * half * 1.02)
            seams.append((low_edge, dark, False, 0))
        seams.append((on_end((-0.04, 0.04), (1.2, top - 0.1), -end), dark, True, 0))
        builder.box(1, (-end, front), (0.95, top), half * 1.02, load_paint, [*seams, *tails])
    elif kind == "tipper":
        top = rng.uniform(2.2, 2.7)
        profile = [(-end + 0.3, 0.95), (front, 0.95), (front, top), (-end, top)]
        ribs: list[Decal] = []
        dark = (load_paint[0] * 0.7, load_paint[1] * 0.7, load_paint[2] * 0.7)
        for side in (1, -1):
            for k in range(4):
                x = -end + 0.5 + k * (front + end - 0.8) / 3.5
                ribs.append((on_side((x, x + 0.16), (1.0, top - 0.08), side * half), dark, True, 0))
        builder.solid(1, profile, [half] * 4, load_paint, [*ribs, *tails])
        heap = [(-end + 0.2, top), (front - 0.2, top), (0.5 * front - 0.4 * end, top + 0.45)]
        builder.solid(2, heap, [half * 0.85, half * 0.85, 0.3], (72, 96, 118))
    else:
        top = rng.uniform(2.8, 3.2)
        low = 1.0
        bands = ((low, half * 0.5, low + 0.45, half), (low + 0.45, half, top - 0.45, half))
        for z0, w0, z1, w1 in (*bands, (top - 0.45, half, top, half * 0.45)):
            profile = [(-end, z0), (front, z0), (front, z1), (-end, z1)]
            shown = tails if z0 == low + 0.45 else []
            builder.solid(1, profile, [w0, w0, w1, w1], load_paint, shown)
    builder.wheels((-0.34 * length, -0.22 * length, cab_rear + 0.9), 0.5, half * 1.0)
    return builder.mesh(length, 2 * half)
