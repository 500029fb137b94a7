"""What a source's frames are like once they are encoded: how large, and how long that takes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.checks import require_not_negative, require_positive
from ..core.errors import UsageError

MAX_FILE_BYTES = 10_000_000
MAX_SIDE_PX = 4096
COLUMNS = ("side_px", "kbits", "encode_ms")


@dataclass(frozen=True, slots=True)
class EncodedFrames:
    """Successive frames of a source at each side, round and round.

    Attributes:
        kbits: side (px) to the encoded sizes of the source's frames, in their order.
        encode_ms: side (px) to what resizing and encoding takes, frame by frame.
    """

    kbits: Mapping[int, tuple[float, ...]]
    encode_ms: Mapping[int, tuple[float, ...]]

    def __post_init__(self) -> None:
        if not self.kbits or self.kbits.keys() != self.encode_ms.keys():
            raise ValueError("kbits, encode_ms: must be of the same sides, at least one")
        for side_px, kbits in self.kbits.items():
            require_positive("side_px", side_px, MAX_SIDE_PX)
            if not kbits or len(kbits) != len(self.encode_ms[side_px]):
                raise ValueError(
                    f"side_px={side_px}: must have at least one frame, with both values"
                )
            for value in kbits:
                require_positive("kbits", value, 1e6)
            for value in self.encode_ms[side_px]:
                require_not_negative("encode_ms", value, 10_000)

    def frame_kbits(self, sequence: int, side_px: int) -> float:
        """Encoded size of a frame; KeyError if the side was not measured."""
        sizes = self.kbits[side_px]
        return sizes[sequence % len(sizes)]

    def frame_encode_ms(self, sequence: int, side_px: int) -> float:
        """What encoding that frame takes; KeyError if the side was not measured."""
        durations_ms = self.encode_ms[side_px]
        return durations_ms[sequence % len(durations_ms)]


def read_encoded_frames(path: Path) -> EncodedFrames:
    """Reads a table: a row for each frame and side, the frames of a side in their order.

    Raises:
        UsageError: naming file, row and rule.
    """
    kbits: dict[int, list[float]] = {}
    encode_ms: dict[int, list[float]] = {}
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
                side_px = int(row["side_px"])
                kbits.setdefault(side_px, []).append(float(row["kbits"]))
                encode_ms.setdefault(side_px, []).append(float(row["encode_ms"]))
        return EncodedFrames(
            {side_px: tuple(values) for side_px, values in kbits.items()},
            {side_px: tuple(values) for side_px, values in encode_ms.items()},
        )
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, csv.Error) as error:
        raise UsageError(f"{path}:{line}: {error}") from None


class Encoder:
    """Encodes so many frames at a time, first come first served.

    Emulated cameras of one process share one; real devices have one each.
    """

    def __init__(self, num_frames: int) -> None:
        """Starts idle; encodes `num_frames`, at least 1, at a time."""
        self._free_ms = [0.0] * num_frames

    def done_ms(self, now_ms: float, encode_ms: float) -> float:
        """Takes a frame; returns when it is encoded."""
        first = min(range(len(self._free_ms)), key=self._free_ms.__getitem__)
        self._free_ms[first] = max(self._free_ms[first], now_ms) + encode_ms
        return self._free_ms[first]
