"""The bench: a shared page on which an executor says which frames it is working at.

Writing to it takes no call of the system, and what is written stays when the writer dies. So the endpoint that
made it, and sent the frames, can read what they may have died of. Each place holds the ticket of one frame, or
0: one for the thread that receives, then those of the decoder threads, then those of the running batch.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

MAX_DECODERS = 64
MAX_BATCH = 256
BENCH_BYTES = 8 * (1 + MAX_DECODERS + MAX_BATCH)

_FIRST_OF_BATCH = 1 + MAX_DECODERS


def create_bench() -> int:
    """Makes an empty bench; returns its descriptor."""
    descriptor = os.memfd_create("moonjelly-bench", os.MFD_CLOEXEC)
    try:
        os.posix_fallocate(descriptor, 0, BENCH_BYTES)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Bench:
    """One end of a bench; each place has one writer."""

    def __init__(self, descriptor: int = -1) -> None:
        """Maps a bench; without a descriptor, one that nobody else sees.

        Raises:
            ValueError: if it is too small for one.
        """
        if descriptor >= 0 and os.fstat(descriptor).st_size < BENCH_BYTES:
            raise ValueError(f"bench: must have {BENCH_BYTES} bytes")
        self._map = mmap.mmap(descriptor, BENCH_BYTES)
        self._places = memoryview(self._map).cast("Q")
        self._num_running = 0

    def receive(self, ticket: int) -> None:
        """The receiving thread has taken that frame; 0 for none."""
        self._places[0] = ticket

    def decode(self, decoder: int, ticket: int) -> None:
        """A decoder thread is at that frame; 0 for none."""
        self._places[1 + decoder] = ticket

    def run(self, tickets: Sequence[int]) -> None:
        """That batch runs; empty for none."""
        places = self._places
        for index, ticket in enumerate(tickets):
            places[_FIRST_OF_BATCH + index] = ticket
        for index in range(len(tickets), self._num_running):
            places[_FIRST_OF_BATCH + index] = 0
        self._num_running = len(tickets)

    def tickets(self) -> list[int]:
        """The frames that are decoded or run; where there are none, the one that was being received."""
        at_work = [ticket for ticket in self._places[1:] if ticket]
        return at_work or [ticket for ticket in self._places[:1] if ticket]

    def close(self) -> None:
        """Unmaps it; nobody writes to it any more."""
        self._places.release()
        self._map.close()
