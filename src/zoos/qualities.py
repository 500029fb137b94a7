"""`qualities.csv`: what a lower JPEG quality costs and saves, where that was measured."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from ..core.quality import MAX_QUALITY, JpegQuality
from ..files.table import read_table

FULL_QUALITY = 90
"""The quality that all other tables of a zoo hold for."""
COLUMNS = ("variant", "jpeg_quality", "map", "frame_kbits", "num_frames")


def load_qualities(path: Path) -> tuple[JpegQuality, ...]:
    """Reads the qualities below 90 of a zoo, best first; none where it has no such table.

    The ratios are means over the variants of the table, each against its own row of quality 90.

    Raises:
        UsageError: with `file:row:column: rule` where the table is broken.
    """
    if not path.exists():
        return ()
    full: dict[str, tuple[float, float]] = {}
    lower: dict[int, list[tuple[float, float]]] = {}
    rows = [
        (
            row,
            row.text("variant"),
            row.count_of("jpeg_quality", 1, MAX_QUALITY),
            row.number_of("map", 1e-4, 1),
            row.number_of("frame_kbits", 1e-3, 1e6),
        )
        for row in read_table(path, COLUMNS).rows
    ]
    for _, variant, quality, accuracy, kbits in rows:
        if quality == FULL_QUALITY:
            full[variant] = (accuracy, kbits)
    for row, variant, quality, accuracy, kbits in rows:
        if variant not in full:
            raise row.error("variant", f"needs a row of quality {FULL_QUALITY} to compare with")
        if quality < FULL_QUALITY:
            best, largest = full[variant]
            ratios = (min(1.0, accuracy / best), min(1.0, kbits / largest))
            lower.setdefault(quality, []).append(ratios)
    return tuple(
        JpegQuality(quality, fmean(a for a, _ in pairs), fmean(s for _, s in pairs))
        for quality, pairs in sorted(lower.items(), reverse=True)
    )
