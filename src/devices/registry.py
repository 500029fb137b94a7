"""The executors by kind of device. Only the one that is asked for is imported: some take seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from ..core.profile import BatchLatency
from .config import DeviceConfig, DeviceKind
from .executors.port import Executor
from .slowdown_script import SlowdownScript

Latencies: TypeAlias = Mapping[str, BatchLatency]
"""A device's profile, by variant."""


def build_executor(
    device: DeviceConfig, latencies: Latencies, *, is_instant: bool = False
) -> Executor:
    """Makes the executor of a device, in the process that is pinned to its cores.

    Args:
        device: which one.
        latencies: what a replayed device takes; others do not look at it.
        is_instant: a replayed device answers at once.
    """
    return _MAKERS[device.kind](device, latencies, is_instant)


def _cpu(device: DeviceConfig, latencies: Latencies, is_instant: bool) -> Executor:
    from .executors.torch_executor import TorchExecutor  # noqa: PLC0415

    return TorchExecutor("cpu", num_threads=max(1, len(device.cores)))


def _cuda(device: DeviceConfig, latencies: Latencies, is_instant: bool) -> Executor:
    from .executors.torch_executor import TorchExecutor  # noqa: PLC0415

    return TorchExecutor(f"cuda:{device.gpu}")


def _replayed(device: DeviceConfig, latencies: Latencies, is_instant: bool) -> Executor:
    from .executors.replayed_executor import ReplayedExecutor  # noqa: PLC0415

    slowdown = SlowdownScript.parse(device.slowdown)
    return ReplayedExecutor(latencies, is_instant=is_instant, slowdown=slowdown)


_MAKERS: dict[str, Callable[[DeviceConfig, Latencies, bool], Executor]] = {
    DeviceKind.CPU: _cpu,
    DeviceKind.CUDA: _cuda,
    DeviceKind.REPLAYED: _replayed,
}
