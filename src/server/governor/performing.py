"""Does to the machine what the governor's core says, and tells the core what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from ...core.errors import RunError
from ...energy.governor_core import (
    GovernorCore,
    Instruction,
    LookAtClock,
    PutBack,
    SetClock,
    TellClock,
    WriteClaim,
)
from ...energy.port import ClockGovernor, ClockReading
from ...energy.restoring import put_back
from .claim_file import ClaimFile


def perform(
    instruction: Instruction,
    core: GovernorCore,
    claim: ClaimFile,
    clocks: Mapping[str, ClockGovernor],
    now_ms: float,
) -> list[Instruction]:
    """Does one thing; what is to be told is the caller's. Returns what is to be done after all else."""
    reading: ClockReading | None = None
    problem = ""
    try:
        match instruction:
            case WriteClaim(claimed):
                claim.write(claimed)
            case SetClock(device_id, mhz):
                clocks[device_id].set_mhz(mhz)
            case LookAtClock(device_id):
                reading = clocks[device_id].reached()
            case PutBack(_, settings):
                put_back(settings)
    except (RunError, ValueError) as error:
        problem = str(error)
    match instruction:
        case WriteClaim(claimed):
            return core.claim_written(claimed, problem)
        case SetClock(device_id):
            return core.clock_set(device_id, now_ms, problem)
        case LookAtClock(device_id):
            return core.clock_read(device_id, reading or problem)
        case PutBack(device_id):
            return core.put_back(device_id, now_ms, problem)
        case TellClock():
            return []
