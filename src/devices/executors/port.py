"""The `Executor` port: runs batches of frames on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...vision.detections import Detections

Picture = npt.NDArray[np.uint8]  # RGB [side, side, 3]

NO_PICTURE: Picture = np.empty((0, 0, 3), np.uint8)


class DeviceLostError(Exception):
    """The device failed in a way that only a new process can mend; nothing more can run here."""


class Executor(Protocol):
    """Runs batches on one device, which it owns.

    `run` is called by one thread; `load` and `unload` by one other, also while a batch runs.

    Attributes:
        needs_pictures: whether `run` looks at its pictures; if not, frames need no decoding.
    """

    needs_pictures: bool

    def load(self, variant: str) -> None:
        """Makes a variant ready to run, warmed up. Loading it again does nothing.

        Raises:
            RunError: if it cannot be loaded.
            DeviceLostError: if the device is lost.
        """
        ...

    def unload(self, variant: str) -> None:
        """Gives a variant's memory back; it is not running. Unloading it again does nothing."""
        ...

    def run(self, variant: str, pictures: Sequence[Picture]) -> list[Detections]:
        """Runs as many frames as there are pictures, at least one; returns when all are done.

        Args:
            variant: is loaded.
            pictures: RGB, uint8 [side, side, 3] each, of the variant's side.

        Returns:
            The detections of each picture, in their order.

        Raises:
            KeyError: if the variant is not loaded.
            DeviceLostError: if the device is lost.
            Exception: whatever else the detector fails with; the next batch may be fine.
        """
        ...

    def close(self) -> None:
        """Unloads everything."""
        ...
