"""Runs the zoo's detectors with torch, on CPU cores or on a CUDA device."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import RunError
from ...vision.detections import Detections
from ...vision.zoo import Outputs, TorchDetector, build_detector
from .input_ring import InputRing, Prepared
from .port import DeviceLostError, Picture

WARM_UP_BATCHES = (1, 2, 1)  # first runs choose algorithms and take memory
HELD_BATCHES = 3  # one runs, two are decoded ahead

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    """A batch under way: what the network gives, which input each row is of, and the inputs, which must stay as long."""

    detector: TorchDetector
    parts: list[Outputs]
    order: list[int]
    inputs: Sequence[Prepared]


class TorchExecutor:
    """The shipped detectors on one device."""

    needs_pictures = True
    depth = 1

    def __init__(self, device: str = "cpu", num_threads: int = 1) -> None:
        """Loads nothing yet; torch names the device, `cpu` or `cuda:0`, and has a thread for each core that it is pinned to."""
        self._device = device
        self._is_cuda = device.startswith("cuda")
        torch.set_num_threads(num_threads)
        # cuDNN's search for the fastest algorithm stays off: it stops the first batch of each size for long
        self._loaded: dict[str, TorchDetector] = {}
        self._rings: dict[int, InputRing] = {}  # by side

    def load(self, variant: str, max_batch_size: int) -> None:
        """Builds a variant's detector and runs it on blank pictures."""
        if variant in self._loaded:
            return
        start_s = time.monotonic()
        try:
            detector = build_detector(variant, self._device)
            side = detector.input_side_px
            self._make_ring(side, max_batch_size)
            for batch_size in WARM_UP_BATCHES:
                detector(np.zeros((batch_size, side, side, 3), np.uint8))
        except (OSError, ValueError, torch.OutOfMemoryError) as error:
            raise RunError(f"variant {variant} cannot be loaded: {error}") from error
        except RuntimeError as error:
            self._check_device(error)
            raise
        self._loaded[variant] = detector
        _log.debug("loaded %s in %.0f ms", variant, 1000 * (time.monotonic() - start_s))

    def _make_ring(self, side_px: int, max_batch_size: int) -> None:
        """Makes room for a batch that runs and two that wait; on the host, what is not written to takes no memory."""
        shape = (HELD_BATCHES * max_batch_size, side_px, side_px, 3)
        if side_px not in self._rings:
            kind = torch.uint8 if self._is_cuda else torch.float32  # a link carries bytes faster
            places = torch.empty(shape, dtype=kind, pin_memory=self._is_cuda)
            self._rings[side_px] = InputRing(places.numpy())

    def unload(self, variant: str) -> None:
        """Drops a variant; weights stay for the network's other sides."""
        if self._loaded.pop(variant, None) is not None and self._is_cuda:
            torch.cuda.empty_cache()

    def prepare(self, picture: Picture) -> Prepared:
        """Writes a picture to where the network can read it."""
        return self._rings[len(picture)].put(picture)

    def start(self, variant: str, inputs: Sequence[Prepared]) -> _Running:
        """Runs the network, on a CPU here and now; in two halves if the device is short of memory."""
        detector = self._loaded[variant]
        batch, order = self._rings[detector.input_side_px].gather(inputs)
        try:
            parts = self._infer_within_memory(detector, batch)
            return _Running(detector, parts, order, inputs)
        except RuntimeError as error:
            self._check_device(error)
            raise

    def finish(self, running: _Running) -> list[Detections]:
        """Selects what was found."""
        try:
            found = [one for part in running.parts for one in running.detector.detect(part)]
        except RuntimeError as error:
            self._check_device(error)
            raise
        return [found[running.order.index(k)] for k in range(len(found))]

    def _infer_within_memory(self, detector: TorchDetector, batch: NDArray[Any]) -> list[Outputs]:
        try:
            return [detector.infer(batch)]
        except torch.OutOfMemoryError:
            half = len(batch) // 2
            if half == 0:
                raise
            _log.warning("out of memory with %d frames; running them in two halves", len(batch))
            torch.cuda.empty_cache()
        return [detector.infer(part) for part in (batch[:half], batch[half:])]

    def _check_device(self, error: RuntimeError) -> None:
        """Out of memory is no reason to leave; any other CUDA error spoils the whole process."""
        is_memory = isinstance(error, torch.OutOfMemoryError)
        if self._is_cuda and not is_memory and "CUDA" in str(error):
            raise DeviceLostError(str(error)) from error
