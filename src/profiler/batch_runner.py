"""Runs one batch as an executor process does: decode, infer, post-process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ..core.errors import UsageError
from ..core.variant import Variant
from ..devices.config import DeviceConfig, DeviceKind
from ..devices.executors.port import Executor
from ..vision.preprocessing import decode_frame
from .frames import draw_frames
from .samples import Cell


class BatchRunner:
    """A device with every variant of a zoo loaded, and frames for each.

    One thread does all of a batch's work in turn, so that its duration is what the batch costs the
    device's cores; where decode threads have cores of their own, a server needs less.
    """

    def __init__(
        self,
        executor: Executor,
        sides_px: Mapping[str, int],
        frames: Mapping[int, Sequence[bytes]],
    ) -> None:
        """Loads the variants.

        Args:
            executor: of the device.
            sides_px: variant name to input side.
            frames: input side to JPEGs, used over and over.

        Raises:
            RunError: if a variant cannot be loaded.
        """
        self._executor = executor
        self._sides_px = sides_px
        self._frames = frames
        self._next = 0
        for variant in sides_px:
            executor.load(variant)

    def run(self, cell: Cell) -> None:
        """Decodes and runs one batch."""
        side = self._sides_px[cell.variant]
        frames = self._frames[side]
        chosen = [frames[(self._next + k) % len(frames)] for k in range(cell.batch_size)]
        self._next += cell.batch_size
        self._executor.run(cell.variant, [decode_frame(jpeg, side) for jpeg in chosen])


def open_runner(device: DeviceConfig, variants: Sequence[Variant]) -> BatchRunner:
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
    from ..devices.executors.torch_executor import TorchExecutor  # noqa: PLC0415  # torch takes seconds

    name = "cpu" if device.gpu is None else f"cuda:{device.gpu}"
    executor = TorchExecutor(name, max(1, len(device.cores)))
    return BatchRunner(executor, {one.name: one.input_side_px for one in variants}, frames)
