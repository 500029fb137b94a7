"""Runs batches of one variant in a row as an executor process does, with the next one being decoded beside."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ..core.clock import Clock, MonotonicClock
from ..core.errors import UsageError
from ..core.variant import Variant
from ..devices.config import DeviceConfig, DeviceKind
from ..devices.executors.port import Executor, Input
from ..devices.registry import build_executor
from ..vision.preprocessing import decode_frame
from .frames import draw_frames
from .samples import Cell

NUM_DECODERS = 2  # as a server has them where nobody says otherwise


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
        """Loads the variants.

        Args:
            executor: of the device.
            sides_px: variant name to input side.
            frames: input side to JPEGs, used over and over.
            max_batch_size: largest batch that is run.
            clock: times the batches.

        Raises:
            RunError: if a variant cannot be loaded.
        """
        self._executor = executor
        self._sides_px = sides_px
        self._frames = frames
        self._clock = clock or MonotonicClock()
        self._decoders = ThreadPoolExecutor(NUM_DECODERS)
        self._next = 0
        for variant in sides_px:
            executor.load(variant, max_batch_size)

    def run(self, cell: Cell, num_batches: int) -> list[float]:
        """Runs batches in a row; returns what each took (ms), from its decoded frames to its detections."""
        took_ms: list[float] = []
        decoding = self._decode(cell)
        for _ in range(num_batches):
            inputs = [one.result() for one in decoding]
            decoding = self._decode(cell)
            before_ms = self._clock.now_ms()
            self._executor.finish(self._executor.start(cell.variant, inputs))
            took_ms.append(self._clock.now_ms() - before_ms)
        return took_ms

    def _decode(self, cell: Cell) -> list[Future[Input]]:
        side_px = self._sides_px[cell.variant]
        frames = self._frames[side_px]
        first, self._next = self._next, self._next + cell.batch_size
        return [
            self._decoders.submit(self._prepare, frames[(first + k) % len(frames)], side_px)
            for k in range(cell.batch_size)
        ]

    def _prepare(self, jpeg: bytes, side_px: int) -> Input:
        return self._executor.prepare(decode_frame(jpeg, side_px))


def open_runner(
    device: DeviceConfig, variants: Sequence[Variant], max_batch_size: int
) -> BatchRunner:
    """Pins this process to the device's cores and loads the variants there.

    Raises:
        RunError: if a variant cannot be loaded.
        UsageError: if the device is a replayed one.
    """
    if device.kind is DeviceKind.REPLAYED:
        raise UsageError(
            f"device={device.device_id}: a replayed device takes what its profile says"
        )
    frames = draw_frames({variant.input_side_px for variant in variants})
    if device.cores:
        os.sched_setaffinity(0, device.cores)
    sides_px = {one.name: one.input_side_px for one in variants}
    return BatchRunner(build_executor(device, {}), sides_px, frames, max_batch_size)
