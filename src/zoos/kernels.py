"""Kernel profiles: what each kernel of a network takes at each clock, in the files of Energy Time Fairness (SEC 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import UsageError
from ..core.kernels import KernelModel
from ..files.document import Place
from ..files.json_file import read_json
from ..files.shipped import shipped_folder

HZ_PER_MHZ = 1e6
MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class _Kernel:
    exec_time: Mapping[str, int]
    kernel_name: str = ""
    gpu_power: Mapping[str, int] = field(default_factory=dict)
    energy: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _File:
    """Times in us, power in mW, energy in uJ, all by clock in Hz. What steers is power and the kernels' times."""

    model_name: str
    gpu_power: Mapping[str, int]
    kernel_profile: Mapping[str, _Kernel]
    exec_time: Mapping[str, int] = field(default_factory=dict)
    energy: Mapping[str, int] = field(default_factory=dict)


def read_kernel_folder(folder: Path) -> Mapping[str, Mapping[float, KernelModel]]:
    """Reads all profiles of a folder.

    Returns:
        By network, which is the name of its file without `.json`: what `read_kernel_profile` returns.

    Raises:
        UsageError: naming the folder if there are none, else see `read_kernel_profile`.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise UsageError(f"--kernels {folder}: must be a folder with a NETWORK.json")
    return {path.stem: read_kernel_profile(path) for path in paths}


def clock_hz(clock_mhz: float) -> str:
    """A clock as these files write it."""
    return str(round(clock_mhz * HZ_PER_MHZ))


def shipped_kernels() -> Path:
    """The folder of a Jetson TX2's kernel profiles."""
    return shipped_folder("profiles") / "kernels" / "jetson-tx2"


def read_kernel_profile(path: Path) -> Mapping[float, KernelModel]:
    """Reads a file.

    Returns:
        The network at each clock (MHz), rising.

    Raises:
        UsageError: naming file, place, value and rule.
    """
    document = read_json(path)
    file = document.read(_File)
    if not file.kernel_profile:
        raise document.error(("kernel_profile",), "must have a kernel")
    if not file.gpu_power:
        raise document.error(("gpu_power",), "must have a clock")
    models: dict[float, KernelModel] = {}
    for clock_hz, power_mw in file.gpu_power.items():
        place: Place = ("gpu_power", clock_hz)
        if not (clock_hz.isascii() and clock_hz.isdigit() and len(clock_hz) <= MOST_DIGITS):
            raise document.error(place, "must be a clock in Hz")
        for name, kernel in file.kernel_profile.items():
            if clock_hz not in kernel.exec_time:
                place = ("kernel_profile", name, "exec_time")
                raise document.error(place, f"must tell of {clock_hz}, as gpu_power does")
        times_us = tuple(kernel.exec_time[clock_hz] for kernel in file.kernel_profile.values())
        clock_mhz = int(clock_hz) / HZ_PER_MHZ
        with document.blamed(place):
            models[clock_mhz] = KernelModel(file.model_name, clock_mhz, power_mw, times_us)
    return dict(sorted(models.items()))
