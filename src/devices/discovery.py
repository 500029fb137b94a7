"""Which devices this machine offers, and how a person names one."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence

from ..core.checks import echo
from .config import DeviceConfig, DeviceKind
from .cuda_probe import cuda_gpus

_log = logging.getLogger(__name__)


def find_devices() -> tuple[DeviceConfig, ...]:
    """Returns the CUDA devices that can be used, or else one device of the last CPU cores.

    Half of the cores, the first ones, are left to the other processes; on two cores the device gets
    the second one.
    """
    gpus = list(enumerate(cuda_gpus()))
    for number, one in gpus:
        if one.trouble:
            _log.warning("cuda:%d (%s) is left out: %s", number, one.name, one.trouble)
    usable = tuple(cuda_device(number, one.name) for number, one in gpus if not one.trouble)
    if usable:
        return usable
    cores = sorted(os.sched_getaffinity(0))
    return (cpu_device(0, tuple(cores[-max(1, len(cores) // 2) :])),)


def cpu_device(number: int, cores: tuple[int, ...]) -> DeviceConfig:
    """A device of some CPU cores; devices of as many cores share a profile."""
    plural = "" if len(cores) == 1 else "s"
    return DeviceConfig(
        device_id=f"cpu{number}",
        device_type=f"cpu-{len(cores)}core{plural}",
        kind=DeviceKind.CPU,
        cores=cores,
    )


def cuda_device(gpu: int, name: str) -> DeviceConfig:
    """A CUDA device; devices of one product name share a profile."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "cuda"
    return DeviceConfig(
        device_id=f"cuda{gpu}", device_type=slug[:64], kind=DeviceKind.CUDA, gpu=gpu
    )


def parse_devices(texts: Sequence[str]) -> tuple[DeviceConfig, ...]:
    """Reads devices as a command line names them.

    Args:
        texts: each `cpu:CORES` with cores as in `1` or `2-3,6`, `cuda:GPU`, or `replayed:PROFILE` with the
            device type of a latency profile, and how slow it is over time if that is wanted, as in
            `replayed:gpu@10:2+15:1`; or `auto` alone.

    Raises:
        ValueError: naming the text and the rule.
    """
    if list(texts) == ["auto"]:
        return ()
    devices: list[DeviceConfig] = []
    for number, text in enumerate(texts):
        kind, _, rest = text.partition(":")
        if kind == DeviceKind.CPU:
            devices.append(cpu_device(number, _cores(text, rest)))
        elif kind == DeviceKind.CUDA and rest.isdecimal() and rest.isascii():
            gpus = cuda_gpus()
            if int(rest) >= len(gpus):
                raise ValueError(f"{echo(text)}: there are {len(gpus)} CUDA devices here")
            gpu = gpus[int(rest)]
            if gpu.trouble:
                raise ValueError(f"{echo(text)}: {gpu.name} cannot be used: {gpu.trouble}")
            devices.append(cuda_device(int(rest), gpu.name))
        elif kind == DeviceKind.REPLAYED:
            profile, _, slowdown = rest.partition("@")
            devices.append(
                DeviceConfig(f"replayed{number}", profile, DeviceKind.REPLAYED, slowdown=slowdown)
            )
        else:
            raise ValueError(
                f"{echo(text)}: must be cpu:CORES, cuda:GPU or replayed:PROFILE, or auto alone",
            )
    return tuple(devices)


def device_text(device: DeviceConfig) -> str:
    """A device as `parse_devices` reads it."""
    if device.kind is DeviceKind.CPU:
        return f"cpu:{','.join(map(str, device.cores))}"
    if device.kind is DeviceKind.CUDA:
        return f"cuda:{device.gpu}"
    return f"replayed:{device.device_type}" + (f"@{device.slowdown}" if device.slowdown else "")


def check_cores(devices: tuple[DeviceConfig, ...]) -> None:
    """Refuses devices that this machine lacks, or that share a core.

    Raises:
        ValueError: naming the device.
    """
    allowed = os.sched_getaffinity(0)
    owner: dict[int, str] = {}
    for device in devices:
        for core in device.cores:
            if core not in allowed:
                raise ValueError(f"{device.device_id}: there is no core {core} here")
            if core in owner:
                raise ValueError(
                    f"{device.device_id}: core {core} belongs to {owner[core]} already"
                )
            owner[core] = device.device_id


def _cores(text: str, rest: str) -> tuple[int, ...]:
    cores: list[int] = []
    for part in rest.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise ValueError(f"{echo(text)}: cores must be like 1 or 2-3,6")
        cores.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(cores)
