"""Decides when clocks are set, looked at and put back; told what happens, it says what to do.

Its shell does the instructions in their order, and tells the outcome of each before it does the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from .port import ClockReading, Settings, Slowed, require_available

SETTLE_MS = 500.0  # that a clock may take to follow; it is looked at in every tick until then
LOOK_MS = 1000.0
RETRY_MS = 250.0  # after clocks could not be put back
ENDING_MS = 1500.0  # for all of them, when the server ends
NEAR_RATIO = 0.02  # processors measure the clock that they run at

Claim: TypeAlias = Mapping[str, Settings]  # by device, what was set before we touched it


class WriteClaim(NamedTuple):
    """Write down, for good, whose clocks may not be as they were, in place of what was written before."""

    claim: Claim


class SetClock(NamedTuple):
    """Set a clock."""

    device_id: str
    mhz: int


class LookAtClock(NamedTuple):
    """Read the clock that a device runs at."""

    device_id: str


class PutBack(NamedTuple):
    """Restore the settings of a device."""

    device_id: str
    settings: Settings


class TellClock(NamedTuple):
    """Tell of a device's clock: what it is, if that is known, and why it is not what was asked for, one line or empty."""

    device_id: str
    mhz: float | None
    problem: str


Instruction: TypeAlias = WriteClaim | SetClock | LookAtClock | PutBack | TellClock


@dataclass(slots=True)
class _Device:
    available_mhz: tuple[int, ...] = ()
    has_executor: bool = False
    wanted_mhz: int | None = None
    set_mhz: int | None = None  # since it was as before
    look_ms: float = math.inf
    settled_ms: float = math.inf  # when it should have followed
    is_settled: bool = False
    put_back_ms: float = math.inf  # when that is to be tried again
    told: tuple[int | None, str] | None = None  # a clock that was reached, or a problem


