"""Whether the batch loop of an executor goes on."""

from __future__ import annotations

from .loop import BatchLoop
from .workload import Workload


class Pulse:
    """Looks at the batch loop from another thread, and wakes it, so that an idle one goes round too."""

    def __init__(self, work: Workload, loop: BatchLoop) -> None:
        self._work = work
        self._loop = loop
        self._turns_seen = -1

    def is_beating(self, patience_s: float) -> bool:
        """Whether the loop went round since it was asked last, or runs a batch, which is guarded.

        Args:
            patience_s: how long to wait for a loop that holds the lock while it decides.
        """
        changed = self._work.changed
        if not changed.acquire(timeout=patience_s):
            return False
        try:
            is_beating = self._loop.is_running or self._loop.num_turns != self._turns_seen
            self._turns_seen = self._loop.num_turns
            changed.notify()
        finally:
            changed.release()
        return is_beating
