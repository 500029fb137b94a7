"""The gate of one stream: holds it to what it declared, sets its deadlines, and learns of its link."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from ....core.answer_options import AS_THE_ZOO, AnswerOptions
from ....core.codes import Code
from ....core.limits import FPS
from ....core.stream import StreamKey
from ....core.verdict import Drop, Reason
from ...limits import Visitor
from ...streams.observed_stream import ObservedStream
from ...streams.policing import BadFrameCounter, RatePolicer
from ...streams.stalls import Backlog
from .drop_notes import DropNote, bad, given_up

SPARE_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Declared:
    """One stream as its client declares it, and where that came from."""

    key: StreamKey
    fps: float
    slo_ms: float
    bandwidth_kbps: float
    wire_ms: float
    options: AnswerOptions = AS_THE_ZOO
    address: str = ""
    older_proof: int = 0  # of the session that it takes the place of; 0 if none is given

    @property
    def visitor(self) -> Visitor:
        """Whose share it takes."""
        return Visitor(self.address, self.key.tenant)


@dataclass(slots=True, eq=False)
class StreamGate:
    """One registered stream, from its registration to its end.

    Attributes:
        number: counts the registrations at this endpoint.
        stream_id: the text of its key, as plans, packets and run logs name it.
        tolerance_ratio: by how much it may exceed its rate.
        most_waiting: frames under way that any stream may have.
        is_open: whether its client is connected.
        opened_ms: when its client was connected last; when it was registered before that.
        first_epoch: number of the first plan that may know that it is open.
        is_leaving: whether the client said goodbye; what is under way is still answered.
        is_over: whether it has ended, and nothing more is taken.
        last_sequence: of the newest frame; -1 before the first.
        newer_messages: how many messages of kinds that are not known here are passed over.
        proof: who has it may take its place while it is live; 0 if anybody may. The shell's to set.
        writing_since_ms: when the write that has not finished was begun; None if there is none. The shell's to set.
        observed: what its frames tell, for planning and advice.
        backlog: tells which frames lay unread while this process stood still.
        num_arrived: frames read; each is answered or dropped in the end.
        num_under_way: frames that are at devices, or wait to be sent there.
    """

    number: int
    declared: Declared
    registered_ms: float
    tolerance_ratio: float
    most_waiting: int
    stream_id: str = field(init=False)
    slo_ms: float = field(init=False)
    most_under_way: int = field(init=False)
    policer: RatePolicer = field(init=False)
    newer_messages: RatePolicer = field(init=False)
    observed: ObservedStream = field(init=False)
    opened_ms: float = field(init=False)
    backlog: Backlog = field(init=False)
    bad_frames: BadFrameCounter = field(default_factory=BadFrameCounter)
    is_open: bool = False
    first_epoch: float = math.inf
    is_leaving: bool = False
    is_over: bool = False
    last_sequence: int = -1
    proof: int = 0
    writing_since_ms: float | None = None
    num_arrived: int = 0
    num_under_way: int = 0
    num_answered: int = 0
    drops: Counter[Drop] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        declared, now_ms = self.declared, self.registered_ms
        self.opened_ms = now_ms
        self.stream_id, self.slo_ms = str(declared.key), declared.slo_ms
        limit = frame_limit(declared.fps, declared.slo_ms)
        self.most_under_way = min(limit, self.most_waiting)
        self.policer = RatePolicer(declared.fps, self.tolerance_ratio, now_ms)
        self.newer_messages = RatePolicer(FPS.most, 1.0, now_ms)
        self.backlog = Backlog(declared.fps, now_ms)
        self.observed = ObservedStream(
            stream_id=self.stream_id,
            fps=declared.fps,
            slo_ms=declared.slo_ms,
            first_kbps=declared.bandwidth_kbps,
            wire_ms=declared.wire_ms,
            last_frame_ms=now_ms,
        )

    @property
    def num_ended(self) -> int:
        """Frames that were answered or dropped."""
        return self.num_answered + self.drops.total()

    def check_order(self, sequence: int, arrived_ms: float) -> DropNote | None:
        """Takes in the number of a frame, and says what is wrong with it, or that there are too many."""
        last = self.last_sequence
        if sequence == last:
            return bad(f"sequence={sequence}: was sent before", Code.ALREADY_EXISTS)
        if sequence < last:
            return bad(f"sequence={sequence}: must be above {last}")
        self.last_sequence = sequence
        if self.policer.takes(arrived_ms):
            return None
        return given_up(Reason.RATE_EXCEEDED, self.excess)

    @property
    def excess(self) -> str:
        """What a client is told that sends too much."""
        return f"more than the declared {self.declared.fps:g} frames a second"


def frame_limit(fps: float, slo_ms: float) -> int:
    """Frames under way that a stream's rate can make within its SLO, and a few."""
    return SPARE_FRAMES + math.ceil(fps * slo_ms / 1000.0)
