"""What the scheduler has its shell do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ....core.plan import Plan
from ....core.problem import Problem
from ...planning.admission import Refusal
from ...planning.rounds import Cause, Mistake


@dataclass(frozen=True, slots=True)
class DeviceOrder:
    """What one device runs.

    Attributes:
        variant: index into the zoo's variants.
        batch_size: the largest batch that the plan allows.
        arrival_fps: rates of its streams, added up.
        clock_mhz: None where its clock is left alone.
        clock_ratio: what batches take at that clock, over those at the device's own.
    """

    device_id: str
    variant: int
    batch_size: int
    arrival_fps: float
    clock_mhz: float | None = None
    clock_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class PublishedPlan:
    """A plan as others are told.

    Attributes:
        epoch: its number; rises with each change, also over restarts of the scheduler.
        orders: one for each device that can be used.
        placement: stream to device, or to None where the stream is not served.
        preempted: those of the latter whose places others have.
    """

    epoch: int
    orders: tuple[DeviceOrder, ...]
    placement: Mapping[str, str | None]
    preempted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TellEndpoints:
    """The whole plan, for these endpoints."""

    endpoints: tuple[str, ...]
    plan: PublishedPlan


@dataclass(frozen=True, slots=True)
class TellDevice:
    """What one device has to run from now on, and nothing else of the plan."""

    order: DeviceOrder
    epoch: int


@dataclass(frozen=True, slots=True)
class AnswerJoin:
    """The one answer to a request; `refusal` is None if the stream may join."""

    endpoint: str
    request: int
    refusal: Refusal | None
    plan_epoch: int


@dataclass(frozen=True, slots=True)
class Supersede:
    """The stream has joined at another endpoint; this one ends its older session."""

    endpoint: str
    stream_id: str


@dataclass(frozen=True, slots=True)
class NotePlan:
    """A plan was made, whether or not it changes anything; for the log.

    Attributes:
        problem: what it serves.
        slowdowns: batch time over the profile's median, of the devices that are there.
    """

    cause: Cause
    epoch: int
    problem: Problem
    plan: Plan
    slowdowns: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ReportMistake:
    """The planner did something wrong; for the log."""

    mistake: Mistake


@dataclass(frozen=True, slots=True)
class WakeAt:
    """A `Tick` is due then, and none before, unless something else happens. Infinite: none at all."""

    at_ms: float


Instruction: TypeAlias = (
    TellEndpoints | TellDevice | AnswerJoin | Supersede | NotePlan | ReportMistake | WakeAt
)
