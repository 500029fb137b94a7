"""Models of vehicles."""

from __future__ import annotations

from typing import Final

import numpy as np

from .light import Colour
from .mesh import (
    GLASS,
    HEAD_LAMP,
    TAIL_LAMP,
    TYRE,
    UNDER,
    Decal,
    Mesh,
    MeshBuilder,
    disc,
    draw_paint,
    lamps_of,
    on_end,
    on_side,
)
from .splits import Split


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


BUILDERS: Final = (car, bus, truck, motorcycle)
"""One for each class, in the order of the class ids."""
