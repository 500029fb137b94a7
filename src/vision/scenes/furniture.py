"""What stands along a street: trees, lamp posts, signs and bins."""

from __future__ import annotations

import numpy as np

from .painting import add_glow
from .standing import StandingPainter


def draw_tree(rng: np.random.Generator, painter: StandingPainter, x: float, y: float) -> None:
    """Paints a trunk and a crown of leaves."""
    depth = painter.depth_of(x, y)
    height = rng.uniform(4.5, 8.5)
    trunk = np.array(
        [
            (x - 0.14, y, 0.0),
            (x + 0.14, y, 0.0),
            (x + 0.08, y, 0.6 * height),
            (x - 0.08, y, 0.6 * height),
        ]
    )
    painter.polygon(trunk, painter.lit((58, 76, 96), 0.8), depth)
    scale = painter.camera.focal_px / depth
    crown = painter.pixels(np.array([[x, y, 0.72 * height]]))[0]
    base = np.array([rng.uniform(40, 70), rng.uniform(105, 140), rng.uniform(60, 110)])
    reach = 0.26 * height * scale
    for k in range(46):
        spread = rng.normal(0, 0.52, 2) * (reach, 1.05 * reach)
        bright = 0.62 + 0.012 * k - 0.25 * spread[1] / max(reach, 1)
        colour = base * bright * rng.uniform(0.9, 1.1)
        tone = painter.lit((colour[0], colour[1], colour[2]))
        painter.disc(crown + spread, reach * rng.uniform(0.18, 0.36), tone, depth)


def draw_post(
    painter: StandingPainter, x: float, y: float, height: float, lean: tuple[float, float]
) -> None:
    """Paints a lamp post whose arm reaches over the road."""
    depth = painter.depth_of(x, y)
    grey = painter.lit((112, 110, 108))
    mast = [(x - 0.08, y, 0.0), (x + 0.08, y, 0.0), (x + 0.06, y, height), (x - 0.06, y, height)]
    painter.polygon(np.array(mast), grey, depth)
    tip = (x + 1.6 * lean[0], y + 1.6 * lean[1], height + 0.15)
    arm = [(x, y, height - 0.12), tip, (tip[0], tip[1], height + 0.3), (x, y, height)]
    painter.polygon(np.array(arm), grey, depth)
    if painter.light.has_lamps:
        at = painter.pixels(np.array([tip]))[0]
        size = 2.6 * painter.camera.focal_px / depth + 6
        add_glow(painter.image, at[0], at[1], size, (170.0, 220.0, 255.0), 1.0)


def draw_sign(rng: np.random.Generator, painter: StandingPainter, x: float, y: float) -> None:
    """Paints a road sign, a bin or a bus-stop board: none of them a class."""
    depth = painter.depth_of(x, y)
    kind = int(rng.integers(3))
    if kind < 2:  # noqa: PLR2004
        pole = np.array(
            [(x - 0.05, y, 0.0), (x + 0.05, y, 0.0), (x + 0.05, y, 2.6), (x - 0.05, y, 2.6)]
        )
        painter.polygon(pole, painter.lit((130, 130, 130)), depth)
        at = painter.pixels(np.array([[x, y, 2.5]]))[0]
        radius = 0.38 * painter.camera.focal_px / depth
        if kind == 0:
            painter.disc(at, radius, painter.lit((40, 36, 190)), depth)
            painter.disc(at, 0.7 * radius, painter.lit((230, 230, 232)), depth)
        else:
            board = np.array(
                [(x - 0.5, y, 2.0), (x + 0.5, y, 2.0), (x + 0.5, y, 2.8), (x - 0.5, y, 2.8)]
            )
            painter.polygon(board, painter.lit((176, 92, 30)), depth)
    else:
        colour = painter.lit((float(rng.uniform(40, 130)), float(rng.uniform(70, 130)), 60.0))
        bin_ = np.array(
            [(x - 0.4, y, 0.0), (x + 0.4, y, 0.0), (x + 0.4, y, 1.2), (x - 0.4, y, 1.2)]
        )
        painter.polygon(bin_, colour, depth)
