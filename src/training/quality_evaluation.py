"""Measures what a lower JPEG quality costs in accuracy, and what it saves on the link.

`python -m moonjelly.training.quality_evaluation --zoo traffic` writes `profiles/traffic/qualities.csv`.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..files.table import write_table
from ..vision.zoo import load_zoo
from ..zoos.qualities import COLUMNS
from .evaluation import answer_scenes, measuring_parser, score_variants

_LOG = logging.getLogger(__name__)

QUALITIES: Final = (90, 75, 60, 45)
VARIANTS: Final = {"traffic": ("traffic-n-192", "traffic-n-288", "traffic-n-416", "traffic-s-544")}
"""Of each zoo, the few that are measured; the effect hardly depends on the side."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures a few variants of a zoo at each quality on drawn test scenes."""
    parser = measuring_parser(main.__doc__, "qualities.csv")
    parser.add_argument("--variants", nargs="+", help="default: a few")
    parser.add_argument("--qualities", nargs="+", type=int, default=list(QUALITIES))
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    every = {variant.name: variant for variant in load_zoo(options.zoo).variants}
    names = options.variants or VARIANTS[options.zoo]
    found = {}
    for quality in options.qualities:
        answers = answer_scenes(
            names, "test", options.scenes, options.frames, options.workers, quality
        )
        for row in score_variants(answers, [every[name] for name in names]):
            found[row.variant, quality] = (
                f"{row.map:.4f}",
                f"{row.frame_kbits:.1f}",
                row.num_frames,
            )
            _LOG.info(
                "%-14s quality %d: map %s, %s kbit, %d frames",
                row.variant,
                quality,
                *found[row.variant, quality],
            )
    rows = [(*key, *found[key]) for key in itertools.product(names, options.qualities)]
    write_table(options.output or Path("profiles", options.zoo, "qualities.csv"), {}, COLUMNS, rows)


if __name__ == "__main__":
    main()
