"""What a client knows of its link, and what it therefore sends: pure, times are arguments."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core.checks import require_positive
from ..core.variant import Variant
from .estimators import BandwidthEstimator, SentFrame

BITS_PER_KBIT = 1000.0
MIN_UNACKED = 2
NO_ANSWER_AFTER_MS = 2000.0
"""A frame that was sent is given up when it is this much over its SLO."""
PROBE_AFTER_MS = 500.0
"""When nothing was sent for this long because the link seemed too slow, a small frame finds out."""
_RATIO_WEIGHT = 0.2
_RATIO_LIMITS = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class FrameSize:
    """An input size of the zoo.

    Attributes:
        side_px: side of the square.
        kbits: expected encoded size of a frame of that side.
    """

    side_px: int
    kbits: float

    def __post_init__(self) -> None:
        require_positive("side_px", self.side_px, 4096)
        require_positive("frame_kbits", self.kbits)


def frame_sizes(variants: Iterable[Variant]) -> list[FrameSize]:
    """The input sizes of a zoo, smallest first; where variants share a side, the larger frames count."""
    largest: dict[int, float] = {}
    for variant in variants:
        side_px = variant.input_side_px
        largest[side_px] = max(largest.get(side_px, 0.0), variant.frame_kbits)
    return [FrameSize(side_px, kbits) for side_px, kbits in sorted(largest.items())]


@dataclass(frozen=True, slots=True)
class Sending:
    """How a frame is to be sent.

    Attributes:
        is_probe: whether it is sent although it will hardly be answered in time, to learn about the link.
    """

    size: FrameSize
    is_probe: bool


class ClientLink:
    """Follows the frames that are under way, and predicts how long others would take.

    No more is under way than about what one round trip carries: the rest would only grow old in a buffer
    while newer frames wait behind it.
    """

    def __init__(self, fps: float, estimator: BandwidthEstimator) -> None:
        """Starts with nothing under way."""
        self._fps = fps
        self._estimator = estimator
        self._unacked: dict[int, SentFrame] = {}
        self._through_ms = float("-inf")
        self._size_ratio = 1.0
        self._last_sent_ms = float("-inf")

    @property
    def wire_ms(self) -> float:
        """One-way propagation delay."""
        return self._estimator.wire_ms

    @wire_ms.setter
    def wire_ms(self, wire_ms: float) -> None:
        self._estimator.wire_ms = wire_ms

    @property
    def num_unacked(self) -> int:
        """Frames sent that the server has not acknowledged."""
        return len(self._unacked)

    def bandwidth_kbps(self, now_ms: float) -> float:
        """The newest estimate."""
        return self._estimator.bandwidth_kbps(now_ms, self._oldest_unacked())

    def quantile_kbps(self, quantile: float, now_ms: float) -> float:
        """The rate that the link's is below with this probability, as far as known."""
        return self._estimator.quantile_kbps(quantile, now_ms, self._oldest_unacked())

    def _oldest_unacked(self) -> SentFrame | None:
        return next(iter(self._unacked.values()), None)

    def network_ms(self, kbits: float, now_ms: float) -> float:
        """Time that a frame of that size and its answer would take on the network."""
        return BITS_PER_KBIT * kbits / self.bandwidth_kbps(now_ms) + 2 * self.wire_ms

    def expected_kbits(self, size: FrameSize) -> float:
        """Encoded size that a frame of this stream will probably have at that input size."""
        return size.kbits * self._size_ratio

    def on_sent(self, sequence: int, size: FrameSize, kbits: float, now_ms: float) -> None:
        """A frame is handed to the transport."""
        ratio = min(max(kbits / size.kbits, _RATIO_LIMITS[0]), _RATIO_LIMITS[1])
        self._size_ratio += _RATIO_WEIGHT * (ratio - self._size_ratio)
        start_ms = max(self._through_ms, now_ms) if self._unacked else now_ms
        self._through_ms = start_ms + BITS_PER_KBIT * kbits / self.bandwidth_kbps(now_ms)
        self._last_sent_ms = now_ms
        self._unacked[sequence] = SentFrame(sequence, size.side_px, kbits, now_ms)

    def on_ack(self, sequence: int, held_ms: float, now_ms: float) -> float | None:
        """A frame has arrived, and so have those before it.

        Returns:
            The round trip of frame and ack, less what the server held it; None if nobody waits for
            this ack (any more).
        """
        sent = self._unacked.get(sequence)
        self.on_answer(sequence)
        if sent is None or not math.isfinite(held_ms):
            return None
        network_ms = max(0.0, now_ms - sent.sent_ms - max(0.0, held_ms))
        self._estimator.observe(sent, network_ms, now_ms)
        return network_ms

    def on_answer(self, sequence: int) -> None:
        """A frame was answered: it has arrived, whether or not its ack has."""
        for earlier in [one for one in self._unacked if one <= sequence]:
            del self._unacked[earlier]

    def on_disconnect(self) -> None:
        """Nothing is under way any more."""
        self._unacked.clear()
        self._last_sent_ms = float("-inf")

    def may_send_at_ms(self, now_ms: float) -> float:
        """When the next frame may be sent; infinite while that depends on an ack."""
        if not self._unacked:
            return now_ms
        in_a_round_trip = math.ceil(2 * self.wire_ms * self._fps / 1000)
        if len(self._unacked) >= max(MIN_UNACKED, 1 + in_a_round_trip):
            return math.inf
        return max(now_ms, self._through_ms)

    def choose_size(
        self, sizes: Sequence[FrameSize], advised_px: int, left_ms: float, now_ms: float
    ) -> FrameSize | None:
        """Goes down from the advised side until the link carries the frames at their rate, in time.

        Source: Jellyfish, client backoff "best". The smallest side need not be carried at the full
        rate: newer frames then replace older ones.

        Args:
            sizes: the zoo's sizes, smallest first, at least one.
            advised_px: side that the server advised; 0 for none.
            left_ms: what is left of the frame's SLO.
            now_ms: the time.

        Returns:
            None if not even the smallest frame could be answered in time.
        """
        bandwidth_kbps = self.bandwidth_kbps(now_ms)
        for size in reversed(sizes):
            is_smallest = size is sizes[0]
            if size.side_px > advised_px and not is_smallest:
                continue
            kbits = self.expected_kbits(size)
            is_carried = bandwidth_kbps > self._fps * kbits or is_smallest
            if is_carried and self.network_ms(kbits, now_ms) <= left_ms:
                return size
        return None

    def choose_sending(
        self, sizes: Sequence[FrameSize], advised_px: int, left_ms: float, now_ms: float
    ) -> Sending | None:
        """Decides on the frame whose turn it is; None to give it up. Arguments as of `choose_size`."""
        is_probe = not self._unacked and now_ms - self._last_sent_ms >= PROBE_AFTER_MS
        size = self.choose_size(sizes, advised_px, left_ms, now_ms)
        if size is not None:
            return Sending(size, is_probe)
        return Sending(sizes[0], is_probe=True) if is_probe else None

    def is_worth_sending(
        self, sending: Sending, kbits: float, left_ms: float, now_ms: float
    ) -> bool:
        """Whether a frame should go out after all, now that its encoded size is known."""
        return sending.is_probe or self.network_ms(kbits, now_ms) <= left_ms

    def is_to_blame(self, kbits: float, waited_ms: float, slo_ms: float, now_ms: float) -> bool:
        """Whether a frame given up unsent would not have made it even on an infinitely fast client.

        Args:
            kbits: its encoded size, as far as known.
            waited_ms: how long it has waited for the link.
            slo_ms: bound on capture to answer.
            now_ms: the time.
        """
        return waited_ms + self.network_ms(kbits, now_ms) > slo_ms
