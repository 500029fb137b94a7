from __future__ import annotations

from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from moonjelly.server.endpoint.frame import ArrivedFrame
from moonjelly.server.endpoint.waiting_room import WaitingRoom

MOST_BYTES = 100


class Room(RuleBasedStateMachine):
    """Frames come in, change queues and go out; each is there once, and its bytes are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.room = WaitingRoom(MOST_BYTES)
        self.for_slot: dict[ArrivedFrame, bytes] = {}
        self.for_stream: dict[str, dict[ArrivedFrame, bytes]] = {"a": {}, "b": {}}

    def frame(self, stream_id: str, deadline_ms: float) -> ArrivedFrame:
        frame = ArrivedFrame(SimpleNamespace(stream_id=stream_id), 0, 0.0, 0.0, 1, 64, 1.0)
        frame.deadline_ms = deadline_ms
        return frame

    @property
    def num_bytes(self) -> int:
        queues = [self.for_slot, *self.for_stream.values()]
        return sum(len(jpeg) for queue in queues for jpeg in queue.values())

    @rule(stream=st.sampled_from("ab"), deadline_ms=st.floats(0, 9), size=st.integers(1, 60))
    def wait_for_slot(self, stream: str, deadline_ms: float, size: int) -> None:
        frame, jpeg = self.frame(stream, deadline_ms), b"x" * size
        has_room = self.num_bytes + size <= MOST_BYTES
        assert self.room.wait_for_slot(frame, jpeg) == has_room
        if has_room:
            self.for_slot[frame] = jpeg

    @rule(stream=st.sampled_from("ab"), deadline_ms=st.floats(0, 9), size=st.integers(0, 60))
    def wait_for_stream(self, stream: str, deadline_ms: float, size: int) -> None:
        frame, jpeg = self.frame(stream, deadline_ms), b"x" * size
        has_room = self.num_bytes + size <= MOST_BYTES
        assert self.room.wait_for_stream(frame, jpeg) == has_room
        if has_room:
            self.for_stream[stream][frame] = jpeg

    @rule(goes_on=st.booleans())
    def next_for_slot(self, goes_on: bool) -> None:
        taken = self.room.next_for_slot()
        if not self.for_slot:
            assert taken is None
            return
        frame, jpeg = taken
        assert frame.deadline_ms == min(one.deadline_ms for one in self.for_slot)
        assert self.for_slot.pop(frame) == jpeg
        if goes_on:
            assert self.room.wait_for_stream(frame, jpeg)
            self.for_stream[frame.session.stream_id][frame] = jpeg

    @rule(stream=st.sampled_from("ab"), goes_on=st.booleans())
    def next_of_stream(self, stream: str, goes_on: bool) -> None:
        waiting = self.for_stream[stream]
        first = next(iter(waiting), None)
        assert self.room.first_of_stream(stream) is first
        taken = self.room.next_of_stream(stream)
        if first is None:
            assert taken is None
            return
        assert taken == (first, waiting.pop(first))
        if goes_on and taken[1]:
            assert self.room.wait_for_slot(*taken)
            self.for_slot[first] = taken[1]

    @rule(stream=st.sampled_from("ab"))
    def discard(self, stream: str) -> None:
        for queue in (self.for_slot, self.for_stream[stream]):
            if queue:
                frame = next(iter(queue))
                del queue[frame]
                assert self.room.discard(frame)
                assert not self.room.discard(frame)

    @rule(limit_ms=st.floats(0, 9))
    def hopeless(self, limit_ms: float) -> None:
        gone = set(self.room.hopeless(lambda frame: frame.deadline_ms < limit_ms))
        for queue in (self.for_slot, *self.for_stream.values()):
            late = {frame for frame in queue if frame.deadline_ms < limit_ms}
            assert late <= gone
            for frame in late:
                del queue[frame]

    @invariant()
    def agrees(self) -> None:
        assert len(self.room) == len(self.for_slot) + sum(map(len, self.for_stream.values()))
        assert self.room.is_slot_wanted == bool(self.for_slot)
        assert set(self.room.streams) >= {one for one, queue in self.for_stream.items() if queue}


TestRoom = Room.TestCase
TestRoom.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
