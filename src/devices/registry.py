"""The executors by kind of device. Only the one that is asked for is imported: some take seconds."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.mode import ModeTable
from ..core.profile import BatchLatency
from ..zoos import OpenedZoo
from .config import DeviceConfig, DeviceKind
from .executors.port import Executor
from .replay import SlowdownScript


def build_executor(
    device: DeviceConfig,
    zoo: OpenedZoo,
    latencies: Mapping[str, BatchLatency],
    *,
    is_instant: bool = False,
    load_ms: float = 0.0,
    modes: ModeTable | None = None,
    clock_delay_ms: float = 0.0,
) -> Executor:
    """Makes the executor of a device, in the process that is pinned to its cores.

    A replayed one takes what `latencies` say, by variant, or answers at once, and `load_ms` to load one; it has the clocks of `modes`,
    where a change takes `clock_delay_ms`. Others run the networks of the zoo.
    """
    if device.kind is DeviceKind.REPLAYED:
        from .executors.replayed_executor import ReplayedExecutor  # noqa: PLC0415

        slowdown = SlowdownScript.parse(device.slowdown)
        return ReplayedExecutor(
            latencies,
            is_instant=is_instant,
            load_ms=load_ms,
            slowdown=slowdown,
            modes=modes,
            clock_delay_ms=clock_delay_ms,
        )
    from .detecting import SessionOpener  # noqa: PLC0415
    from .executors.local_executor import LocalExecutor  # noqa: PLC0415

    opener = SessionOpener(zoo, device.gpu, max(1, len(device.cores)))
    return LocalExecutor(opener, zoo.zoo.fit, opener.depth)
