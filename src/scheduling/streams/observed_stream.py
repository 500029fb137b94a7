"""What a server learns of a stream from its frames: the link, the sizes, whether it is alive."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ...adapting.estimators import HarmonicMeanWindow
from ...core.advice import NO_ADVICE, SideAdvice
from ...core.link import transmission_ms
from ...core.stream import Stream
from ..plan_view import RunningVariant
from .overhead import OverheadEstimate

SILENCE_MS = 2000.0
SILENCE_PERIODS = 3.0
GAP_MS = 250.0
"""A stream that paused longer says little of its link at first: its estimate tells of the pause."""
REPLY_MARGIN_MS = 2.0
"""Kept for what the server does after the executor: passing the answer on and sending it."""
FIRST_RESPONSE_KBITS = 2.4  # 300 bytes
RATIO_STEP = 0.05
RATIO_QUANTILE = 0.95
LEAST_RATIO, MOST_RATIO = 0.05, 20.0
JUMP_RATIO = 1.5
"""Rates that differ by more than this factor are no noise: the link has changed."""


@dataclass(slots=True, eq=False)
class ObservedStream:
    """One stream as planning and advice see it.

    Attributes:
        first_kbps: what its client says of its link before the first frame.
        wire_ms: one-way delay, as its client said last.
        last_frame_ms: when it was last heard of.
        size_ratio: 95th percentile of this stream's frame sizes over the zoo's.
        response_kbits: size of the newest answer.
        decoding: what decoding one of its frames takes the server; nothing until measured. Its own, so that
            nobody pays for the large pictures of another stream.
        advice: what its client is told, worked out at `advised_ms` for what ran it then.
    """

    stream_id: str
    fps: float
    slo_ms: float
    first_kbps: float
    wire_ms: float
    last_frame_ms: float
    size_ratio: float = 1.0
    response_kbits: float = FIRST_RESPONSE_KBITS
    decoding: OverheadEstimate = field(default_factory=lambda: OverheadEstimate(0.0))
    advice: SideAdvice = NO_ADVICE
    advised_ms: float = -math.inf
    advised_for: RunningVariant | None = None
    _window: HarmonicMeanWindow = field(init=False)
    _told_kbps: float = field(init=False)
    _is_after_gap: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._window = HarmonicMeanWindow(self.first_kbps)
        self._told_kbps = self.first_kbps

    def take_frame(
        self,
        read_ms: float,
        age_ms: float,
        kbits: float,
        expected_kbits: float | None,
        bandwidth_kbps: float,
        wire_ms: float,
    ) -> tuple[float, float]:
        """Learns from a frame, and sets its deadline.

        Args:
            read_ms: when it was read.
            age_ms: from capture to sending.
            kbits: its encoded size.
            expected_kbits: what the zoo says of frames of that side; None if it has no such side.
            bandwidth_kbps: the client's estimate, sound.
            wire_ms: likewise.

        Returns:
            Its estimated time on the way, and the time by which its detections must leave the executor.
        """
        gap_ms = read_ms - self.last_frame_ms
        # Only once, or nothing would be learned of a link that takes that long for each frame.
        self._is_after_gap = (
            gap_ms > GAP_MS
            and gap_ms > SILENCE_PERIODS * 1000.0 / self.fps
            and not self._is_after_gap
        )
        self.last_frame_ms = read_ms
        if not self._is_after_gap:
            self.observe_link(read_ms, bandwidth_kbps, wire_ms)
        if expected_kbits is not None:
            self.observe_size(kbits / expected_kbits)
        there_ms = transmission_ms(kbits, bandwidth_kbps) + wire_ms
        left_ms = self.slo_ms - age_ms - there_ms - wire_ms - REPLY_MARGIN_MS
        return there_ms, read_ms + left_ms

    def observe_link(self, now_ms: float, bandwidth_kbps: float, wire_ms: float) -> None:
        """Takes in what the client says of its link; sound values only.

        After a jump, what was said before tells nothing any more.
        """
        if _is_jump(bandwidth_kbps, self.planned_kbps(now_ms)):
            self._window = HarmonicMeanWindow(bandwidth_kbps)
        else:
            self._window.add(now_ms, bandwidth_kbps)
        self.wire_ms = wire_ms

    def observe_size(self, size_ratio: float) -> None:
        """Takes in the size of a frame over what the zoo says of frames of that side."""
        is_larger = size_ratio > self.size_ratio
        step = RATIO_STEP * (RATIO_QUANTILE if is_larger else RATIO_QUANTILE - 1)
        ratio = self.size_ratio * (1 + step)
        ratio = ratio if ratio > LEAST_RATIO else LEAST_RATIO
        self.size_ratio = ratio if ratio < MOST_RATIO else MOST_RATIO

    def planned_kbps(self, now_ms: float) -> float:
        """The rate of the link that planning counts with."""
        return self._window.value_kbps(now_ms)

    def is_silent(self, now_ms: float) -> bool:
        """Whether it has sent nothing for so long that its capacity should go to others."""
        paused_ms = now_ms - self.last_frame_ms
        return paused_ms > SILENCE_MS and paused_ms > SILENCE_PERIODS * 1000.0 / self.fps

    def has_jumped(self, now_ms: float) -> bool:
        """Whether its link differs much from what planning was told last."""
        planned = 0.0 if self.is_silent(now_ms) else self.planned_kbps(now_ms)
        if min(planned, self._told_kbps) <= 0:
            return planned != self._told_kbps
        return _is_jump(planned, self._told_kbps)

    def tell(self, now_ms: float) -> Stream:
        """What planning is told; a silent stream has no bandwidth, so that none is reserved."""
        self._told_kbps = 0.0 if self.is_silent(now_ms) else self.planned_kbps(now_ms)
        return self._planned(self._told_kbps)

    def planned(self, now_ms: float) -> Stream:
        """The stream as planning sees it."""
        return self._planned(self.planned_kbps(now_ms))

    def _planned(self, bandwidth_kbps: float) -> Stream:
        return Stream.trusted(
            stream_id=self.stream_id,
            fps=self.fps,
            slo_ms=self.slo_ms,
            bandwidth_kbps=bandwidth_kbps,
            wire_ms=self.wire_ms,
            response_kbits=self.response_kbits,
            frame_size_ratio=self.size_ratio,
            decode_ms=self.decoding.mean_ms,
        )


def _is_jump(bandwidth_kbps: float, before_kbps: float) -> bool:
    return not before_kbps / JUMP_RATIO <= bandwidth_kbps <= before_kbps * JUMP_RATIO
