"""NVIDIA cards: energy counter, power and clocks.

The power that NVML names first is an average over a second on most cards, and is not used. NVML does not tell how a clock
was locked before: to put it back is to unlock it.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import RunError
from .meters import CheckedMeter, CountedMeter, IntegratedMeter
from .port import ClockReading, MeterFacts, Settings, Slowed, require_available

FACTS = MeterFacts("nvml", "gpu", window_ms=100.0)  # how often the counter moves
POWER_INSTANT = 186  # a field, in mW
GRAPHICS_CLOCK = 0
SLOWED_BY_BITS = {  # of the reasons for a clock; the first that is given
    0x20 | 0x40: Slowed.THERMAL,
    0x04 | 0x80: Slowed.POWER_CAP,  # of software, of the power supply
    0x01: Slowed.IDLE,
}


def nvml_library() -> Any:  # noqa: ANN401 the module `pynvml`
    """The library, which is an option; RunError where it is not installed."""
    try:
        import pynvml  # noqa: PLC0415
    except ImportError:
        raise RunError("needs nvidia-ml-py") from None
    return pynvml


class NvmlCard:
    """One card; a `ClockGovernor`. All of it may raise RunError."""

    def __init__(self, library: Any, uuid: str) -> None:  # noqa: ANN401 the module `pynvml`
        """Finds the card by its UUID."""
        self._library = library
        self._uuid = uuid
        self._card: tuple[object, ...] = ()  # first of what functions take
        self._ask("nvmlInit")
        self._card = (self._ask("nvmlDeviceGetHandleByUUID", uuid),)

    def meter(self) -> CheckedMeter:
        """Its energy counter, believed once that agrees with its power."""
        counter = CountedMeter(FACTS, lambda: self._ask("nvmlDeviceGetTotalEnergyConsumption"))
        return CheckedMeter(counter, IntegratedMeter(FACTS, self.power_w))

    def power_w(self) -> float:
        """What it draws, over 10 to 100 ms as the card has it."""
        (field,) = self._ask("nvmlDeviceGetFieldValues", [POWER_INSTANT])
        if field.nvmlReturn:
            raise RunError(f"{self._uuid}: has no instant power: error {field.nvmlReturn}")
        return float(field.value.uiVal) / 1000

    def available_mhz(self) -> tuple[int, ...]:
        """See the port; at the fastest clock of its memory."""
        memory_mhz = max(self._ask("nvmlDeviceGetSupportedMemoryClocks"), default=None)
        if memory_mhz is None:
            return ()
        return tuple(sorted(self._ask("nvmlDeviceGetSupportedGraphicsClocks", memory_mhz)))

    def settings(self) -> Settings:
        """See the port."""
        return {f"nvml:{self._uuid}": "unlocked"}

    def set_mhz(self, mhz: int) -> None:
        """See the port. NVML may say yes and do nothing."""
        require_available(mhz, self.available_mhz())
        self._ask("nvmlDeviceSetGpuLockedClocks", mhz, mhz)

    def reached(self) -> ClockReading:
        """See the port."""
        mhz = float(self._ask("nvmlDeviceGetClockInfo", GRAPHICS_CLOCK))
        given = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        slowed = (slowed for bits, slowed in SLOWED_BY_BITS.items() if given & bits)
        return ClockReading(mhz, next(slowed, Slowed.UNKNOWN))

    def restore(self, settings: Settings) -> None:
        """See the port."""
        self._ask("nvmlDeviceResetGpuLockedClocks")

    def _ask(self, function: str, *arguments: object) -> Any:  # noqa: ANN401 as NVML has it
        try:
            return getattr(self._library, function)(*self._card, *arguments)
        except (self._library.NVMLError, AttributeError) as error:  # one of an old library
            raise RunError(f"{self._uuid}: {function}: {error}") from None
