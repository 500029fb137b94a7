"""Budget rules: what network and overhead leave of a stream's SLO to the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from .checks import require_positive
from .limits import FRAME_KBITS
from .stream import Stream

SERVER_RATIO = 0.75  # of an SLO that is split


class BudgetRule(ABC):
    """Tells what the server may spend on a frame, once it is decoded. A server has one rule for all streams.

    `allows` and `left_ms` are plain arithmetic: a stream whose fields are columns, and a row of frame sizes, give tables.
    """

    def allows(self, stream: Stream, frame_kbits: float) -> bool:
        """Whether the stream's link lets it be served with that variant at all: if it is not down, where a rule asks no more.

        Args:
            stream: who wants to be served.
            frame_kbits: the zoo's encoded size of a frame for the variant.
        """
        del frame_kbits
        return stream.bandwidth_kbps > 0

    @abstractmethod
    def left_ms(self, stream: Stream, frame_kbits: float, overhead_ms: float) -> float:
        """What is left of its SLO if the link allows the variant; below 0 if nothing is.

        Args:
            stream: who wants to be served.
            frame_kbits: the zoo's encoded size of a frame for the variant.
            overhead_ms: what the server spends on any frame besides decoding, queueing and running it.
        """

    def budget_ms(self, stream: Stream, frame_kbits: float, overhead_ms: float) -> float:
        """The budget of a stream for a variant; 0 if it cannot be served with it. See `left_ms`."""
        if not self.allows(stream, frame_kbits):
            return 0.0
        left_ms = self.left_ms(stream, frame_kbits, overhead_ms)
        return left_ms if left_ms > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class ElasticBudget(BudgetRule):
    """All that the network leaves when frames travel at the full rate, somewhat smaller than the variant takes.

    For clients that choose their own sizes: one whose link is poor for a while sends smaller frames, and does
    not hold back the variant that it shares with others. Ours.

    Attributes:
        size_ratio: encoded size of the frames that is reckoned with, over the variant's own.
    """

    size_ratio: float

    def __post_init__(self) -> None:
        require_positive("size_ratio", self.size_ratio, 1)

    def allows(self, stream: Stream, frame_kbits: float) -> bool:
        """See `BudgetRule`."""
        return stream.is_carried(self.size_ratio * frame_kbits)

    def left_ms(self, stream: Stream, frame_kbits: float, overhead_ms: float) -> float:
        """See `BudgetRule`."""
        return _left_ms(stream, self.size_ratio * frame_kbits, overhead_ms)


FULL_BUDGET = ElasticBudget(1.0)
"""All that the network leaves when frames travel at the variant's own size. Source: Jellyfish, latency budget G."""


@dataclass(frozen=True, slots=True)
class FixedFrameBudget(BudgetRule):
    """What the network leaves when all frames travel at one size, whatever variant runs.

    Whether the link carries their rate is not asked. Source: Jellyfish's variant with fixed frames.

    Attributes:
        frame_kbits: the zoo's encoded size of frames of that size.
    """

    frame_kbits: float

    def __post_init__(self) -> None:
        FRAME_KBITS.require("frame_kbits", self.frame_kbits)

    def left_ms(self, stream: Stream, frame_kbits: float, overhead_ms: float) -> float:
        """See `BudgetRule`."""
        del frame_kbits
        return _left_ms(stream, self.frame_kbits, overhead_ms)


@dataclass(frozen=True, slots=True)
class SplitBudget(BudgetRule):
    """A fixed share of the SLO; the rest is the client's. Source: Jellyfish's variant that splits it."""

    def left_ms(self, stream: Stream, frame_kbits: float, overhead_ms: float) -> float:
        """See `BudgetRule`."""
        del frame_kbits, overhead_ms
        return SERVER_RATIO * stream.slo_ms


def _left_ms(stream: Stream, kbits: float, overhead_ms: float) -> float:
    """What network, overhead and decoding leave of an SLO where frames travel at a size."""
    return stream.slo_ms - stream.network_ms(kbits) - (overhead_ms + stream.decode_ms)
