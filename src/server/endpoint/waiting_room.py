"""Frames that wait at the endpoint: for a slot, or, their stream being a suspect, until they may be tried."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from .frame import ArrivedFrame

MOST_BYTES = 32 << 20


class WaitingRoom:
    """Holds frames in order of their deadlines; a frame without a slot, with its picture."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._num_bytes = 0
        self._jpegs: dict[ArrivedFrame, bytes] = {}  # empty where the frame has a slot
        self._for_slot: list[tuple[float, int, ArrivedFrame]] = []
        self._for_stream: dict[str, list[ArrivedFrame]] = {}
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._jpegs)

    @property
    def is_slot_wanted(self) -> bool:
        """Whether a frame waits for a slot."""
        while self._for_slot and self._for_slot[0][2] not in self._jpegs:
            heapq.heappop(self._for_slot)  # it was taken away
        return bool(self._for_slot)

    def wait_for_slot(self, frame: ArrivedFrame, jpeg: bytes) -> bool:
        """Takes a frame in; returns False if there is no room."""
        if not self._take_in(frame, jpeg):
            return False
        heapq.heappush(self._for_slot, (frame.deadline_ms, next(self._order), frame))
        return True

    def wait_for_stream(self, frame: ArrivedFrame, jpeg: bytes = b"") -> bool:
        """Takes in a frame of a suspect that may not be tried yet; returns False if there is no room."""
        if not self._take_in(frame, jpeg):
            return False
        self._for_stream.setdefault(frame.session.stream_id, []).append(frame)
        return True

    def next_for_slot(self) -> tuple[ArrivedFrame, bytes] | None:
        """Takes out the frame with the earliest deadline of those that wait for a slot."""
        if not self.is_slot_wanted:
            return None
        _, _, frame = heapq.heappop(self._for_slot)
        return frame, self._take_out(frame)

    @property
    def streams(self) -> list[str]:
        """Suspects with frames that wait."""
        return list(self._for_stream)

    def first_of_stream(self, stream_id: str) -> ArrivedFrame | None:
        """The first frame of a suspect that waits."""
        frames = self._for_stream.get(stream_id, [])
        while frames:
            if frames[0] in self._jpegs:
                return frames[0]
            frames.pop(0)  # it was taken out
        self._for_stream.pop(stream_id, None)
        return None

    def next_of_stream(self, stream_id: str) -> tuple[ArrivedFrame, bytes] | None:
        """Takes out the first frame of a suspect that waits; its picture is empty where it has a slot."""
        frame = self.first_of_stream(stream_id)
        if frame is None:
            return None
        self._for_stream[stream_id].pop(0)
        return frame, self._take_out(frame)

    def discard(self, frame: ArrivedFrame) -> bool:
        """Takes a frame out, if it is here; returns whether it was."""
        if frame not in self._jpegs:
            return False
        self._take_out(frame)
        return True

    def hopeless(self, is_hopeless: Callable[[ArrivedFrame], bool]) -> list[ArrivedFrame]:
        """Takes out the frames that have waited too long."""
        gone = [frame for frame in self._jpegs if is_hopeless(frame)]
        for frame in gone:
            self._take_out(frame)
        return gone

    def _take_in(self, frame: ArrivedFrame, jpeg: bytes) -> bool:
        if self._num_bytes + len(jpeg) > self._most_bytes:
            return False
        self._num_bytes += len(jpeg)
        self._jpegs[frame] = jpeg
        return True

    def _take_out(self, frame: ArrivedFrame) -> bytes:
        jpeg = self._jpegs.pop(frame)
        self._num_bytes -= len(jpeg)
        return jpeg
