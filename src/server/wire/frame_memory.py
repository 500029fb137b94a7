"""Frame memory: encoded frames in fixed slots of an anonymous file, shared with the executors.

Layout: a header of 64 bytes (magic, number of slots, bytes of a slot), then the slots, each with a
header of 64 bytes (its generation) before the frame. The generation of a slot is odd while a
frame is in it, and rises whenever it is taken or freed; so whoever kept a slot number
and a generation can tell whether the frame is still there.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

import psutil

from ...core.errors import UsageError
from ..memory_limits import read_available_bytes

MAGIC = b"MJFRAME1"
HEADER_BYTES = 64

_HEADER = struct.Struct("<8sQQ")
_GENERATION = struct.Struct("<Q")


class StaleSlotError(LookupError):
    """The frame that was meant is gone from its slot."""


def create_frame_memory(num_slots: int, slot_bytes: int) -> int:
    """Makes a frame memory, reserved in full and fixed in size; returns its descriptor.

    Raises:
        UsageError: if the machine has not that much memory; names the bytes needed and available.
    """
    size = memory_bytes(num_slots, slot_bytes)
    require_memory(size)
    descriptor = os.memfd_create("moonjelly-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.pwrite(descriptor, _HEADER.pack(MAGIC, num_slots, slot_bytes), 0)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except OSError as error:
        os.close(descriptor)
        raise _shortage(size, available_bytes()) from error
    return descriptor


def read_only(descriptor: int) -> int:
    """Opens the same memory for reading alone; returns a new descriptor."""
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)


def require_memory(needed: int) -> None:
    """Refuses frame memories that do not fit into the machine, before they fill it.

    Raises:
        UsageError: naming the bytes needed and available.
    """
    available = available_bytes()
    if needed > available:
        raise _shortage(needed, available)


def memory_bytes(num_slots: int, slot_bytes: int) -> int:
    """Size of a frame memory."""
    return HEADER_BYTES + num_slots * (HEADER_BYTES + slot_bytes)


def available_bytes() -> int:
    """What this process may still take: of the machine, and of its control groups."""
    available: int = psutil.virtual_memory().available
    of_group = read_available_bytes()
    return available if of_group is None else min(available, of_group)


def _shortage(needed: int, available: int) -> UsageError:
    return UsageError(
        f"frame_slots: the frame memory needs {needed} bytes and {available} are available; "
        f"lower frame_slots or max_frame_bytes"
    )


class _FrameMemory:
    """The mapping, and where things lie in it."""

    def __init__(self, descriptor: int, *, is_writable: bool) -> None:
        size = os.fstat(descriptor).st_size
        if size < HEADER_BYTES:
            raise ValueError(f"frame memory of {size} bytes: has no header")
        access = mmap.PROT_READ | (mmap.PROT_WRITE if is_writable else 0)
        self._map = mmap.mmap(descriptor, size, mmap.MAP_SHARED, access)
        self.num_slots: int
        self.slot_bytes: int
        magic, self.num_slots, self.slot_bytes = _HEADER.unpack_from(self._map)
        if magic != MAGIC or memory_bytes(self.num_slots, self.slot_bytes) != size:
            self._map.close()
            raise ValueError(f"frame memory of {size} bytes: its header does not fit")
        self._view = memoryview(self._map)

    def _offset(self, slot: int) -> int:
        if not 0 <= slot < self.num_slots:
            raise ValueError(f"slot={slot}: must be 0 to {self.num_slots - 1}")
        return HEADER_BYTES + slot * (HEADER_BYTES + self.slot_bytes)

    def _generation(self, offset: int) -> int:
        generation: int = _GENERATION.unpack_from(self._map, offset)[0]
        return generation

    def close(self) -> None:
        """Unmaps; views that were handed out keep the mapping until they are gone."""
        self._view.release()
        try:
            self._map.close()
        except BufferError:
            return


class FrameWriter(_FrameMemory):
    """The side that owns the slots; there is one."""

    def __init__(self, descriptor: int) -> None:
        """Maps the memory; slots that a previous owner held are freed.

        Raises:
            ValueError: if it is no frame memory.
        """
        super().__init__(descriptor, is_writable=True)
        self._free = list(range(self.num_slots - 1, -1, -1))
        for slot in self._free:
            offset = self._offset(slot)
            generation = self._generation(offset)
            if generation % 2:
                _GENERATION.pack_into(self._map, offset, generation + 1)

    @property
    def num_free(self) -> int:
        """Slots that can be taken."""
        return len(self._free)

    def allocate(self, data: bytes | memoryview) -> tuple[int, int] | None:
        """Puts a frame into a slot; returns slot and generation, or None if no slot is free.

        Raises:
            ValueError: if it is empty or larger than a slot.
        """
        num_bytes = len(data)
        if not 0 < num_bytes <= self.slot_bytes:
            raise ValueError(f"frame of {num_bytes} bytes: must be 1 to {self.slot_bytes}")
        if not self._free:
            return None
        slot = self._free.pop()
        offset = self._offset(slot)
        generation = self._generation(offset) + 1
        _GENERATION.pack_into(self._map, offset, generation)
        start = offset + HEADER_BYTES
        self._view[start : start + num_bytes] = data
        return slot, generation

    def free(self, slot: int, generation: int) -> bool:
        """Gives a slot back. Returns False, and does nothing, if that frame is gone already.

        Raises:
            ValueError: if there is no such slot.
        """
        offset = self._offset(slot)
        if generation % 2 == 0 or self._generation(offset) != generation:
            return False
        _GENERATION.pack_into(self._map, offset, generation + 1)
        self._free.append(slot)
        return True


class FrameReader(_FrameMemory):
    """The side that reads frames, through a read-only mapping."""

    def __init__(self, descriptor: int) -> None:
        """Maps the memory.

        Raises:
            ValueError: if it is no frame memory.
        """
        super().__init__(descriptor, is_writable=False)

    def read(self, slot: int, generation: int, num_bytes: int) -> bytes:
        """Returns a copy of a frame, whole.

        Raises:
            StaleSlotError: if that frame is gone, or went while it was copied.
            ValueError: if there is no such slot, or it is smaller than that.
        """
        offset = self._offset(slot)
        if not 0 < num_bytes <= self.slot_bytes:
            raise ValueError(f"frame of {num_bytes} bytes: must be 1 to {self.slot_bytes}")
        start = offset + HEADER_BYTES
        data = bytes(self._view[start : start + num_bytes])
        if generation % 2 == 0 or self._generation(offset) != generation:
            raise StaleSlotError
        return data
