"""Recordings of a link: the frames that a client sent over it, and the rates that it was set to."""

from __future__ import annotations

import csv
import gzip
import io
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from moonjelly.adapting.estimators import SentFrame
from moonjelly.core.errors import UsageError

FRAME_COLUMNS = ("sent_ms", "side_px", "kbits", "net_ms", "wire_ms")
RATE_COLUMNS = ("at_ms", "rate_kbps")


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A frame that was sent.

    Attributes:
        frame: what was sent.
        net_ms: round trip of frame and ack, less what the server held it; None if no ack came.
        wire_ms: one-way delay, as the client knew it about then.
    """

    frame: SentFrame
    net_ms: float | None
    wire_ms: float

    @property
    def acked_ms(self) -> float:
        """When its ack came, but for what the server held it (about a millisecond at most)."""
        if self.net_ms is None:
            return float("inf")
        return self.frame.sent_ms + self.net_ms


@dataclass(frozen=True, slots=True)
class Recording:
    """What a client sent over one link, on one clock.

    Attributes:
        name: trace, shaper and added delay, as in `lte_like-relay-20ms`.
        frames: in order.
        rates: (since when in ms, rate in kbit/s), in order; the first one holds from the start.
    """

    name: str
    frames: Sequence[RecordedFrame]
    rates: Sequence[tuple[float, float]]

    def rate_kbps(self, at_ms: float) -> float:
        """The rate that the link was set to at a time."""
        index = bisect_right(self.rates, at_ms, key=itemgetter(0)) - 1
        return self.rates[max(0, index)][1]


def write_recording(folder: Path, recording: Recording) -> None:
    """Writes the two files of a recording."""
    _write(
        folder / f"{recording.name}.frames.csv.gz",
        FRAME_COLUMNS,
        (
            (
                f"{one.frame.sent_ms:.2f}",
                one.frame.side_px,
                f"{one.frame.kbits:g}",
                "" if one.net_ms is None else f"{one.net_ms:.2f}",
                f"{one.wire_ms:.3f}",
            )
            for one in recording.frames
        ),
    )
    _write(
        folder / f"{recording.name}.rates.csv.gz",
        RATE_COLUMNS,
        ((f"{at_ms:.2f}", f"{rate_kbps:.1f}") for at_ms, rate_kbps in recording.rates),
    )


def read_recording(folder: Path, name: str) -> Recording:
    """Reads the two files of a recording.

    Raises:
        UsageError: naming the file, if one cannot be read or is no such file.
    """
    rows = _read(folder / f"{name}.frames.csv.gz", FRAME_COLUMNS)
    rates = _read(folder / f"{name}.rates.csv.gz", RATE_COLUMNS)
    try:
        frames = [
            RecordedFrame(
                SentFrame(sequence, int(side_px), float(kbits), float(sent_ms)),
                float(net_ms) if net_ms else None,
                float(wire_ms),
            )
            for sequence, (sent_ms, side_px, kbits, net_ms, wire_ms) in enumerate(rows)
        ]
        return Recording(
            name, frames, [(float(at_ms), float(rate_kbps)) for at_ms, rate_kbps in rates]
        )
    except ValueError as error:
        raise UsageError(f"{folder / name}: is no recording of a link: {error}") from None


def recording_names(folder: Path) -> list[str]:
    """Names of the recordings in a folder, in order."""
    return sorted(
        path.name.removesuffix(".frames.csv.gz") for path in folder.glob("*.frames.csv.gz")
    )


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    # Without a time stamp, the same recording makes the same bytes.
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


def _read(path: Path, columns: Sequence[str]) -> list[list[str]]:
    try:
        text = gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or tuple(rows[0]) != tuple(columns):
        raise UsageError(f"{path}: columns must be {', '.join(columns)}")
    return rows[1:]
