"""What an endpoint's core is told; the rest are plain arguments of its methods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ....core.budget import BudgetRule
from ...limits import NO_LIMITS, Limits
from .drop_notes import DropNote


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRules:
    """What an endpoint holds to.

    Attributes:
        max_sessions: streams that may be registered.
        frame_slots: frames that the frame memory holds.
        max_waiting_frames: frames under way that one stream may have.
        rate_tolerance_ratio: by how much streams may exceed their rates.
        session_grace_ms: how long a stream may take to open.
        session_idle_ms: how long an open one may send nothing, but for ten of its periods.
        plan_period_ms: time between plans.
        budget_rule: by which streams are advised.
        limits: of one address and tenant.
    """

    max_sessions: int
    frame_slots: int
    max_waiting_frames: int
    rate_tolerance_ratio: float
    session_grace_ms: float
    plan_period_ms: float
    budget_rule: BudgetRule
    session_idle_ms: float = math.inf
    limits: Limits = NO_LIMITS


@dataclass(slots=True)
class FrameDone:
    """What a device says of one frame.

    Attributes:
        queue_ms: from being sent there to the start of its batch, decoding included.
        response_kbits: size of its answer.
        note: why it was given up; None if it ran.
        found: goes with its `Answer`, for the shell.
    """

    ticket: int
    queue_ms: float = 0.0
    decode_ms: float = 0.0
    response_kbits: float = 0.0
    note: DropNote | None = None
    found: Any = None


@dataclass(slots=True)
class BatchDone:
    """What a device says at once: frames that ran together, or were given up."""

    frames: Sequence[FrameDone]
    variant: str = ""
    batch_size: int = 0
    inference_ms: float = 0.0
    plan_epoch: int = 0
    frame_mj: float | None = None  # what each took above idle, if it is known
