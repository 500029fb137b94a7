"""Runs batches of one variant in a row, in an executor's own batch loop and decoders."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from queue import SimpleQueue
from random import Random

from ..core.clock import Clock, MonotonicClock
from ..core.errors import RunError
from ..core.profile import BatchLatency
from ..core.variant import Variant
from ..core.zoo import Fit
from ..devices.config import DeviceConfig
from ..devices.executors.port import Executor
from ..devices.registry import build_executor
from ..protos.internal_pb2 import FrameDescriptor, FrameResults
from ..scheduling.batching.baselines import FixedBatcher
from ..scheduling.cores.device.core import DeviceCore
from ..scheduling.cores.device.instructions import DeviceOrders
from ..server.executors.decoding import DecoderPool
from ..server.executors.endpoint_link import EndpointLink
from ..server.executors.loop import BatchLoop
from ..server.executors.workload import Workload
from ..server.wire.channel import Channel, socket_pair
from ..server.wire.frame_memory import FrameReader, FrameWriter, create_frame_memory
from ..vision.preprocessing import encode_frame
from ..vision.scenes import Scene
from ..zoos import OpenedZoo
from .samples import Cell

NUM_DECODERS = 2  # as a server has them where nobody says otherwise
QUEUED_BATCHES = 3  # one runs, two are decoded ahead
NUM_SCENES = 3
FRAMES_PER_SCENE = 3
FRAME_STRIDE = 40  # frames between two of a scene: apart enough to differ
HOUR_MS = 3_600_000.0  # no frame is late
WATCHED_MS = 3600.0  # nothing hangs, nor is anything so slow that frames are tried one by one


class _Cameras(EndpointLink):
    """An endpoint whose frames lie in its memory from the start, and that nobody waits for."""

    failure = ""

    def __init__(self, frames: Mapping[int, Sequence[bytes]], clock: Clock) -> None:
        jpegs = [jpeg for own in frames.values() for jpeg in own]
        memory = create_frame_memory(len(jpegs), max(map(len, jpegs)))
        writer = FrameWriter(memory)
        ours, theirs = socket_pair()
        super().__init__("cameras", Channel(theirs), FrameReader(memory))
        ours.close()
        self.close()
        os.close(memory)
        self._clock = clock
        self._tickets = count(1)
        self._random = Random(0)  # noqa: S311 - not for secrets
        self._sent = {
            side_px: [(*slot, len(jpeg)) for jpeg in own if (slot := writer.allocate(jpeg))]
            for side_px, own in frames.items()
        }

    def answer(self, results: FrameResults) -> None:
        for frame in results.frames:
            self.failure = self.failure or frame.drop_detail
        super().answer(results)

    def send(self, work: Workload, side_px: int, num_frames: int, within_ms: float) -> None:
        """Frames come one by one."""
        for _ in range(num_frames):
            time.sleep(self._random.uniform(0, within_ms / num_frames) / 1000)
            ticket, now_ms = next(self._tickets), self._clock.now_ms()
            slot, generation, num_bytes = self._sent[side_px][ticket % len(self._sent[side_px])]
            frame = FrameDescriptor(
                ticket=ticket,
                slot=slot,
                slot_generation=generation,
                jpeg_bytes=num_bytes,
                deadline_ms=now_ms + HOUR_MS,
                handed_ms=now_ms,
            )
            work.add(self, [frame], now_ms)


class BatchRunner:
    """A device with every variant of a zoo loaded, and frames for each."""

    def __init__(
        self,
        executor: Executor,
        sides_px: Mapping[str, int],
        frames: Mapping[int, Sequence[bytes]],
        max_batch_size: int,
        clock: Clock | None = None,
    ) -> None:
        """Loads the variants; `frames` are JPEGs by side, used over and over.

        Raises:
            RunError: if a variant cannot be loaded.
        """
        self._executor = executor
        self._sides_px = sides_px
        self._clock = clock or MonotonicClock()
        self._cameras = _Cameras(frames, self._clock)
        for variant in sides_px:
            executor.load(variant, max_batch_size)

    def run(self, cell: Cell, num_batches: int, within_ms: float = math.inf) -> list[float]:
        """Runs batches in a row while frames come and are decoded beside them; returns what each took (ms).

        After `within_ms` it ends, though not before the second batch.

        Raises:
            RunError: if one fails.
        """
        variant, size, side_px = cell.variant, cell.batch_size, self._sides_px[cell.variant]
        latency = BatchLatency((WATCHED_MS,) * size, (WATCHED_MS,) * size)
        core = DeviceCore({variant: latency}, FixedBatcher(size), sides_px={variant: side_px})
        core.loaded(variant)
        core.order(DeviceOrders(variant, size, 0.0, 1))
        work = Workload(core)
        ended: SimpleQueue[float | None] = SimpleQueue()
        loop = BatchLoop(
            "profiled",
            work,
            self._executor,
            self._sides_px,
            self._clock,
            on_batch=lambda row: ended.put(row.inference_ms),
        )
        decoders = DecoderPool(work, self._executor, NUM_DECODERS)
        took_ms: list[float] = []
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(loop.run)
            running.add_done_callback(lambda _: ended.put(None))
            try:
                self._cameras.send(work, side_px, QUEUED_BATCHES * size, 0.0)
                while len(took_ms) < num_batches and (last_ms := ended.get()) is not None:
                    took_ms.append(last_ms)
                    if len(took_ms) > 1 and sum(took_ms) >= within_ms:
                        break
                    self._cameras.send(work, side_px, size, last_ms)
            finally:
                work.close()  # also when interrupted, or nobody would leave
        decoders.join()
        running.result()
        if self._cameras.failure:
            raise RunError(f"{variant} x {size}: {self._cameras.failure}")
        return took_ms


def open_runner(
    device: DeviceConfig, zoo: OpenedZoo, variants: Sequence[Variant], max_batch_size: int
) -> BatchRunner:
    """Pins this process to the device's cores and loads the variants there.

    Raises:
        RunError: if a variant cannot be loaded.
    """
    frames = _draw_frames({variant.input_side_px for variant in variants}, zoo.zoo.fit)
    if device.cores:
        os.sched_setaffinity(0, device.cores)
    sides_px = {one.name: one.input_side_px for one in variants}
    return BatchRunner(build_executor(device, zoo, {}), sides_px, frames, max_batch_size)


def _draw_frames(sides_px: Iterable[int], fit: Fit) -> dict[int, list[bytes]]:
    """Draws traffic: the same pictures at each side, encoded as a client encodes them."""
    images = [
        scene.frame(FRAME_STRIDE * (k + 1)).image
        for scene in (Scene(seed, "val") for seed in range(NUM_SCENES))
        for k in range(FRAMES_PER_SCENE)
    ]
    return {side: [encode_frame(image, side, fit=fit) for image in images] for side in sides_px}
