"""What may be declared of streams, links and devices: behind these limits all that is computed is finite.

The door of the server, the options of clients, scenarios, experiments and planning problems share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .checks import echo, is_number


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from `least` to `most`."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.least:g} to {self.most:g}"

    def problem(self, field: str, value: object) -> str:
        """Says what is wrong with a value, naming field, value and rule; empty if nothing is."""
        if is_number(value) and self.least <= value <= self.most:
            return ""
        return f"{field}={echo(value)}: must be {self}"

    def require(self, field: str, value: float) -> float:
        """Returns `value` if it is in the range.

        Raises:
            ValueError: naming field, value and rule.
        """
        problem = self.problem(field, value)
        if problem:
            raise ValueError(problem)
        return value

    def nearest(self, value: float) -> float:
        """The number of the range that is nearest to `value`; the least for what is no number."""
        if not value > self.least:
            return self.least
        return value if value < self.most else self.most


FPS: Final = Range(0.001, 240.0)
"""Frame rate of a stream."""

SLO_MS: Final = Range(1.0, 60_000.0)
"""Bound on capture to answer."""

BANDWIDTH_KBPS: Final = Range(1.0, 1e8)
"""Rate of an uplink; a link that is down has 0, which nobody declares."""

WIRE_MS: Final = Range(0.0, 10_000.0)
"""One-way delay of a link."""

MOST_AGE_MS: Final = 1e9
"""Frames may be older than these eleven days; how much makes no difference, so they count as that old."""

FRAME_KBITS: Final = Range(0.001, 1e6)
"""Encoded size of a frame."""

ANSWER_KBITS: Final = Range(0.0, 1e6)
"""Size of an answer."""

SIZE_RATIO: Final = Range(0.001, 100.0)
"""Encoded size of a stream's frames over what the zoo says."""

LATENCY_MS: Final = Range(1e-6, 60_000.0)
"""Of a batch."""

OVERHEAD_MS: Final = Range(0.0, 60_000.0)
"""What a server spends on a frame besides queueing and running it."""
