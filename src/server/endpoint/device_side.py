"""The way from an endpoint to its devices: frames with their pictures, the frame memory, and the executors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...protos.internal_pb2 import Attach, Cancel, Envelope, FrameDescriptor, FrameResults
from ...scheduling.cores.endpoint.drop_notes import MEMORY_FULL, NOT_TAKEN, DropNote
from ...scheduling.cores.endpoint.held_frame import HeldFrame
from ..wire.bench import Bench, create_bench
from ..wire.channel import AsyncChannel, Channel
from ..wire.frame_memory import FrameWriter

TICKETS_PER_CANCEL = 4096


@dataclass(eq=False, kw_only=True)
class ArrivedFrame(HeldFrame):
    """One frame that was read from a stream.

    Attributes:
        jpeg: its encoded picture; empty once it is in a slot.
        slot: of the frame memory; -1 without one.
    """

    jpeg: bytes
    slot: int = field(default=-1, init=False)
    slot_generation: int = field(default=0, init=False)


class AttachedExecutor:
    """An executor that is attached: a channel, and a bench on which it says what it is working at.

    Attributes:
        device_id: what it runs on.
        generation: of the device, as it says itself.
    """

    def __init__(
        self,
        device_id: str,
        generation: int,
        channel: Channel,
        on_results: Callable[[AttachedExecutor, FrameResults], None],
        on_close: Callable[[AttachedExecutor], None],
    ) -> None:
        """Takes its channel, and hands it a bench."""
        self.device_id = device_id
        self.generation = generation
        self._on_results = on_results
        self._channel = AsyncChannel(channel, self._on_packet, lambda: on_close(self))
        descriptor = create_bench()
        try:
            self._bench = Bench(descriptor)
            attach = Attach(what=Attach.BENCH)
            self._channel.send(Envelope(attach=attach), (descriptor,))
        finally:
            os.close(descriptor)

    def send(self, frame: ArrivedFrame) -> bool:
        """Hands it a frame, which is in its slot; returns False if it takes nothing."""
        descriptor = FrameDescriptor(
            ticket=frame.ticket,
            slot=frame.slot,
            slot_generation=frame.slot_generation,
            jpeg_bytes=frame.num_bytes,
            deadline_ms=frame.deadline_ms,
            handed_ms=frame.handed_ms,
            is_alone=frame.is_alone,
            tenant=frame.gate.declared.key.tenant,
        )
        return self._channel.send(Envelope(frame=descriptor))

    def cancel(self, tickets: Sequence[int]) -> None:
        """Tells it that it need not run these frames any more."""
        for start in range(0, len(tickets), TICKETS_PER_CANCEL):
            cancel = Cancel(tickets=tickets[start : start + TICKETS_PER_CANCEL])
            self._channel.send(Envelope(cancel=cancel))

    def at_work(self) -> list[int]:
        """The tickets of the frames that it is working at, or was when it died."""
        return self._bench.tickets()

    def close(self) -> None:
        """Lets go of it; closing twice is fine."""
        self._channel.close()
        self._bench.close()

    def _on_packet(self, envelope: Envelope, descriptors: tuple[int, ...]) -> None:
        del descriptors  # none come here
        if envelope.HasField("results"):
            self._on_results(self, envelope.results)


class DeviceSide:
    """Puts frames into slots and sends them to executors.

    Attributes:
        memory: where the slots are; None before it was handed over.
        executors: those that are attached, by device.
    """

    def __init__(self) -> None:
        self.memory: FrameWriter | None = None
        self.executors: dict[str, AttachedExecutor] = {}

    def detach(self, executor: AttachedExecutor) -> None:
        """Lets go of an executor."""
        executor.close()
        if self.executors.get(executor.device_id) is executor:
            del self.executors[executor.device_id]

    def send(self, frame: ArrivedFrame) -> DropNote | None:
        """Sends a frame to its device, once it is in a slot; returns why that failed."""
        if frame.slot < 0:
            place = self.memory.allocate(frame.jpeg) if self.memory is not None else None
            if place is None:
                return MEMORY_FULL
            frame.slot, frame.slot_generation = place
            frame.jpeg = b""
        return None if self.executors[frame.device_id].send(frame) else NOT_TAKEN

    def free(self, frame: ArrivedFrame) -> None:
        """Frees the slot of a frame that has ended, and its picture."""
        frame.jpeg = b""
        if self.memory is not None and frame.slot >= 0:
            self.memory.free(frame.slot, frame.slot_generation)
            frame.slot = -1

    def close(self) -> None:
        """Closes all channels."""
        for executor in list(self.executors.values()):
            self.detach(executor)
