"""The `Executor` port: runs batches of frames on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from ...core.answers import Answer
from ...core.zoo import Fit
from ...vision.fits import Fitted

Input: TypeAlias = Any
"""A picture as its executor wants it."""

Running: TypeAlias = Any
"""A batch under way, as its executor knows it."""


class DeviceLostError(Exception):
    """The device failed in a way that only a new process can mend; nothing more can run here."""


class Executor(Protocol):
    """Runs batches on one device, which it owns.

    `start` and `finish` are called by one thread, `load` and `unload` by others, `prepare` by any, also while batches are under way.

    Attributes:
        needs_pictures: whether it looks at pictures; if not, frames need no decoding and `prepare` is not called.
        depth: how many batches may be started before the first is finished.
        fit: how a picture fills the squares of its networks.
    """

    needs_pictures: bool
    depth: int
    fit: Fit

    def load(self, variant: str, max_batch_size: int) -> None:
        """Makes a variant ready to run, warmed up. Loading it again does nothing.

        Args:
            variant: its name.
            max_batch_size: the largest batch that is ever asked of it.

        Raises:
            RunError: if it cannot be loaded.
            DeviceLostError: if the device is lost.
        """
        ...

    def unload(self, variant: str) -> None:
        """Gives a variant's memory back; it is not running. Unloading it again does nothing."""
        ...

    def prepare(self, fitted: Fitted) -> Input:
        """Does what can be done for a picture beside a running batch, for any variant of its side."""
        ...

    def start(self, variant: str, inputs: Sequence[Input]) -> Running:
        """Starts a batch of as many frames as there are inputs, at least one. May take as long as the batch.

        Args:
            variant: is loaded.
            inputs: prepared; or anything, where no pictures are needed.

        Raises:
            KeyError: if the variant is not loaded.
            DeviceLostError: if the device is lost.
            Exception: whatever else the detector fails with; the next batch may be fine.
        """
        ...

    def finish(self, running: Running) -> Sequence[Answer]:
        """Waits for the oldest batch under way; returns what was said of each frame, in their order.

        Boxes are fractions of the picture that was sent.

        Raises:
            DeviceLostError: if the device is lost.
            Exception: whatever else the detector fails with; the next batch may be fine.
        """
        ...
