"""Whether a quick profile says what an executor takes a minute later.

    python benchmarks/quick_profile.py [--device cpu:1] [--rounds 3]

Measures a quick profile, waits, and then has the server's own batch loop, with its decoder threads beside, run batches of several variants
and sizes one after the other, in rounds. Beside each the profiler's way of running is repeated, as the machine may have changed meanwhile: that
ratio says what differs for other reasons. Medians of everything.
"""

from __future__ import annotations

import argparse
import os
import queue
import tempfile
import threading
import time
from pathlib import Path
from random import Random
from statistics import median

from rich.console import Console

from moonjelly.core.clock import MonotonicClock
from moonjelly.core.profile import BatchLatency
from moonjelly.core.records import BatchRecord
from moonjelly.devices.config import DeviceConfig
from moonjelly.devices.discovery import find_devices, parse_devices
from moonjelly.devices.executors.port import Executor
from moonjelly.devices.registry import build_executor
from moonjelly.profiler.batch_runner import BatchRunner
from moonjelly.profiler.campaign import carry_out
from moonjelly.profiler.frames import draw_frames
from moonjelly.profiler.quick import MAX_BATCH_SIZE, quick_campaign
from moonjelly.profiler.samples import Cell
from moonjelly.protos.internal_pb2 import FrameDescriptor
from moonjelly.scheduling.batching.fixed import FixedBatcher
from moonjelly.scheduling.cores.device.core import DeviceCore
from moonjelly.scheduling.cores.device.instructions import DeviceOrders
from moonjelly.server.executors.decoding import DecoderPool
from moonjelly.server.executors.endpoint_link import EndpointLink
from moonjelly.server.executors.loop import BatchLoop
from moonjelly.server.executors.workload import Workload
from moonjelly.server.wire.channel import Channel, socket_pair
from moonjelly.server.wire.frame_memory import FrameReader, FrameWriter, create_frame_memory
from moonjelly.zoos import load_variants, variants_path

VARIANTS = ("traffic-n-128", "traffic-n-320", "traffic-n-480", "traffic-s-416")
SIZES = (1, 4)


class SteadyExecutor:
    """The server's batch loop and decoders, without the processes around them, always with frames to run."""

    def __init__(self, executor: Executor, frames: dict[int, list[bytes]]) -> None:
        self._executor = executor
        self._frames = frames
        self._memory = create_frame_memory(2 * MAX_BATCH_SIZE * 4, 1 << 20)

    def run(self, variant: str, side_px: int, batch_size: int, num_batches: int) -> list[float]:
        """Returns what batches took (ms), the first one left out."""
        latency = BatchLatency((1e3,) * MAX_BATCH_SIZE, (1e3,) * MAX_BATCH_SIZE)
        core = DeviceCore({variant: latency}, FixedBatcher(batch_size), sides_px={variant: side_px})
        core.loaded(variant)
        core.order(DeviceOrders(variant, batch_size, 0.0, 1))
        work, clock = Workload(core), MonotonicClock()
        writer = FrameWriter(self._memory)
        sent = [(jpeg, *writer.allocate(jpeg)) for jpeg in self._frames[side_px]]
        ours, theirs = socket_pair()
        ours.close()
        link = EndpointLink("endpoint-0", Channel(theirs), FrameReader(self._memory))
        took_ms: list[float] = []
        has_enough = threading.Event()
        ended: queue.SimpleQueue[float] = queue.SimpleQueue()
        random = Random(0)
        numbers = iter(range(1, 1 << 30))

        def feed(num_frames: int) -> None:
            now_ms = clock.now_ms()
            for ticket in (next(numbers) for _ in range(num_frames)):
                jpeg, slot, generation = sent[ticket % len(sent)]
                frame = FrameDescriptor(
                    ticket=ticket, slot=slot, slot_generation=generation,
                    jpeg_bytes=len(jpeg), deadline_ms=now_ms + 1e9, handed_ms=now_ms,
                )  # fmt: skip
                work.add(link, [frame], now_ms)

        def ran(record: BatchRecord) -> None:
            took_ms.append(record.inference_ms)
            if len(took_ms) > num_batches:
                has_enough.set()
            ended.put(record.inference_ms)

        def arrive() -> None:
            """Frames come one by one, as from cameras, while batches run."""
            while (last_ms := ended.get()) > 0:
                for _ in range(batch_size):
                    time.sleep(random.uniform(0, last_ms / batch_size) / 1000)
                    feed(1)

        loop = BatchLoop("device", work, self._executor, {variant: side_px}, clock, on_batch=ran)
        decoders = DecoderPool(work, self._executor.prepare, 2)
        thread = threading.Thread(target=loop.run)
        camera = threading.Thread(target=arrive)
        feed(4 * batch_size)
        thread.start()
        camera.start()
        has_enough.wait()
        ended.put(0.0)
        camera.join()
        work.close()
        thread.join()
        decoders.join()
        link.close()
        return took_ms[1:]


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=12, help="of each cell in a round")
    parser.add_argument("--wait", type=float, default=30.0, help="s, before the rounds begin")
    arguments = parser.parse_args()
    device: DeviceConfig = (parse_devices([arguments.device]) or find_devices())[0]
    variants = load_variants(variants_path("traffic"))
    sides_px = {one.name: one.input_side_px for one in variants}
    frames = draw_frames(sides_px.values())
    if device.cores:
        os.sched_setaffinity(0, device.cores)
    executor = build_executor(device, {})
    runner = BatchRunner(executor, sides_px, frames, MAX_BATCH_SIZE)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "latency.csv"
        campaign = quick_campaign("traffic", device, variants)
        table = carry_out(campaign, runner, Path(folder) / "samples.csv", out, Console(stderr=True))
    time.sleep(arguments.wait)
    profile = table.profile().by_variant
    steady = SteadyExecutor(executor, frames)
    cells = [Cell(variant, size) for variant in VARIANTS for size in SIZES]
    served: dict[Cell, list[float]] = {cell: [] for cell in cells}
    again: dict[Cell, list[float]] = {cell: [] for cell in cells}
    for _ in range(arguments.rounds):
        for cell in cells:
            side_px = sides_px[cell.variant]
            served[cell] += steady.run(cell.variant, side_px, cell.batch_size, arguments.batches)
            again[cell] += runner.run(cell, arguments.batches + 1)[1:]
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        "| variant | batch | profile, ms | executor, ms | ratio | profiler's way beside it, ratio |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for cell in cells:
        quick_ms = profile[cell.variant].p50_ms[cell.batch_size - 1]
        served_ms, again_ms = median(served[cell]), median(again[cell])
        print(
            f"| {cell.variant} | {cell.batch_size} | {quick_ms:.1f} | {served_ms:.1f} | "
            f"{quick_ms / served_ms:.2f} | {again_ms / served_ms:.2f} |"
        )


if __name__ == "__main__":
    main()
