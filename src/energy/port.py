"""What energy is read from and clocks are set with: two ports, whose adapters raise RunError, one line for people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

Settings: TypeAlias = Mapping[str, str]  # where a setting is, and its exact text


class Quality(StrEnum):
    """What may be said of joules."""

    MEASURED = "measured"
    MODELLED = "modelled"
    UNAVAILABLE = "unavailable"


class MeterFacts(NamedTuple):
    """What a meter's joules mean; its quality is the best that it can be."""

    name: str
    scope: str  # whose energy: `gpu`, `package`, `module`, `rails` or `device`
    window_ms: float  # how long one value stands: whatever is shorter cannot be told apart
    quality: Quality = Quality.MEASURED


class Energy(NamedTuple):
    """What a meter says at one time; the quality is of what came since the reading before."""

    total_mj: float  # since its first reading; never falls
    quality: Quality  # if it is unavailable, the total lacks some or all of that
    problem: str = ""  # why it is unavailable, one line


class PowerMeter(Protocol):
    """Counts joules."""

    facts: MeterFacts

    def read(self, now_ms: float) -> Energy:
        """Reads it at a time that never falls; never raises."""
        ...


class Slowed(StrEnum):
    """What holds a clock down, as far as the machine says so."""

    THERMAL = "thermal"
    POWER_CAP = "power cap"
    IDLE = "idle"
    UNKNOWN = "unknown"


class ClockReading(NamedTuple):
    """The clock that a device runs at, and what holds it down, if it is not what was asked for."""

    mhz: float
    slowed: Slowed = Slowed.UNKNOWN


class ClockGovernor(Protocol):
    """Sets the clock of one device. All of it may raise RunError."""

    def available_mhz(self) -> tuple[int, ...]:
        """The clocks that can be set, rising."""
        ...

    def settings(self) -> Settings:
        """What `restore` needs to put all back as it is now."""
        ...

    def set_mhz(self, mhz: int) -> None:
        """Asks for a clock; raises ValueError, and changes nothing, if it is none of the available ones."""
        ...

    def reached(self) -> ClockReading:
        """The clock as it is."""
        ...

    def restore(self, settings: Settings) -> None:
        """Puts settings back, as far as they are not as they were."""
        ...


@runtime_checkable
class ClockAsker(Protocol):
    """Where an executor asks for the clock of its device. Never waits, never raises; for any thread.

    Attributes:
        clock_mhz: the last one that was reached; None where that is not known, or none was asked for.
        clock_problem: why the clock is not what was asked for last, one line; empty if it is, or that is not known yet.
    """

    @property
    def clock_mhz(self) -> float | None:
        """See above."""
        ...

    @property
    def clock_problem(self) -> str:
        """See above."""
        ...

    def ask_clock(self, mhz: float) -> None:
        """Asks for a clock from the next batch on; to ask for the same again costs nothing."""
        ...


def require_available(mhz: int, available: tuple[int, ...]) -> int:
    """Returns a clock that can be set; raises ValueError naming it and those that can, if it cannot."""
    if mhz not in available:
        listed = ", ".join(map(str, available)) or "none"
        raise ValueError(f"clock_mhz={mhz}: must be one that can be set: {listed}")
    return mhz
