"""Whether the threads of an executor go on."""

from __future__ import annotations

from .loop import BatchLoop
from .workload import Workload

STUCK_LOOKS = 4  # so often, half a second apart, a decoder may be found at one frame


class Pulse:
    """Looks at the batch loop from another thread, and wakes it, so that an idle one goes round too.

    Attributes:
        is_decoding_stuck: whether a decoder thread never comes back from its frame. It is judged by looks and not by
            a clock: a process that was stopped does not look.
    """

    def __init__(self, work: Workload, loop: BatchLoop) -> None:
        self.is_decoding_stuck = False
        self._work = work
        self._loop = loop
        self._turns_seen = -1
        self._decoding: dict[
            int, tuple[int, int]
        ] = {}  # by decoder: its frame, and how often it was seen there

    def is_beating(self, patience_s: float) -> bool:
        """Whether the loop went round since it was asked last, or runs a batch, which is guarded."""
        changed = self._work.changed
        if not changed.acquire(timeout=patience_s):
            return False
        try:
            self._look_at_decoders()
            is_beating = self._loop.is_running or self._loop.num_turns != self._turns_seen
            self._turns_seen = self._loop.num_turns
            changed.notify()
        finally:
            changed.release()
        return is_beating

    def _look_at_decoders(self) -> None:
        seen: dict[int, tuple[int, int]] = {}
        for decoder, key in self._work.core.frames.decoding.items():
            before, num_looks = self._decoding.get(decoder, (key, 0))
            seen[decoder] = key, num_looks + 1 if key == before else 1
        self._decoding = seen
        self.is_decoding_stuck = any(looks > STUCK_LOOKS for _, looks in seen.values())
