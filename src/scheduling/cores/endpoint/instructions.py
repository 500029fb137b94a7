"""What the endpoint's core has its shell do. Not frozen, which would make them cost twice as much: there are some for every frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from ....core.advice import SideAdvice
from ....core.codes import Code
from ....core.stream import Stream
from ...planning import admission
from .gate import StreamGate
from .held_frame import HeldFrame


@dataclass(slots=True)
class Dispatch:
    """Send a frame to its device, under its ticket; from memory into a slot first, if it is in none."""

    frame: HeldFrame


@dataclass(slots=True)
class Cancel:
    """A device need not run these any more."""

    device_id: str
    tickets: Sequence[int]


@dataclass(slots=True)
class Answer:
    """A frame ran, and has ended.

    Attributes:
        found: what its device said of it, as the shell handed it in.
    """

    frame: HeldFrame
    found: Any


@dataclass(slots=True)
class Dropped:
    """A frame has ended without, as its note says.

    Attributes:
        is_told: whether its client is there to be told.
    """

    frame: HeldFrame
    is_told: bool


@dataclass(slots=True)
class EndCall:
    """The call of a stream ends, once what is to be sent has been sent.

    Attributes:
        code: None for a polite end.
        is_stuck: whether its client takes nothing that is sent.
    """

    gate: StreamGate
    code: Code | None = None
    detail: str = ""
    is_stuck: bool = False


@dataclass(slots=True)
class SessionOver:
    """A session is over, with all its frames; nobody can open it."""

    gate: StreamGate


@dataclass(slots=True)
class Registered:
    """The one answer to a registration: it has a place."""

    request: int
    gate: StreamGate
    advice: SideAdvice
    plan_epoch: int


class Why(StrEnum):
    """Why an endpoint itself registers nobody; the text is for the client."""

    DRAINING = "the server is shutting down"
    NOT_READY = "no device can run frames yet"
    SESSION_LIMIT = "all sessions are taken"
    NAME_TAKEN = admission.NAME_TAKEN.detail
    NO_SLOTS = "the frame memory has no room for so many frames"
    NO_SCHEDULER = "the server has no scheduler at the moment"
    SCHEDULER_LOST = "the server lost its scheduler"
    SCHEDULER_SILENT = "the scheduler did not answer in time"


@dataclass(slots=True)
class NotRegistered:
    """The one answer to a registration: it has none.

    Attributes:
        why: a `Why`, a limit in words, or what the scheduler said, as the shell handed it in.
    """

    request: int
    why: Any


@dataclass(slots=True)
class AskScheduler:
    """Ask the scheduler for a place.

    Attributes:
        older_proof: of the session that it takes the place of; 0 if none is given.
    """

    request: int
    stream: Stream
    older_proof: int


@dataclass(slots=True)
class LeaveScheduler:
    """Take that question back, or the place that it was answered with."""

    request: int
    stream_id: str


@dataclass(slots=True)
class Report:
    """Tell the scheduler how all streams fare.

    Attributes:
        unopened: streams whose clients have not connected yet.
        overhead_ms: what the endpoint spends on a frame besides queueing, decoding and running it.
        is_urgent: somebody came or left, or a link jumped.
        silent_devices: where frames that were handed over are overdue.
        plan_epoch: of the plan in force here.
        proofs: of the streams, by name.
    """

    opened: Sequence[Stream]
    unopened: Sequence[Stream]
    overhead_ms: float
    is_urgent: bool
    silent_devices: Sequence[str]
    plan_epoch: int
    proofs: Mapping[str, int]


@dataclass(slots=True)
class DevicesChanged:
    """A device has come, gone, fallen silent, or spoken again."""


@dataclass(slots=True)
class Note:
    """A line for the log; of severity `INFO`, `WARNING` or `ERROR`."""

    level: str
    text: str


@dataclass(slots=True)
class Mistake:
    """Something failed that should not have; for the log."""

    where: str
    error: Exception


@dataclass(slots=True)
class WakeAt:
    """A tick is due then, and none before. Infinite: none at all."""

    at_ms: float


Instruction: TypeAlias = (
    Dispatch
    | Cancel
    | Answer
    | Dropped
    | EndCall
    | SessionOver
    | Registered
    | NotRegistered
    | AskScheduler
    | LeaveScheduler
    | Report
    | DevicesChanged
    | Note
    | Mistake
    | WakeAt
)