class GovernorCore:
    """The clocks of a machine."""

    def __init__(self, claim: Claim) -> None:
        """Takes what an earlier server wrote down and did not put back, which comes first; empty as a rule."""
        self._claim = dict(claim)
        self._written = dict(claim)
        self._devices = {device_id: _Device(put_back_ms=-math.inf) for device_id in claim}
        self._must_rewrite = False
        self._over_ms = math.inf

    def is_over(self, now_ms: float) -> bool:
        """Whether the server has ended, and all is as before, or time is up."""
        is_as_before = not self._claim and not self._must_rewrite
        return self._over_ms < math.inf and (is_as_before or now_ms >= self._over_ms)

    def joined(self, device_id: str, available_mhz: tuple[int, ...]) -> None:
        """An executor runs on a device, which has such clocks."""
        device = self._devices.setdefault(device_id, _Device())
        device.available_mhz, device.has_executor, device.told = available_mhz, True, None

    def asked(self, device_id: str, mhz: int, settings: Settings | str) -> list[Instruction]:
        """An executor asks for a clock; `settings` are its device's as they are now, or why they cannot be read."""
        device = self._devices.get(device_id)
        if device is None or not device.has_executor or self._over_ms < math.inf:
            return []
        try:
            require_available(mhz, device.available_mhz)
        except ValueError as error:
            return self._tell(device_id, None, str(error))
        if isinstance(settings, str):
            return self._tell(device_id, None, settings)
        for other, claimed in self._claim.items():
            if other != device_id and claimed.keys() & settings.keys():
                return self._tell(device_id, None, f"{other} has the same clock")
        device.wanted_mhz = mhz
        if device_id in self._claim:
            return self._set(device_id)
        self._claim[device_id] = settings
        return [WriteClaim(dict(self._claim))]

    def claim_written(self, claim: Claim, problem: str = "") -> list[Instruction]:
        """That is on the disk, or is not, and is to be tried again: clocks that are not written down are not touched."""
        if problem:
            self._must_rewrite = True
            waiting = self._claim.keys() - self._written.keys()
            return [one for device_id in waiting for one in self._tell(device_id, None, problem)]
        self._written = dict(claim)
        return [one for device_id in claim for one in self._set(device_id)]

    def clock_set(self, device_id: str, now_ms: float, problem: str = "") -> list[Instruction]:
        """The machine has taken a clock, or has not: then it is not asked again until another one is wanted."""
        device = self._devices[device_id]
        device.is_settled = False
        device.look_ms = math.inf if problem else now_ms
        device.settled_ms = now_ms + SETTLE_MS
        return self._tell(device_id, None, problem) if problem else [LookAtClock(device_id)]

    def clock_read(self, device_id: str, reading: ClockReading | str) -> list[Instruction]:
        """The clock that a device runs at, or why that cannot be read."""
        device = self._devices[device_id]
        set_mhz = device.set_mhz
        if set_mhz is None:
            return []
        if isinstance(reading, str):
            return self._tell(device_id, None, reading)
        if abs(reading.mhz - set_mhz) <= NEAR_RATIO * set_mhz:
            return self._tell(device_id, reading.mhz, "")
        if not device.is_settled:
            return []
        if reading.slowed is Slowed.IDLE and reading.mhz < set_mhz:
            return []
        problem = f"asked for {set_mhz} MHz, runs at {reading.mhz:.0f}: {reading.slowed}"
        return self._tell(device_id, reading.mhz, problem)

    def put_back(self, device_id: str, now_ms: float, problem: str = "") -> list[Instruction]:
        """A device is as it was before, or is not yet."""
        device = self._devices[device_id]
        if problem:
            device.put_back_ms = now_ms + RETRY_MS
            return self._tell(device_id, None, f"cannot be put back: {problem}")
        if device.wanted_mhz is not None:
            return self._set(device_id)
        self._claim.pop(device_id, None)
        self._written.pop(device_id, None)
        return [WriteClaim(dict(self._claim))]

    def ended(self, device_id: str) -> list[Instruction]:
        """A device has no executor any more."""
        device = self._devices.setdefault(device_id, _Device())
        device.has_executor, device.wanted_mhz = False, None
        return self._put_back(device_id)

    def server_ended(self, now_ms: float) -> list[Instruction]:
        """Nothing is set any more."""
        self._over_ms = now_ms + ENDING_MS
        return [one for device_id in self._devices for one in self.ended(device_id)]

    def tick(self, now_ms: float) -> list[Instruction]:
        """What is due by the clock; to be called ten times a second."""
        out: list[Instruction] = [WriteClaim(dict(self._claim))] if self._must_rewrite else []
        self._must_rewrite = False
        for device_id, device in self._devices.items():
            if now_ms >= device.put_back_ms:
                out += self._put_back(device_id)
            if now_ms >= device.look_ms:
                device.is_settled = now_ms >= device.settled_ms
                device.look_ms = now_ms + LOOK_MS if device.is_settled else now_ms
                out.append(LookAtClock(device_id))
        return out

    def _set(self, device_id: str) -> list[Instruction]:
        """Sets what is wanted, if what was before is written down, and is not to be put back first."""
        device, claimed = self._devices[device_id], self._claim.get(device_id)
        if claimed is None or claimed != self._written.get(device_id):
            return []
        if device.wanted_mhz in (None, device.set_mhz) or device.put_back_ms < math.inf:
            return []
        device.set_mhz = device.wanted_mhz
        return [SetClock(device_id, device.wanted_mhz)]

    def _put_back(self, device_id: str) -> list[Instruction]:
        device = self._devices[device_id]
        if device_id not in self._claim:
            return []
        device.set_mhz, device.look_ms, device.put_back_ms = None, math.inf, math.inf
        return [PutBack(device_id, self._claim[device_id])]

    def _tell(self, device_id: str, mhz: float | None, problem: str) -> list[Instruction]:
        """Tells what is new alone."""
        device = self._devices[device_id]
        news = None if problem else device.set_mhz, problem
        is_told, device.told = device.told == news, news
        return [] if is_told else [TellClock(device_id, mhz, problem)]
