"""The `Session` port: one network at one side, ready to run on one device."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ...core.answers import Answer
from ...vision.postprocessing import DEFAULT_MIN_SCORE

Array: TypeAlias = npt.NDArray[Any]
Picture: TypeAlias = npt.NDArray[np.uint8]  # RGB [side, side, 3]

Outputs: TypeAlias = Any
"""What a network says of a batch, as its session knows it."""

WARM_UP_BATCHES = (1, 2, 1)
_MOST_CHARACTERS = 200


def in_one_line(error: Exception) -> str:
    """What a library says, without the number and the name of its state."""
    return " ".join(str(error).rpartition(" : ")[2].split())[:_MOST_CHARACTERS]


class DeviceMemoryError(Exception):
    """The device has no memory for a batch of this size; a smaller one may do."""


class Session(Protocol):
    """A network at one side. Sessions of one network share its weights.

    Attributes:
        side_px: of the squares it takes.
        max_batch_size: the most pictures it takes at once; None for any number.
        input_kind: what pictures are written for a session can be run by every other of the same kind and side.

    `places` and `write` outlive a session, and hold nothing of it.
    """

    side_px: int
    max_batch_size: int | None
    input_kind: Hashable

    def places(self, number: int) -> Array:
        """Memory for a number of pictures as the network takes them, one in each row."""
        ...

    def write(self, picture: Picture, place: Array) -> None:
        """Writes a picture to one row."""
        ...

    def warm_up(self, max_batch_size: int) -> None:
        """Does once what first batches of up to a size would wait for; errors as of `infer`."""
        ...

    def infer(self, batch: Array) -> Outputs:
        """Runs the network on rows [b, ...]; on a GPU, returns as soon as it is told to.

        Raises:
            DeviceLostError: if the device is lost.
            DeviceMemoryError: if the batch is too large for it.
            Exception: whatever else the network fails with.
        """
        ...

    def answers(self, outputs: Outputs, min_score: float = DEFAULT_MIN_SCORE) -> Sequence[Answer]:
        """Selects what was said of each picture; boxes are fractions of the square. Labels are told however unsure they are.

        Raises:
            BrokenOutput: if the network gave numbers that are none.
            DeviceLostError: if the device is lost.
        """
        ...


def run_blank(session: Session) -> None:
    """Runs blank pictures: first runs choose algorithms and take memory."""
    for batch_size in WARM_UP_BATCHES:
        if batch_size <= (session.max_batch_size or batch_size):
            places = session.places(batch_size)
            places[:] = 0
            session.answers(session.infer(places))
