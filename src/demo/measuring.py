"""Measures what a frame costs this machine now, neighbours included: drawn here, run as an executor does."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from ..core.errors import RunError
from ..core.variant import Variant
from ..core.zoo import Fit
from ..devices.config import DeviceConfig, DeviceKind
from ..devices.registry import build_executor
from ..live_run.streaming import away_from
from ..profiler.batch_runner import BatchRunner
from ..profiler.samples import Cell
from ..server.config import ServerConfig
from ..server.zoo import load_served_zoo
from ..vision.preprocessing import encode_frame
from ..vision.scenes import Scene
from ..zoos import open_zoo
from .sizing import MOST_DEVICE_RATIO, USUAL_CAMERAS, FrameCosts, usual_fps

MEASURE_S = 1.5
LIMIT_S = 120.0
NUM_WARM_UP = 5
FIRST_FRAME = 40


def measure_costs(config: ServerConfig, devices: Sequence[DeviceConfig]) -> FrameCosts:
    """Draws frames for a second or two while the devices run theirs; a replayed one takes what its profile says.

    Raises:
        RunError: if a device runs nothing.
        UsageError: if zoo or profiles are missing or broken.
    """
    zoo = load_served_zoo(dataclasses.replace(config, devices=tuple(devices)))
    median = zoo.variants[len(zoo.variants) // 2]
    runs = {
        device.device_id: _begin(device, zoo.opened.folder, median)
        for device in devices
        if device.kind is not DeviceKind.REPLAYED
    }
    with away_from(devices):
        drawing_ms = _drawing_ms(median.input_side_px, zoo.fit)
    rows: list[list[float]] = []
    for device in devices:
        profile = [zoo.latency(device.device_id, one.name).p50_ms[0] for one in zoo.variants]
        slowdown_ratio = 1.0
        if device.device_id in runs:
            expected_ms = profile[len(zoo.variants) // 2]
            slowdown_ratio = _answer(device.device_id, runs[device.device_id]) / expected_ms
        rows.append([slowdown_ratio * ms for ms in profile])
    average_ms = len(rows) / np.sum(1 / np.array(rows), axis=0)  # of what they carry
    return FrameCosts(drawing_ms, zoo.variants, tuple(average_ms.tolist()), len(rows))


def _drawing_ms(side_px: int, fit: Fit) -> float:
    """What a frame takes on the average, at the pace of a demo: who hurries has to wait for others more often."""
    scene = Scene(0, "test")
    took_s: list[float] = []
    start_s = time.monotonic()
    for number in range(round(MEASURE_S * usual_fps(USUAL_CAMERAS))):
        time.sleep(max(0.0, start_s + number / usual_fps(USUAL_CAMERAS) - time.monotonic()))
        before_s = time.monotonic()
        encode_frame(scene.frame(FIRST_FRAME + number).image, side_px, fit=fit)
        took_s.append(time.monotonic() - before_s)
    return 1000 * float(np.mean(took_s[NUM_WARM_UP:]))


def _begin(device: DeviceConfig, zoo: Path, variant: Variant) -> Connection:
    """Has a process of its own measure a device, so that it may pin itself and holds nothing of the device after."""
    context = multiprocessing.get_context("spawn")
    answer, sender = context.Pipe(duplex=False)
    context.Process(target=_run, args=(sender, device, zoo, variant), daemon=True).start()
    sender.close()
    return answer


def _answer(device_id: str, answer: Connection) -> float:
    try:
        if answer.poll(LIMIT_S):
            return float(answer.recv())
    except EOFError:
        raise RunError(f"{device_id}: could not run; its process says why above") from None
    raise RunError(f"{device_id}: has not run anything within {LIMIT_S:g} s")


def _run(sender: Connection, device: DeviceConfig, zoo: Path, variant: Variant) -> None:
    """Sends what a batch takes on the average, since by that a device's time is spent, if it is as busy as in a demo."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the demo
    if device.cores:
        os.sched_setaffinity(0, device.cores)
    side_px, opened = variant.input_side_px, open_zoo(f"{zoo}/")
    image = Scene(0, "test").frame(FIRST_FRAME).image
    frames = {side_px: [encode_frame(image, side_px, fit=opened.zoo.fit)]}
    runner = BatchRunner(build_executor(device, opened, {}), {variant.name: side_px}, frames, 1)
    cell = Cell(variant.name, 1)
    runner.run(cell, NUM_WARM_UP)
    took_ms: list[float] = []
    end_s = time.monotonic() + MEASURE_S
    while time.monotonic() < end_s:
        took_ms += runner.run(cell, 1)
        time.sleep(took_ms[-1] / 1000 * (1 / MOST_DEVICE_RATIO - 1))
    sender.send(float(np.mean(took_ms)))
