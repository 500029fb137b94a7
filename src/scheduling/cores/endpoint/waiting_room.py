"""Frames that wait at the endpoint: for a slot, or, their stream being a suspect, until they may be tried."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from .held_frame import HeldFrame

MOST_BYTES = 32 << 20


class WaitingRoom:
    """Holds frames in order of their deadlines. Those without a slot are in memory, which is bounded."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._num_bytes = 0
        self._sizes: dict[HeldFrame, int] = {}
        self._for_slot: list[tuple[float, int, HeldFrame]] = []
        self._for_stream: dict[str, list[HeldFrame]] = {}
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def is_slot_wanted(self) -> bool:
        """Whether a frame waits for a slot."""
        while self._for_slot and self._for_slot[0][2] not in self._sizes:
            heapq.heappop(self._for_slot)  # it was taken away
        return bool(self._for_slot)

    def wait_for_slot(self, frame: HeldFrame) -> bool:
        """Takes a frame in; returns False if there is no room."""
        if not self._take_in(frame):
            return False
        heapq.heappush(self._for_slot, (frame.deadline_ms, next(self._order), frame))
        return True

    def wait_for_stream(self, frame: HeldFrame) -> bool:
        """Takes in a frame of a suspect that may not be tried yet; returns False if there is no room."""
        if not self._take_in(frame):
            return False
        self._for_stream.setdefault(frame.gate.stream_id, []).append(frame)
        return True

    def next_for_slot(self) -> HeldFrame | None:
        """Takes out the frame with the earliest deadline of those that wait for a slot."""
        if not self.is_slot_wanted:
            return None
        _, _, frame = heapq.heappop(self._for_slot)
        self.discard(frame)
        return frame

    @property
    def streams(self) -> list[str]:
        """Suspects with frames that wait."""
        return list(self._for_stream)

    def first_of_stream(self, stream_id: str) -> HeldFrame | None:
        """The first frame of a suspect that waits."""
        frames = self._for_stream.get(stream_id, [])
        while frames:
            if frames[0] in self._sizes:
                return frames[0]
            frames.pop(0)  # it was taken out
        self._for_stream.pop(stream_id, None)
        return None

    def next_of_stream(self, stream_id: str) -> HeldFrame | None:
        """Takes out the first frame of a suspect that waits."""
        frame = self.first_of_stream(stream_id)
        if frame is not None:
            self._for_stream[stream_id].pop(0)
            self.discard(frame)
        return frame

    def discard(self, frame: HeldFrame) -> bool:
        """Takes a frame out, if it is here; returns whether it was."""
        size = self._sizes.pop(frame, None)
        self._num_bytes -= size or 0
        return size is not None

    def take_out(self, is_wanted: Callable[[HeldFrame], bool]) -> list[HeldFrame]:
        """Takes out all frames of which that holds."""
        wanted = [frame for frame in self._sizes if is_wanted(frame)]
        for frame in wanted:
            self.discard(frame)
        return wanted

    def _take_in(self, frame: HeldFrame) -> bool:
        size = 0 if frame.has_slot else frame.num_bytes
        if self._num_bytes + size > self._most_bytes:
            return False
        self._num_bytes += size
        self._sizes[frame] = size
        return True
