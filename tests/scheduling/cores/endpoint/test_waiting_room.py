from __future__ import annotations

from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from moonjelly.scheduling.cores.endpoint.held_frame import BYTES_PER_KBIT, HeldFrame
from moonjelly.scheduling.cores.endpoint.waiting_room import WaitingRoom

MOST_BYTES = 100


class Room(RuleBasedStateMachine):
    """Frames come in, change queues and go out; each is there once, and its bytes are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.room = WaitingRoom(MOST_BYTES)
        self.for_slot: list[HeldFrame] = []
        self.for_stream: dict[str, list[HeldFrame]] = {"a": [], "b": []}

    def frame(self, stream_id: str, deadline_ms: float, size: int) -> HeldFrame:
        frame = HeldFrame(sequence=0, kbits=size / BYTES_PER_KBIT)
        frame.gate = SimpleNamespace(stream_id=stream_id)  # type: ignore[assignment]
        frame.deadline_ms, frame.has_slot = deadline_ms, not size
        return frame

    @property
    def num_bytes(self) -> int:
        queues = [self.for_slot, *self.for_stream.values()]
        return sum(frame.num_bytes for queue in queues for frame in queue)

    @rule(stream=st.sampled_from("ab"), deadline_ms=st.floats(0, 9), size=st.integers(1, 60))
    def wait_for_slot(self, stream: str, deadline_ms: float, size: int) -> None:
        frame = self.frame(stream, deadline_ms, size)
        has_room = self.num_bytes + size <= MOST_BYTES
        assert self.room.wait_for_slot(frame) == has_room
        if has_room:
            self.for_slot.append(frame)

    @rule(stream=st.sampled_from("ab"), deadline_ms=st.floats(0, 9), size=st.integers(0, 60))
    def wait_for_stream(self, stream: str, deadline_ms: float, size: int) -> None:
        frame = self.frame(stream, deadline_ms, size)
        has_room = self.num_bytes + size <= MOST_BYTES
        assert self.room.wait_for_stream(frame) == has_room
        if has_room:
            self.for_stream[stream].append(frame)

    @rule(goes_on=st.booleans())
    def next_for_slot(self, goes_on: bool) -> None:
        frame = self.room.next_for_slot()
        if not self.for_slot:
            assert frame is None
            return
        assert frame is not None
        assert frame.deadline_ms == min(one.deadline_ms for one in self.for_slot)
        self.for_slot.remove(frame)
        if goes_on:
            assert self.room.wait_for_stream(frame)
            self.for_stream[frame.gate.stream_id].append(frame)

    @rule(stream=st.sampled_from("ab"), goes_on=st.booleans())
    def next_of_stream(self, stream: str, goes_on: bool) -> None:
        waiting = self.for_stream[stream]
        first = waiting[0] if waiting else None
        assert self.room.first_of_stream(stream) is first
        assert self.room.next_of_stream(stream) is first
        if first is None:
            return
        waiting.remove(first)
        if goes_on and not first.has_slot:
            assert self.room.wait_for_slot(first)
            self.for_slot.append(first)

    @rule(stream=st.sampled_from("ab"))
    def discard(self, stream: str) -> None:
        for queue in (self.for_slot, self.for_stream[stream]):
            if queue:
                frame = queue.pop(0)
                assert self.room.discard(frame)
                assert not self.room.discard(frame)

    @rule(limit_ms=st.floats(0, 9))
    def take_out(self, limit_ms: float) -> None:
        gone = set(self.room.take_out(lambda frame: frame.deadline_ms < limit_ms))
        for queue in (self.for_slot, *self.for_stream.values()):
            late = {frame for frame in queue if frame.deadline_ms < limit_ms}
            assert late <= gone
            queue[:] = [frame for frame in queue if frame not in late]

    @invariant()
    def agrees(self) -> None:
        assert len(self.room) == len(self.for_slot) + sum(map(len, self.for_stream.values()))
        assert self.room.is_slot_wanted == bool(self.for_slot)
        assert set(self.room.streams) >= {one for one, queue in self.for_stream.items() if queue}


TestRoom = Room.TestCase
TestRoom.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
