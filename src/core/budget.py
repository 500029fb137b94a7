"""Budget rules: what network and overhead leave of a stream's SLO to the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .checks import require_positive
from .limits import FRAME_KBITS

if TYPE_CHECKING:
    from .stream import Stream


class BudgetRule(Protocol):
    """Tells what the server may spend on a frame."""

    def budget_ms(self, stream: Stream, frame_kbits: float, overhead_ms: float) -> float:
        """The budget of a stream for a variant; 0 if it cannot be served with it.

        Args:
            stream: the stream.
            frame_kbits: the zoo's encoded size of a frame for that variant.
            overhead_ms: what the server spends besides queueing and running.
        """
        ...


@dataclass(frozen=True, slots=True)
class ElasticBudget:
    """All that the network leaves when frames travel at the full rate, somewhat smaller than the variant takes.

    For clients that choose their own sizes: one whose link is poor for a while sends smaller frames, and does
    not hold back the variant that it shares with others. Ours.

    Attributes:
        size_ratio: encoded size of the frames that is reckoned with, over the variant's own.
    """

    size_ratio: float

    def __post_init__(self) -> None:
        require_positive("size_ratio", self.size_ratio, 1)

    def budget_ms(self, stream: Stream, frame_kbits: float, overhead_ms: float) -> float:
        """See `BudgetRule`."""
        kbits = self.size_ratio * frame_kbits
        if not stream.can_carry(kbits):
            return 0.0
        return max(0.0, stream.slo_ms - stream.network_ms(kbits) - overhead_ms)


FULL_BUDGET = ElasticBudget(1.0)
"""All that the network leaves when frames travel at the variant's own size. Source: Jellyfish, latency budget G."""


@dataclass(frozen=True, slots=True)
class FixedFrameBudget:
    """What the network leaves when all frames travel at one size, whatever variant runs.

    Whether the link carries their rate is not asked. Source: Jellyfish's variant with fixed frames.

    Attributes:
        frame_kbits: the zoo's encoded size of frames of that size.
    """

    frame_kbits: float

    def __post_init__(self) -> None:
        FRAME_KBITS.require("frame_kbits", self.frame_kbits)

    def budget_ms(self, stream: Stream, frame_kbits: float, overhead_ms: float) -> float:
        """See `BudgetRule`."""
        del frame_kbits
        if stream.bandwidth_kbps <= 0:
            return 0.0
        return max(0.0, stream.slo_ms - stream.network_ms(self.frame_kbits) - overhead_ms)


@dataclass(frozen=True, slots=True)
class SplitBudget:
    """A fixed share of the SLO; the rest is the client's. Source: Jellyfish's variant that splits it."""

    server_ratio: float = 0.75

    def __post_init__(self) -> None:
        require_positive("server_ratio", self.server_ratio, 1)

    def budget_ms(self, stream: Stream, frame_kbits: float, overhead_ms: float) -> float:
        """See `BudgetRule`."""
        del frame_kbits, overhead_ms
        return self.server_ratio * stream.slo_ms if stream.bandwidth_kbps > 0 else 0.0
