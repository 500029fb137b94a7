from __future__ import annotations

import mmap
import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from moonjelly.core.errors import UsageError
from moonjelly.server.wire import frame_memory
from moonjelly.server.wire.frame_memory import (
    FrameReader,
    FrameWriter,
    StaleSlotError,
    create_frame_memory,
    memory_bytes,
    read_only,
)

NUM_SLOTS = 4
SLOT_BYTES = 256


@pytest.fixture
def descriptor():
    made = create_frame_memory(NUM_SLOTS, SLOT_BYTES)
    yield made
    os.close(made)


@pytest.fixture
def sides(descriptor):
    readable = read_only(descriptor)
    writer, reader = FrameWriter(descriptor), FrameReader(readable)
    os.close(readable)
    yield writer, reader
    writer.close()
    reader.close()


def test_memory_is_reserved_in_full_and_cannot_change_its_size(descriptor):
    status = os.fstat(descriptor)
    assert status.st_size == memory_bytes(NUM_SLOTS, SLOT_BYTES)
    assert status.st_blocks * 512 >= status.st_size
    for size in (0, 1 << 20):
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, size)


def test_too_little_memory_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(frame_memory, "available_bytes", lambda: 1000)
    needed = memory_bytes(64, 1 << 20)
    with pytest.raises(UsageError, match=rf"needs {needed} bytes and 1000 are available"):
        create_frame_memory(64, 1 << 20)


def test_available_memory_is_known():
    assert 0 < frame_memory.available_bytes() < 1 << 50


def test_readers_cannot_write(descriptor):
    readable = read_only(descriptor)
    try:
        with pytest.raises(PermissionError):
            mmap.mmap(readable, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    finally:
        os.close(readable)


@pytest.mark.parametrize(
    ("slot", "num_bytes"),
    [(-1, 1), (NUM_SLOTS, 1), (2**63, 1), (0, 0), (0, -1), (0, SLOT_BYTES + 1), (0, 2**64)],
)
def test_numbers_out_of_range_are_refused(sides, slot, num_bytes):
    writer, reader = sides
    _, generation = writer.allocate(b"frame")
    with pytest.raises(ValueError, match="must be"):
        reader.read(slot, generation, num_bytes)


@pytest.mark.parametrize("length", [0, SLOT_BYTES + 1])
def test_frames_that_do_not_fit_are_refused(sides, length):
    with pytest.raises(ValueError, match="must be 1 to 256"):
        sides[0].allocate(bytes(length))


def test_a_successor_frees_what_its_predecessor_held(sides, descriptor):
    writer, reader = sides
    held = [writer.allocate(bytes([k])) for k in range(NUM_SLOTS)]
    successor = FrameWriter(descriptor)
    assert successor.num_free == NUM_SLOTS
    for slot, generation in held:
        with pytest.raises(StaleSlotError):
            reader.read(slot, generation, 1)
    assert reader.read(*successor.allocate(b"new"), 3) == b"new"
    successor.close()


def test_other_files_are_no_frame_memory():
    descriptor = os.memfd_create("other")
    try:
        with pytest.raises(ValueError, match="has no header"):
            FrameReader(descriptor)
        os.ftruncate(descriptor, 4096)
        with pytest.raises(ValueError, match="does not fit"):
            FrameReader(descriptor)
    finally:
        os.close(descriptor)


def test_a_frame_whose_slot_is_taken_while_it_is_copied_is_never_handed_out(sides):
    writer, reader = sides
    slot, generation = writer.allocate(b"old frame")

    class SlowView:
        """Stands for the mapping; the slot gets another frame before the copy is made."""

        def __init__(self, view: memoryview) -> None:
            self.view = view

        def __getitem__(self, key: slice) -> memoryview:
            writer.free(slot, generation)
            writer.allocate(b"new frame")
            return self.view[key]

        def release(self) -> None:
            self.view.release()

    reader._view = SlowView(reader._view)
    with pytest.raises(StaleSlotError):
        reader.read(slot, generation, 9)


class Slots(RuleBasedStateMachine):
    """Frames are read back as written while they are held, and never after."""

    frames = Bundle("frames")

    def __init__(self) -> None:
        super().__init__()
        self.descriptor = create_frame_memory(NUM_SLOTS, SLOT_BYTES)
        self.writer = FrameWriter(self.descriptor)
        self.reader = FrameReader(self.descriptor)
        self.held: dict[tuple[int, int], bytes] = {}
        self.generations: dict[int, int] = {}

    @rule(target=frames, data=st.binary(min_size=1, max_size=SLOT_BYTES))
    def allocate(self, data: bytes):
        taken = self.writer.allocate(data)
        assert (taken is None) == (len(self.held) == NUM_SLOTS)
        if taken is None:
            return multiple()
        slot, generation = taken
        assert generation > self.generations.get(slot, 0)
        self.generations[slot] = generation
        self.held[taken] = data
        return taken

    @rule(frame=frames)
    def free(self, frame: tuple[int, int]) -> None:
        assert self.writer.free(*frame) == (self.held.pop(frame, None) is not None)

    @rule(frame=frames, off=st.sampled_from((-1, 1, 2)))
    def free_with_another_generation(self, frame: tuple[int, int], off: int) -> None:
        other = (frame[0], frame[1] + off)
        if other not in self.held:
            assert not self.writer.free(*other)

    @rule(frame=frames)
    def read(self, frame: tuple[int, int]) -> None:
        data = self.held.get(frame)
        if data is None:
            with pytest.raises(StaleSlotError):
                self.reader.read(*frame, 1)
        else:
            assert self.reader.read(*frame, len(data)) == data

    @rule()
    def restart_the_writer(self) -> None:
        self.writer.close()
        self.writer = FrameWriter(self.descriptor)
        self.held.clear()

    @invariant()
    def slots_add_up(self) -> None:
        assert self.writer.num_free + len(self.held) == NUM_SLOTS
        for frame, data in self.held.items():
            assert self.reader.read(*frame, len(data)) == data

    def teardown(self) -> None:
        self.writer.close()
        self.reader.close()
        os.close(self.descriptor)


TestSlots = Slots.TestCase
TestSlots.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
