"""What a client knows of its link, and what it therefore sends: pure, times are arguments."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..core.advice import SideAdvice
from ..core.limits import WIRE_MS
from ..core.link import transmission_ms
from ..core.verdict import Reason
from .estimators import BandwidthEstimator, SentFrame
from .frame_sizes import FrameChoices, FrameSize
from .policies.odds import ArrivalOdds
from .policies.port import LinkForecast, Policy, Sending, Situation, takes_no_time
from .server_forecast import ServerForecast, ServerTimes

BITS_PER_KBIT = 1000.0
PROBE_AFTER_MS = 250.0
"""When nothing was sent for this long because the link seemed too slow, a small frame finds out."""
_RATIO_WEIGHT = 0.2
_RATIO_LIMITS = (0.05, 20.0)


class ClientLink:
    """Follows the frames that are under way, and has a policy choose how the next one travels.

    No more is under way than about what one round trip carries: the rest would only grow old in a buffer
    while newer frames wait behind it.

    Attributes:
        slo_ms: bound on capture to answer.
    """

    def __init__(
        self, fps: float, slo_ms: float, estimator: BandwidthEstimator, policy: Policy
    ) -> None:
        """Starts with nothing under way; estimator and policy are this stream's own."""
        self._fps = fps
        self.slo_ms = slo_ms
        self._estimator = estimator
        self._policy = policy
        self._odds = ArrivalOdds()
        self._forecast = LinkForecast(
            0.0, 0.0, self._odds
        )  # the newest one; seldom changes between acks
        # By sequence: the frame, what its bits were expected to take, and when its ack was.
        self._under_way: dict[int, tuple[SentFrame, float, float]] = {}
        self._through_ms = -math.inf
        self._size_ratio = 1.0
        self._last_sent_ms = -math.inf
        self._server = ServerForecast()

    @property
    def wire_ms(self) -> float:
        """One-way propagation delay."""
        return self._estimator.wire_ms

    @wire_ms.setter
    def wire_ms(self, wire_ms: float) -> None:
        self._estimator.wire_ms = WIRE_MS.nearest(wire_ms)  # servers take no more

    @property
    def num_unacked(self) -> int:
        """Frames sent that the server has not acknowledged."""
        return len(self._under_way)

    def bandwidth_kbps(self, now_ms: float) -> float:
        """The newest estimate."""
        for sent, _, _ in self._under_way.values():
            return self._estimator.bandwidth_kbps(now_ms, sent)
        return self._estimator.bandwidth_kbps(now_ms)

    def forecast(self, now_ms: float) -> LinkForecast:
        """What is expected of the link at this moment."""
        bandwidth_kbps, wire_ms = self.bandwidth_kbps(now_ms), self._estimator.wire_ms
        newest = self._forecast
        if newest.bandwidth_kbps != bandwidth_kbps or newest.wire_ms != wire_ms:
            newest = self._forecast = LinkForecast(bandwidth_kbps, wire_ms, self._odds)
        return newest

    def expected_kbits(self, size: FrameSize) -> float:
        """Encoded size that a frame of this stream will probably have at that input size."""
        return size.kbits * self._size_ratio

    def on_sent(
        self, sequence: int, sending: Sending, kbits: float, forecast: LinkForecast, now_ms: float
    ) -> None:
        """A frame is handed to the transport, with what is expected of the link at this moment."""
        size, quality, _ = sending
        ratio = kbits / (size.kbits * quality.size_ratio)
        least, most = _RATIO_LIMITS
        ratio = least if ratio < least else most if ratio > most else ratio
        self._size_ratio += _RATIO_WEIGHT * (ratio - self._size_ratio)
        start_ms = now_ms
        if self._under_way and self._through_ms > now_ms:
            start_ms = self._through_ms
        predicted_ms = start_ms - now_ms + transmission_ms(kbits, forecast.bandwidth_kbps)
        through_ms = self._through_ms = now_ms + predicted_ms
        self._last_sent_ms = now_ms
        sent = SentFrame(sequence, size.side_px, kbits, now_ms)
        self._under_way[sequence] = (sent, predicted_ms, through_ms + 2 * forecast.wire_ms)

    def on_ack(self, sequence: int, held_ms: float, now_ms: float) -> float | None:
        """A frame has arrived, and so have those before it.

        Returns:
            The round trip of frame and ack, less what the server held it; None if nobody waits for
            this ack (any more).
        """
        frame = self._under_way.pop(sequence, None)
        if self._under_way:
            self._has_arrived(sequence)
        if frame is None or not math.isfinite(held_ms):
            return None
        sent, predicted_ms, _ = frame
        network_ms = now_ms - sent.sent_ms - (held_ms if held_ms > 0.0 else 0.0)
        network_ms = network_ms if network_ms > 0.0 else 0.0
        estimator = self._estimator
        estimator.observe(sent, network_ms, now_ms)
        sending_ms = network_ms - 2 * estimator.wire_ms
        self._odds.add(predicted_ms, sending_ms if sending_ms > 0.0 else 0.0)
        return network_ms

    def on_answer(self, sequence: int, times: ServerTimes | None = None) -> None:
        """A frame was answered: it has arrived, whether or not its ack has.

        Args:
            sequence: its number.
            times: what the server took for it, if it was not dropped there.
        """
        if self._under_way:
            self._has_arrived(sequence)
        if times is not None and times.are_sound:
            self._server.answered(times)

    def _has_arrived(self, sequence: int) -> None:
        """A frame is under way no more, nor are those before it."""
        under_way = self._under_way
        while under_way and (oldest := next(iter(under_way))) <= sequence:
            del under_way[oldest]

    def on_too_late(self, sequence: int) -> None:
        """The server gave a frame up because its time was over: it needs more than was left to it."""
        self._has_arrived(sequence)
        self._server.gave_up()

    def on_disconnect(self) -> None:
        """Nothing is under way any more."""
        self._under_way.clear()
        self._last_sent_ms = -math.inf

    def may_send_at_ms(self, now_ms: float) -> float:
        """When the next frame may be sent; infinite while that depends on an ack.

        One frame follows another when that one's last bit is expected to have left, so that nothing
        queues; the wire then holds what one round trip needs, which on a short one is a single frame.
        While an ack is overdue the link is slower than was thought, and what is sent now would only queue.
        """
        under_way = self._under_way
        if not under_way:
            return now_ms
        if len(under_way) > self._in_a_round_trip:
            return math.inf
        _, _, ack_due_ms = next(iter(under_way.values()))
        if now_ms > ack_due_ms:
            return math.inf
        return max(now_ms, self._through_ms)

    @property
    def _in_a_round_trip(self) -> int:
        """Frames that a round trip on the wire holds, beside the one that is sent; 0: each waits for the ack before."""
        return round(2 * self._estimator.wire_ms * self._fps / 1000)

    def choose_sending(
        self,
        sequence: int,
        choices: FrameChoices,
        advice: SideAdvice,
        left_ms: float,
        now_ms: float,
        making_ms: Callable[[int], float] = takes_no_time,
    ) -> Sending | Reason:
        """Decides on the frame whose turn it is: how it is sent, or why it is given up unsent.

        Args:
            sequence: its number.
            choices: what the zoo lets a client send.
            advice: the server's newest.
            left_ms: what is left of the frame's SLO.
            now_ms: the time.
            making_ms: what making a frame of a side (px) takes.
        """
        situation = Situation(  # in their order, as names would take as long again
            sequence,
            choices.sizes,
            advice.side_px,
            self._fps,
            self.slo_ms,
            left_ms,
            self.forecast(now_ms),
            choices.qualities,
            advice.served_px,
            self._server.taken_ms,
            self._size_ratio,
            making_ms,
            0.0 if self._in_a_round_trip else 2 * self._estimator.wire_ms,
        )
        chosen = self._policy.choose(situation)
        if isinstance(chosen, Sending):
            return chosen
        if not self._under_way and now_ms - self._last_sent_ms >= PROBE_AFTER_MS:
            return Sending(choices.sizes[0], choices.qualities[-1], may_be_late=True)
        return chosen

    def is_to_blame(self, kbits: float, waited_ms: float, now_ms: float) -> bool:
        """Whether a frame given up unsent would not have made it even on an infinitely fast client.

        Args:
            kbits: its encoded size, as far as known.
            waited_ms: how long it has waited for the link.
            now_ms: the time.
        """
        return waited_ms + self.forecast(now_ms).round_trip_ms(kbits) > self.slo_ms
