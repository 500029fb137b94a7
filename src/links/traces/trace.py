"""The rate of a link over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...core.checks import echo, require_not_negative, require_positive

MAX_MBPS = 100_000.0
KBIT_PER_MBIT = 1000.0
_ROUNDING = 1e-9  # of the number of a value: k * period / period may fall just below k


@dataclass(frozen=True, slots=True)
class LinkTrace:
    """The rate of a link, cycled for ever.

    A rate is what TCP carries in full segments, without headers.

    Attributes:
        values_mbps: rates (Mbit/s, 10^6 bit/s) that follow each other; 0 is an outage.
        period_s: how long each value holds.
        offset: index of the value that holds at time 0; may exceed the number of values.
        scale_ratio: factor on every value.
    """

    values_mbps: tuple[float, ...]
    period_s: float = 1.0
    offset: int = 0
    scale_ratio: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "values_mbps", tuple(self.values_mbps))
        if not self.values_mbps:
            raise ValueError("values_mbps=(): a trace has at least one value")
        for value in self.values_mbps:
            require_not_negative("values_mbps", value, MAX_MBPS)
        require_positive("period_s", self.period_s)
        require_not_negative("scale_ratio", self.scale_ratio, 1000)
        if type(self.offset) is not int or self.offset < 0:
            raise ValueError(f"offset={echo(self.offset)}: must be a whole number of at least 0")

    @property
    def round_s(self) -> float:
        """How long it takes until it begins again (s)."""
        return len(self.values_mbps) * self.period_s

    def rate_kbps(self, at_s: float) -> float:
        """The rate (1000 bit/s) at a time of at least 0, counted from the start of the trace."""
        index = self.offset + self._number(at_s)
        value = self.values_mbps[index % len(self.values_mbps)]
        return value * KBIT_PER_MBIT * self.scale_ratio

    def next_change_s(self, at_s: float) -> float:
        """When the value after the one at `at_s` begins."""
        return (self._number(at_s) + 1) * self.period_s

    def _number(self, at_s: float) -> int:
        return math.floor(at_s / self.period_s + _ROUNDING)


def constant_trace(mbps: float) -> LinkTrace:
    """A link of one rate."""
    return LinkTrace((mbps,))
