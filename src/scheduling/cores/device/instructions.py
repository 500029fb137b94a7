"""What the core of a device is asked, and what it tells its shell to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ....core.verdict import Reason
from ...batching.port import Batch


@dataclass(frozen=True, slots=True)
class DeviceOrders:
    """What a plan asks of one device; `clock_mhz` is None where its clock is left alone."""

    variant: str
    batch_size: int
    arrival_fps: float
    plan_epoch: int
    clock_mhz: float | None = None


class LoadCause(StrEnum):
    """Why a variant is loaded; each has a loader of its own."""

    PLAN = "plan"  # which waits for it
    NEIGHBOUR = "neighbour"  # while no plan waits


class LoadStep(NamedTuple):
    """What a loader does now: unload, then load. With nothing to load it asks again when anything has happened."""

    unload: tuple[str, ...] = ()
    load: str = ""


@dataclass(slots=True)  # not frozen, which makes one cost twice as much
class Turn:
    """What to do now.

    Attributes:
        batch: to start; None for none.
        drop: frames to give up, and why.
        ask_mhz: a clock to ask for, before all else; then ask again at once.
        overdue: frames that wait past their deadlines: whoever sent them is told that the device lives.
        must_finish: nothing can start before the oldest batch under way has ended.
        wait_until_ms: otherwise ask again then at the latest, and whenever anything has happened.
    """

    batch: Batch | None = None
    drop: tuple[tuple[int, Reason], ...] = ()
    overdue: tuple[int, ...] = ()
    must_finish: bool = False
    wait_until_ms: float = math.inf
    ask_mhz: float | None = None
