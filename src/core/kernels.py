"""A network as the sequence of kernels that a device runs for it."""

from __future__ import annotations

from dataclasses import dataclass

from .checks import require_count

MOST_POWER_MW = 10_000_000
MOST_KERNEL_US = 1_000_000_000


@dataclass(frozen=True, slots=True)
class KernelModel:
    """A network as a device runs it at one clock.

    Attributes:
        name: of it.
        clock_mhz: at which it runs.
        power_mw: what the device draws meanwhile.
        kernels_us: what each of its kernels takes, in their order.
    """

    name: str
    clock_mhz: float
    power_mw: int
    kernels_us: tuple[int, ...]

    def __post_init__(self) -> None:
        require_count("power_mw", self.power_mw, MOST_POWER_MW)
        for kernel_us in self.kernels_us:
            require_count("kernels_us", kernel_us, MOST_KERNEL_US)

    def energy_uj(self, took_us: int) -> int:
        """Energy of a kernel that took so long, rounded down as its source does."""
        return int(self.power_mw * took_us * 1e-3)
