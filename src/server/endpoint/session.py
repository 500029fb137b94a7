"""One stream as its endpoint knows it, from registration to end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ...core.problem import Client
from ...core.verdict import Place, Reason
from ...network.estimators import HarmonicMeanWindow
from ...protos.internal_pb2 import StreamState
from ...scheduling.policing import BadFrameCounter, RatePolicer
from .frame import ArrivedFrame
from .outbox import Outbox
from .problems import SessionError
from .registration import Registration

SILENCE_MS = 2000.0
SILENCE_PERIODS = 3.0
FIRST_RESPONSE_KBITS = 2.4  # 300 bytes
SPARE_FRAMES = 2
RATIO_STEP = 0.05
RATIO_QUANTILE = 0.95
LEAST_RATIO, MOST_RATIO = 0.05, 20.0
JUMP_RATIO = 1.5


@dataclass(slots=True, eq=False)
class Session:
    """State of one registered stream. Only the event loop's thread touches it.

    Attributes:
        token: what its client opens it with.
        number: counts the registrations at this endpoint.
        is_open: whether its stream is connected.
        is_leaving: whether the client said goodbye; what is under way is still answered.
        end: why its call ends, where that is not the client's goodbye.
        last_sequence: of the newest frame; -1 before the first.
        under_way: frames at an executor.
        writing_since_ms: when the write that has not finished was begun; None if there is none.
        stop_writing: interrupts that write.
        size_ratio: 95th percentile of this stream's frame sizes over the zoo's.
        advised_side_px: what its client should send; worked out at `advised_ms`, by plan `advised_epoch`.
        num_arrived: frames read; each is answered or dropped in the end.
    """

    token: str
    number: int
    declared: Registration
    registered_ms: float
    policer: RatePolicer
    outbox: Outbox = field(default_factory=Outbox)
    bad_frames: BadFrameCounter = field(default_factory=BadFrameCounter)
    is_open: bool = False
    is_leaving: bool = False
    end: SessionError | None = None
    last_sequence: int = -1
    last_frame_ms: float = field(init=False)
    under_way: set[ArrivedFrame] = field(default_factory=set)
    writing_since_ms: float | None = None
    stop_writing: Callable[[], object] | None = None
    wire_ms: float = field(init=False)
    size_ratio: float = 1.0
    advised_side_px: int = 0
    advised_ms: float = -math.inf
    advised_epoch: int = -1
    response_kbits: float = FIRST_RESPONSE_KBITS
    num_arrived: int = 0
    num_answered: int = 0
    drops: Counter[tuple[Place, Reason]] = field(default_factory=Counter)
    _window: HarmonicMeanWindow = field(init=False)
    _told_kbps: float = field(init=False)

    def __post_init__(self) -> None:
        self.last_frame_ms = self.registered_ms
        self.wire_ms = self.declared.wire_ms
        self._window = HarmonicMeanWindow(self.declared.bandwidth_kbps)
        self._told_kbps = self.declared.bandwidth_kbps

    @property
    def stream_id(self) -> str:
        """The stream's own name."""
        return self.declared.stream_id

    @property
    def frame_limit(self) -> int:
        """Frames under way that its rate can make within its SLO, and a few."""
        return SPARE_FRAMES + math.ceil(self.declared.fps * self.declared.slo_ms / 1000.0)

    def observe_link(self, now_ms: float, bandwidth_kbps: float, wire_ms: float) -> None:
        """Takes in what the client says of its link; sound values only."""
        self._window.add(now_ms, bandwidth_kbps)
        self.wire_ms = wire_ms

    def observe_size(self, size_ratio: float) -> None:
        """Takes in the size of a frame over what the zoo says of frames of that side."""
        is_larger = size_ratio > self.size_ratio
        step = RATIO_STEP * (RATIO_QUANTILE if is_larger else RATIO_QUANTILE - 1)
        self.size_ratio = min(max(self.size_ratio * (1 + step), LEAST_RATIO), MOST_RATIO)

    def planned_kbps(self, now_ms: float) -> float:
        """The rate of the link that planning counts with."""
        return self._window.value_kbps(now_ms)

    def is_silent(self, now_ms: float) -> bool:
        """Whether it has sent nothing for so long that its capacity should go to others."""
        limit_ms = max(SILENCE_MS, SILENCE_PERIODS * 1000.0 / self.declared.fps)
        return now_ms - self.last_frame_ms > limit_ms

    def has_jumped(self, now_ms: float) -> bool:
        """Whether its link differs much from what the scheduler was told last."""
        planned = 0.0 if self.is_silent(now_ms) else self.planned_kbps(now_ms)
        if min(planned, self._told_kbps) <= 0:
            return planned != self._told_kbps
        ratio = planned / self._told_kbps
        return ratio > JUMP_RATIO or ratio < 1 / JUMP_RATIO

    def state(self, now_ms: float) -> StreamState:
        """What the scheduler is told; a silent stream has no bandwidth, so that none is reserved."""
        self._told_kbps = 0.0 if self.is_silent(now_ms) else self.planned_kbps(now_ms)
        return StreamState(
            stream_id=self.stream_id,
            fps=self.declared.fps,
            slo_ms=self.declared.slo_ms,
            bandwidth_kbps=self._told_kbps,
            wire_ms=self.wire_ms,
            response_kbits=self.response_kbits,
            frame_size_ratio=self.size_ratio,
        )

    def client(self, now_ms: float) -> Client:
        """The stream as planning sees it."""
        return Client(
            client_id=self.stream_id,
            fps=self.declared.fps,
            slo_ms=self.declared.slo_ms,
            bandwidth_kbps=self.planned_kbps(now_ms),
            wire_ms=self.wire_ms,
            response_kbits=self.response_kbits,
            frame_size_ratio=self.size_ratio,
        )

    @property
    def num_ended(self) -> int:
        """Frames that were answered or dropped."""
        return self.num_answered + self.drops.total()

    def close_when_done(self) -> None:
        """Lets the sender finish, once the client has left and nothing is under way."""
        if self.is_leaving and not self.under_way:
            self.outbox.close()

    def fail(self, error: SessionError) -> None:
        """Ends the stream's call with a status; what waits to be sent is sent before."""
        if self.end is None:
            self.end = error
        self.outbox.close()
