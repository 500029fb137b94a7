"""Pictures as a network takes them, side by side in memory: a batch of neighbours is run where it lies."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence

import numpy as np

from .session import Array, Picture


class Prepared:
    """A picture that waits to be run. Its place is free again when nobody holds it."""

    __slots__ = ("__weakref__", "array", "index")

    def __init__(self, array: Array, index: int) -> None:
        self.array = array
        self.index = index


class InputRing:
    """Places for pictures of one side, the first that are free first, as those are run first."""

    def __init__(
        self, number: int, make: Callable[[int], Array], write: Callable[[Picture, Array], None]
    ) -> None:
        """Takes how many places, what makes rows of memory [number, ...], and how a picture is written to one.

        That is done beside a running batch; a batch without gaps then costs nothing more.
        """
        self._places = make(number)
        self._make = make
        self._write = write
        self._holders: list[weakref.ref[Prepared] | None] = [None] * number
        self._lock = threading.Lock()

    def put(self, picture: Picture) -> Prepared:
        """Writes a picture to a free place; beside them all, where there is none."""
        with self._lock:
            prepared = self._reserve()
        self._write(picture, prepared.array)
        return prepared

    def _reserve(self) -> Prepared:
        for index, holder in enumerate(self._holders):
            if holder is None or holder() is None:
                prepared = Prepared(self._places[index], index)
                self._holders[index] = weakref.ref(prepared)
                return prepared
        return Prepared(np.empty_like(self._places[0]), -1)

    def gather(self, batch: Sequence[Prepared]) -> tuple[Array, list[int]]:
        """Returns the batch as one array, and which picture is in each of its rows."""
        order = sorted(range(len(batch)), key=lambda k: batch[k].index)
        first = batch[order[0]].index
        if first >= 0 and batch[order[-1]].index - first == len(batch) - 1:
            return self._places[first : first + len(batch)], order
        rows = self._make(len(batch))
        return np.stack([batch[k].array for k in order], out=rows), order
