"""Measures what a frame costs this machine now, neighbours included: drawn here, run as an executor does."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

import numpy as np

from ..core.errors import RunError
from ..core.variant import Variant
from ..devices.config import DeviceConfig, DeviceKind
from ..live_run.streaming import away_from
from ..profiler.batch_runner import BatchRunner
from ..profiler.samples import Cell
from ..server.config import ServerConfig
from ..server.zoo import load_served_zoo
from ..vision.preprocessing import encode_frame
from ..vision.scenes import Scene
from .sizing import FrameCosts

MEASURE_S = 1.5
LIMIT_S = 120.0
NUM_WARM_UP = 3
FIRST_FRAME = 40


def measure_costs(config: ServerConfig, devices: Sequence[DeviceConfig]) -> FrameCosts:
    """Draws frames for a second or two while the devices run theirs; a replayed one takes what its profile says.

    Raises:
        RunError: if a device runs nothing.
        UsageError: if zoo or profiles are missing or broken.
    """
    zoo = load_served_zoo(dataclasses.replace(config, devices=tuple(devices)))
    variant = zoo.variants[len(zoo.variants) // 2]
    batches_ms = {
        device.device_id: zoo.latency(device.device_id, variant.name).p50_ms[0]
        for device in devices
        if device.kind is DeviceKind.REPLAYED
    }
    runs = {
        device.device_id: _begin(device, variant)
        for device in devices
        if device.kind is not DeviceKind.REPLAYED
    }
    with away_from(devices):
        scene = Scene(0, "test")
        drawing_ms = _mean_ms(
            lambda number: encode_frame(scene.frame(number).image, variant.input_side_px)
        )
    for device_id, answer in runs.items():
        try:
            if not answer.poll(LIMIT_S):
                raise RunError(f"{device_id}: has not run {variant.name} within {LIMIT_S:g} s")
            batches_ms[device_id] = answer.recv()
        except EOFError:
            raise RunError(
                f"{device_id}: does not run {variant.name}; its process says why above"
            ) from None
    return FrameCosts(drawing_ms, variant.name, batches_ms)


def _begin(device: DeviceConfig, variant: Variant) -> Connection:
    """Has a process of its own measure a device, so that it may pin itself and holds nothing of the device after."""
    context = multiprocessing.get_context("spawn")
    answer, sender = context.Pipe(duplex=False)
    context.Process(target=_run, args=(sender, device, variant), daemon=True).start()
    sender.close()
    return answer


def _run(sender: Connection, device: DeviceConfig, variant: Variant) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the demo
    if device.cores:
        os.sched_setaffinity(0, device.cores)
    from ..devices.executors.torch_executor import TorchExecutor  # noqa: PLC0415  # torch takes seconds

    side_px = variant.input_side_px
    name = "cpu" if device.gpu is None else f"cuda:{device.gpu}"
    executor = TorchExecutor(name, max(1, len(device.cores)))
    frames = {side_px: [encode_frame(Scene(0, "test").frame(FIRST_FRAME).image, side_px)]}
    runner = BatchRunner(executor, {variant.name: side_px}, frames)
    sender.send(_mean_ms(lambda _: runner.run(Cell(variant.name, 1))))


def _mean_ms(make: Callable[[int], object]) -> float:
    """What it takes on the average, since that is what a core's time is spent by."""
    took_ms: list[float] = []
    end_s = time.monotonic() + MEASURE_S
    while len(took_ms) <= NUM_WARM_UP or time.monotonic() < end_s:
        before_s = time.monotonic()
        make(FIRST_FRAME + len(took_ms))
        took_ms.append(1000 * (time.monotonic() - before_s))
    return float(np.mean(took_ms[NUM_WARM_UP:]))
