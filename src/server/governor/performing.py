"""Does to the machine what the governor's core says, and tells the core what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from ...energy.port import ClockGovernor
from ...energy.restoring import put_back
from .claim_file import ClaimFile


def perform(
    instruction: Instruction,
    core: GovernorCore,
    claim: ClaimFile,
    clocks: Mapping[str, ClockGovernor | None],
    now_ms: float,
) -> list[Instruction]:
    """Does one thing; what is to be told is the caller's. Returns what is to be done after all else."""
    try:
        match instruction:
            case WriteClaim(claimed):
                claim.write(claimed)
                return core.claim_written(claimed)
            case SetClock(device_id, mhz):
                _clocks(clocks, device_id).set_mhz(mhz)
                return core.clock_set(device_id, now_ms)
            case LookAtClock(device_id):
                return core.clock_read(device_id, _clocks(clocks, device_id).reached())
            case PutBack(device_id, settings):
                put_back(settings, _nvml)
                return core.put_back(device_id, now_ms)
            case TellClock():
                return []
    except (RunError, ValueError) as error:
        return _failed(instruction, core, now_ms, str(error))


def _failed(
    instruction: Instruction, core: GovernorCore, now_ms: float, problem: str
) -> list[Instruction]:
    match instruction:
        case WriteClaim():
            return core.claim_failed(problem)
        case SetClock(device_id):
            return core.clock_set(device_id, now_ms, problem)
        case LookAtClock(device_id):
            return core.clock_read(device_id, problem)
        case PutBack(device_id):
            return core.put_back(device_id, now_ms, problem)
        case TellClock():
            return []


def _clocks(clocks: Mapping[str, ClockGovernor | None], device_id: str) -> ClockGovernor:
    found = clocks.get(device_id)
    if found is None:
        raise RunError(f"{device_id}: has no clocks")
    return found


def _nvml() -> Any:  # noqa: ANN401 the module `pynvml`
    try:
        import pynvml  # noqa: PLC0415 - an option
    except ImportError:
        raise RunError("needs nvidia-ml-py") from None
    return pynvml
