"""What there is to read energy from, and to set clocks with, for the devices of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...core.errors import RunError
from ...devices.config import DeviceConfig, DeviceKind
from ...energy.cpufreq import cpufreq_clocks
from ...energy.devfreq import devfreq_clocks
from ...energy.ina3221 import ina3221_meter
from ...energy.nvml import NvmlCard, nvml_library
from ...energy.port import ClockGovernor, PowerMeter
from ...energy.rapl import rapl_meter
from ...energy.sysfs import SYS, read_count
from ...zoos.gpus import card_of, cards

CARD_SCOPE = "gpu"  # a meter of each device


@dataclass(slots=True)
class DevicePower:
    """The meter and the governor of one device.

    Attributes:
        meter: None where there is none that can be read.
        clocks: None where none can be set.
        meter_problem: why there is no meter, one line; `clocks_problem` likewise.
    """

    meter: PowerMeter | None = None
    clocks: ClockGovernor | None = None
    meter_problem: str = "there is no meter"
    clocks_problem: str = "there is nothing to set clocks with"


def find_powers(devices: Sequence[DeviceConfig], now_ms: float) -> list[DevicePower]:
    """What each of these has; a meter of more than one device is the first one's, so that nothing counts twice."""
    owners: dict[str, str] = {}
    found = [find_power(device, now_ms) for device in devices]
    for device, one in zip(devices, found, strict=True):
        if one.meter is not None and one.meter.facts.scope != CARD_SCOPE:
            owner = owners.setdefault(one.meter.facts.name, device.device_id)
            if owner != device.device_id:
                one.meter, one.meter_problem = None, f"{owner} has the same meter"
    return found


def find_power(device: DeviceConfig, now_ms: float) -> DevicePower:
    """Looks at the machine, reads the meter once, and changes nothing. Replayed devices have neither."""
    cores, found = device.cores, DevicePower()
    if device.kind is DeviceKind.CPU:
        found = _kernel_power(lambda: _package_meter(cores), lambda: cpufreq_clocks(cores))
    elif device.gpu is not None:
        found = _kernel_power(ina3221_meter, devfreq_clocks)
    if device.gpu is not None and found.meter is None and found.clocks is None:
        return _card_power(device.gpu)
    if found.meter is not None and (problem := found.meter.read(now_ms).problem):
        found.meter, found.meter_problem = None, problem
    if found.clocks is not None and (problem := _why_not_set(found.clocks)):
        found.clocks, found.clocks_problem = None, problem
    return found


def _kernel_power(
    find_meter: Callable[[], PowerMeter | None], find_clocks: Callable[[], ClockGovernor | None]
) -> DevicePower:
    found = DevicePower()
    try:
        found.meter = find_meter()
    except RunError as error:
        found.meter_problem = str(error)
    try:
        found.clocks = find_clocks()
    except RunError as error:
        found.clocks_problem = str(error)
    return found


def _package_meter(cores: tuple[int, ...]) -> PowerMeter | None:
    """The meter of the package that has the cores; None if there are several."""
    if not (SYS / "class/powercap").exists():
        return None
    folder = SYS / "devices/system/cpu"
    used = cores or sorted(os.sched_getaffinity(0))
    packages = {read_count(folder / f"cpu{core}/topology/physical_package_id") for core in used}
    return rapl_meter(packages.pop(), SYS) if len(packages) == 1 else None


def _card_power(gpu: int) -> DevicePower:
    card = card_of(gpu, cards(), os.environ)
    if card is None:
        return DevicePower()
    try:
        one = NvmlCard(nvml_library(), card.uuid)
        one.power_w()
    except RunError as error:
        return DevicePower(meter_problem=str(error), clocks_problem=str(error))
    return DevicePower(one.meter(), one)


def _why_not_set(clocks: ClockGovernor) -> str:
    """Why clocks cannot be set, by a file that has to be written; empty if they can."""
    try:
        names = list(clocks.settings())
    except RunError as error:
        return str(error)
    files = [name for name in names if name.startswith("/")]
    locked = [name for name in files if not os.access(name, os.W_OK)]
    return f"{locked[0]}: only root may set it" if locked else ""
