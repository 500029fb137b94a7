"""Counts of the frames of one stream, or of several: what a summary needs, and no frame itself."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np

from ..core.records import FrameRecord
from ..core.verdict import Verdict
from .tenant_outcome import WINDOW_MS, Share

_VERDICTS = frozenset(Verdict)


class SeenSequences:
    """Which sequence numbers were there. Small where they come about in order."""

    def __init__(self) -> None:
        """Has seen none."""
        self._num_in_row = 0  # 0, 1, ... were all there
        self._beyond: set[int] = set()

    def __len__(self) -> int:
        return self._num_in_row + len(self._beyond)

    def add(self, sequence: int) -> None:
        """Takes one; a second time it changes nothing."""
        if sequence == self._num_in_row:
            self._num_in_row += 1
            while self._beyond and self._num_in_row in self._beyond:
                self._beyond.remove(self._num_in_row)
                self._num_in_row += 1
        elif sequence > self._num_in_row:
            self._beyond.add(sequence)


class StreamTally:
    """Counts the frames of one stream as they come; holds 4 bytes for each answered one.

    Attributes:
        ends: verdict, place and reason to frames.
        seen: frames that have a verdict.
        variants: variant to answered frames.
        sides_px: side to answered frames.
        windows: what it had in each 10 s.
        latencies_ms: of answered frames, in single precision: exact to the log's 0.001 ms below 16 s.
    """

    __slots__ = ("ends", "latencies_ms", "seen", "sides_px", "variants", "windows")

    def __init__(self) -> None:
        """Has counted nothing."""
        self.ends: Counter[tuple[str, str, str]] = Counter()
        self.seen = SeenSequences()
        self.variants: Counter[str] = Counter()
        self.sides_px: Counter[int] = Counter()
        self.windows: defaultdict[int, Share] = defaultdict(Share)
        self.latencies_ms = array("f")

    def add(self, frame: FrameRecord, worth: float = 0.0) -> None:
        """Counts a frame; `worth` is the accuracy of its answer, where that is known."""
        verdict = frame.verdict
        self.ends[verdict, frame.place, frame.reason] += 1
        if verdict not in _VERDICTS:
            return
        self.seen.add(frame.sequence)
        self.windows[int(frame.captured_ms // WINDOW_MS)].add(frame, worth)
        if verdict == Verdict.DROPPED:
            return
        self.variants[frame.variant] += 1
        if frame.side_px is not None:
            self.sides_px[frame.side_px] += 1
        if frame.latency_ms is not None:
            self.latencies_ms.append(frame.latency_ms)

    def total(self, verdict: Verdict) -> int:
        """Frames with a verdict."""
        return sum(count for (end, _, _), count in self.ends.items() if end == verdict)

    def dropped_by(self) -> dict[str, dict[str, int]]:
        """Place to reason to dropped frames."""
        found: dict[str, dict[str, int]] = {}
        for (verdict, place, reason), count in sorted(self.ends.items()):
            if verdict == Verdict.DROPPED:
                found.setdefault(place, {})[reason] = count
        return found

    def mean_side_px(self) -> float | None:
        """Mean side of answered frames; None if there are none."""
        num_sides = self.sides_px.total()
        if not num_sides:
            return None
        return sum(side_px * count for side_px, count in self.sides_px.items()) / num_sides


def together(tallies: Iterable[StreamTally]) -> StreamTally:
    """Adds counts up; latencies and sequence numbers stay with their streams."""
    every = StreamTally()
    for tally in tallies:
        every.ends.update(tally.ends)
        every.variants.update(tally.variants)
        every.sides_px.update(tally.sides_px)
    return every


def quantiles_ms(tallies: Iterable[StreamTally], *quantiles: float) -> list[float | None]:
    """Exact quantiles, with linear interpolation, of the latencies of all answered frames."""
    parts = [
        np.frombuffer(tally.latencies_ms, np.float32) for tally in tallies if tally.latencies_ms
    ]
    if not parts:
        return [None] * len(quantiles)
    together = np.concatenate(parts)
    found = np.quantile(together, quantiles, overwrite_input=True)
    return [float(value) for value in found]
