"""How large a source's frames are once they are encoded."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.checks import require_positive
from ..core.errors import UsageError

MAX_FILE_BYTES = 10_000_000
MAX_SIDE_PX = 4096
COLUMNS = ("side_px", "kbits")


@dataclass(frozen=True, slots=True)
class RecordedSizes:
    """Encoded sizes of successive frames, round and round, at the zoo's JPEG quality.

    Attributes:
        kbits: side (px) to the sizes of the source's frames, in their order.
    """

    kbits: Mapping[int, tuple[float, ...]]

    def __post_init__(self) -> None:
        if not self.kbits:
            raise ValueError("kbits={}: must hold at least one frame")
        for side_px, sizes in self.kbits.items():
            require_positive("side_px", side_px, MAX_SIDE_PX)
            if not sizes:
                raise ValueError(f"kbits: side_px={side_px}: must have at least one frame")
            for kbits in sizes:
                require_positive("kbits", kbits, 1e6)

    def frame_kbits(self, sequence: int, side_px: int) -> float:
        """Encoded size of a frame; KeyError if its side was not measured."""
        sizes = self.kbits[side_px]
        return sizes[sequence % len(sizes)]


def read_frame_sizes(path: Path) -> RecordedSizes:
    """Reads a table: a row for each frame and side, the frames of a side in their order.

    Raises:
        UsageError: naming file, line and rule.
    """
    kbits: dict[int, list[float]] = {}
    line = 1
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path}: must be at most {MAX_FILE_BYTES} bytes")
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file, strict=True)
            if set(rows.fieldnames or ()) != set(COLUMNS):
                raise UsageError(f"{path}:1: must have the columns {', '.join(COLUMNS)}")
            for row in rows:
                line = rows.line_num
                kbits.setdefault(int(row["side_px"]), []).append(float(row["kbits"]))
        return RecordedSizes({side_px: tuple(sizes) for side_px, sizes in kbits.items()})
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, csv.Error) as error:
        raise UsageError(f"{path}:{line}: {error}") from None
