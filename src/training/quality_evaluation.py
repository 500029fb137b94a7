"""Measures what a lower JPEG quality costs in accuracy, and what it saves on the link.

`python -m moonjelly.training.quality_evaluation --zoo traffic` writes `profiles/traffic/qualities.csv`.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..files.table import write_table
from ..vision.zoo import ZOO_NAMES, load_zoo
from ..zoos.qualities import COLUMNS
from .evaluation import answer_scenes, score_variants

_LOG = logging.getLogger(__name__)

QUALITIES: Final = (90, 75, 60, 45)
VARIANTS: Final = {"traffic": ("traffic-n-192", "traffic-n-288", "traffic-n-416", "traffic-s-544")}
"""Of each zoo, the few that are measured; the effect hardly depends on the side."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures a few variants of a zoo at each quality on drawn test scenes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--zoo", choices=ZOO_NAMES, default=ZOO_NAMES[0])
    parser.add_argument("--variants", nargs="+", help="default: a few")
    parser.add_argument("--qualities", nargs="+", type=int, default=list(QUALITIES))
    parser.add_argument("--scenes", type=int, default=40, help="test scenes")
    parser.add_argument("--frames", type=int, default=16, help="frames of each scene")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--output", type=Path, help="default: profiles/ZOO/qualities.csv")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    zoo = load_zoo(options.zoo)
    every = {variant.name: variant.input_side_px for variant in zoo.variants}
    sides = {name: every[name] for name in options.variants or VARIANTS[zoo.name]}
    by_quality = {
        quality: score_variants(
            answer_scenes(
                tuple(sides), "test", options.scenes, options.frames, options.workers, quality
            ),
            sides,
        )
        for quality in options.qualities
    }
    rows = []
    for name in sides:
        for quality, scores in by_quality.items():
            found, kbits = scores[name].accuracy, scores[name].frame_kbits
            rows.append((name, quality, f"{found.map:.4f}", f"{kbits:.1f}", found.num_frames))
            _LOG.info("%-14s quality %d: map %.3f, %.1f kbit", name, quality, found.map, kbits)
    write_table(options.output or Path("profiles") / zoo.name / "qualities.csv", {}, COLUMNS, rows)


if __name__ == "__main__":
    main()
