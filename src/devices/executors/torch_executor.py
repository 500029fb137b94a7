"""Runs the zoo's detectors with torch, on CPU cores or on a CUDA device."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np
import torch

from ...core.errors import RunError
from ...vision.detections import Detections
from ...vision.zoo import TorchDetector, build_detector
from .port import DeviceLostError, Picture

WARM_UP_BATCHES = (1, 2, 1)  # first runs choose algorithms and take memory

_log = logging.getLogger(__name__)


class TorchExecutor:
    """The shipped detectors on one device."""

    needs_pictures = True

    def __init__(self, device: str = "cpu", num_threads: int = 1) -> None:
        """Loads nothing yet.

        Args:
            device: as torch names it, `cpu` or `cuda:0`.
            num_threads: of torch in this process; the number of cores that it is pinned to.
        """
        self._device = device
        self._is_cuda = device.startswith("cuda")
        torch.set_num_threads(num_threads)
        # cuDNN's search for the fastest algorithm stays off: it stops the first batch of each size for long
        self._loaded: dict[str, TorchDetector] = {}

    def load(self, variant: str) -> None:
        """Builds a variant's detector and runs it on blank pictures."""
        if variant in self._loaded:
            return
        start_s = time.monotonic()
        try:
            detector = build_detector(variant, self._device)
            side = detector.input_side_px
            for batch_size in WARM_UP_BATCHES:
                detector(np.zeros((batch_size, side, side, 3), np.uint8))
        except (OSError, ValueError, torch.OutOfMemoryError) as error:
            raise RunError(f"variant {variant} cannot be loaded: {error}") from error
        except RuntimeError as error:
            self._check_device(error)
            raise
        self._loaded[variant] = detector
        _log.debug("loaded %s in %.0f ms", variant, 1000 * (time.monotonic() - start_s))

    def unload(self, variant: str) -> None:
        """Drops a variant; weights stay for the network's other sides."""
        if self._loaded.pop(variant, None) is not None and self._is_cuda:
            torch.cuda.empty_cache()

    def run(self, variant: str, pictures: Sequence[Picture]) -> list[Detections]:
        """Runs one batch; in two halves if the device is short of memory."""
        detector = self._loaded[variant]
        try:
            return self._run_within_memory(detector, np.stack(pictures))
        except RuntimeError as error:
            self._check_device(error)
            raise

    def _run_within_memory(
        self, detector: TorchDetector, batch: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    ) -> list[Detections]:
        try:
            return detector(batch)
        except torch.OutOfMemoryError:
            half = len(batch) // 2
            if half == 0:
                raise
            _log.warning("out of memory with %d frames; running them in two halves", len(batch))
            torch.cuda.empty_cache()
        return [*detector(batch[:half]), *detector(batch[half:])]

    def _check_device(self, error: RuntimeError) -> None:
        """Out of memory is no reason to leave; any other CUDA error spoils the whole process."""
        is_memory = isinstance(error, torch.OutOfMemoryError)
        if self._is_cuda and not is_memory and "CUDA" in str(error):
            raise DeviceLostError(str(error)) from error

    def close(self) -> None:
        """Unloads every variant."""
        self._loaded.clear()
