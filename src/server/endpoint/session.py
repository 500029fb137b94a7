"""One stream as its endpoint knows it, from registration to end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ...core.limits import FPS
from ...core.verdict import Place, Reason
from ...protos.internal_pb2 import StreamState
from ...scheduling.streams.observed_stream import ObservedStream
from ...scheduling.streams.policing import BadFrameCounter, RatePolicer
from ...scheduling.streams.stalls import Backlog
from .frame import ArrivedFrame
from .outbox import Outbox
from .problems import SessionError
from .registration import Registration


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
        newer_messages: how many messages of kinds that are not known here are passed over.
        under_way: frames at an executor.
        writing_since_ms: when the write that has not finished was begun; None if there is none.
        stop_writing: interrupts that write.
        observed: what its frames tell, for planning and advice.
        backlog: tells which frames lay unread while this process stood still.
        num_arrived: frames read; each is answered or dropped in the end.
    """

    token: str
    number: int
    declared: Registration
    registered_ms: float
    policer: RatePolicer
    outbox: Outbox = field(default_factory=Outbox)
    bad_frames: BadFrameCounter = field(default_factory=BadFrameCounter)
    newer_messages: RatePolicer = field(init=False)
    is_open: bool = False
    is_leaving: bool = False
    end: SessionError | None = None
    last_sequence: int = -1
    observed: ObservedStream = field(init=False)
    backlog: Backlog = field(init=False)
    under_way: set[ArrivedFrame] = field(default_factory=set)
    writing_since_ms: float | None = None
    stop_writing: Callable[[], object] | None = None
    num_arrived: int = 0
    num_answered: int = 0
    drops: Counter[tuple[Place, Reason]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        declared = self.declared
        self.newer_messages = RatePolicer(FPS.most, 1.0, self.registered_ms)
        self.backlog = Backlog(declared.fps, self.registered_ms)
        self.observed = ObservedStream(
            stream_id=declared.stream_id,
            fps=declared.fps,
            slo_ms=declared.slo_ms,
            first_kbps=declared.bandwidth_kbps,
            wire_ms=declared.wire_ms,
            last_frame_ms=self.registered_ms,
        )

    @property
    def stream_id(self) -> str:
        """The stream's own name."""
        return self.declared.stream_id

    def state(self, now_ms: float) -> StreamState:
        """What the scheduler is told."""
        planned = self.observed.tell(now_ms)
        return StreamState(
            stream_id=planned.stream_id,
            fps=planned.fps,
            slo_ms=planned.slo_ms,
            bandwidth_kbps=planned.bandwidth_kbps,
            wire_ms=planned.wire_ms,
            response_kbits=planned.response_kbits,
            frame_size_ratio=planned.frame_size_ratio,
            decode_ms=planned.decode_ms,
            is_unopened=not self.is_open,
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
