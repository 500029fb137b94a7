"""The executors by kind of device. Only the one that is asked for is imported: some take seconds."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.profile import BatchLatency
from .config import DeviceConfig, DeviceKind
from .executors.port import Executor
from .replay import SlowdownScript


def build_executor(
    device: DeviceConfig, latencies: Mapping[str, BatchLatency], *, is_instant: bool = False
) -> Executor:
    """Makes the executor of a device, in the process that is pinned to its cores.

    A replayed one takes what `latencies` say, by variant, or answers at once; others do not look at them.
    """
    if device.kind is DeviceKind.REPLAYED:
        from .executors.replayed_executor import ReplayedExecutor  # noqa: PLC0415

        slowdown = SlowdownScript.parse(device.slowdown)
        return ReplayedExecutor(latencies, is_instant=is_instant, slowdown=slowdown)
    from .executors.torch_executor import TorchExecutor  # noqa: PLC0415

    if device.kind is DeviceKind.CUDA:
        return TorchExecutor(f"cuda:{device.gpu}")
    return TorchExecutor("cpu", num_threads=max(1, len(device.cores)))
