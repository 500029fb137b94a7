"""Which runtime is faster on a device, for networks whose zoo leaves the choice."""

from __future__ import annotations

import os
import statistics
import time

from ..core.errors import RunError
from ..core.zoo import Network, Runtime
from ..devices.config import DeviceConfig
from ..devices.detecting import SessionOpener
from ..devices.executors.session import Array, Session
from ..zoos import OpenedZoo, onnx_runtimes

BATCH_SIZES = (1, 4)
NUM_ROUNDS = 12


def fastest_runtimes(zoo: OpenedZoo, device: DeviceConfig) -> dict[str, Runtime]:
    """What is to run each network that says `auto`, by its name.

    Pins this process to the device's cores where it has to measure.
    """
    asked = [one for one in zoo.zoo.networks if one.runtime is Runtime.AUTO]
    known = onnx_runtimes() if device.gpu is None else (Runtime.ONNX,)
    if len(known) == 1:
        return {one.name: known[0] for one in asked}
    if asked and device.cores:
        os.sched_setaffinity(0, device.cores)
    return {one.name: _fastest(zoo, one, device, known) for one in asked}


def _fastest(
    zoo: OpenedZoo, network: Network, device: DeviceConfig, known: tuple[Runtime, ...]
) -> Runtime:
    """The one with the shortest batches at the middle side, in turns."""
    side_px = network.sides_px[len(network.sides_px) // 2]
    (name,) = (
        one.name for one in zoo.zoo.variants if one.network == network and one.side_px == side_px
    )
    sessions: dict[Runtime, Session] = {}
    for runtime in known:
        opened = zoo.run_with({network.name: runtime})
        try:
            sessions[runtime] = SessionOpener(opened, None, max(1, len(device.cores)))(name)
        except RunError:
            continue  # what cannot load it is not the fastest
    if len(sessions) <= 1:
        return next(iter(sessions), Runtime.ONNX)
    took_s = dict.fromkeys(sessions, 0.0)
    for size in (one for one in BATCH_SIZES if one <= (network.max_batch_size or one)):
        batches: dict[Runtime, Array] = {}
        for runtime, session in sessions.items():
            batches[runtime] = session.places(size)
            batches[runtime][:] = 0
        rounds: dict[Runtime, list[float]] = {runtime: [] for runtime in sessions}
        for _ in range(NUM_ROUNDS):
            for runtime, session in sessions.items():
                start_s = time.perf_counter()
                session.answers(session.infer(batches[runtime]))
                rounds[runtime].append(time.perf_counter() - start_s)
        for runtime, each in rounds.items():
            took_s[runtime] += statistics.median(each) / size
    return min(took_s, key=lambda one: took_s[one])
