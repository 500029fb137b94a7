"""The way from an endpoint to its devices: the frame memory, and the executors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...protos.internal_pb2 import FrameResults
from ...scheduling.cores.endpoint.drop_notes import MEMORY_FULL, NOT_TAKEN, DropNote
from ..wire.channel import Channel
from ..wire.frame_memory import FrameWriter
from .attached_executor import AttachedExecutor
from .frame import ArrivedFrame


class DeviceSide:
    """Puts frames into slots and sends them to executors.

    Attributes:
        memory: where the slots are; None before it was handed over.
    """

    def __init__(self) -> None:
        self.memory: FrameWriter | None = None
        self._executors: dict[str, AttachedExecutor] = {}

    def find(self, device_id: str) -> AttachedExecutor | None:
        """The executor of a device, if there is one."""
        return self._executors.get(device_id)

    def attach(
        self,
        device_id: str,
        generation: int,
        channel: Channel,
        on_results: Callable[[AttachedExecutor, FrameResults], None],
        on_close: Callable[[AttachedExecutor], None],
    ) -> AttachedExecutor:
        """Takes the channel of a device's executor; its predecessor was let go of."""
        executor = AttachedExecutor(device_id, generation, channel, on_results, on_close)
        self._executors[device_id] = executor
        return executor

    def detach(self, executor: AttachedExecutor) -> None:
        """Lets go of an executor."""
        executor.close()
        if self._executors.get(executor.device_id) is executor:
            del self._executors[executor.device_id]

    def send(self, frame: ArrivedFrame) -> DropNote | None:
        """Sends a frame to its device, once it is in a slot; returns why that failed."""
        if frame.slot < 0:
            place = self.memory.allocate(frame.jpeg) if self.memory is not None else None
            if place is None:
                return MEMORY_FULL
            frame.slot, frame.slot_generation = place
            frame.jpeg = b""
        return None if self._executors[frame.device_id].send(frame) else NOT_TAKEN

    def free(self, frame: ArrivedFrame) -> None:
        """Frees the slot of a frame that has ended, and its picture."""
        frame.jpeg = b""
        if self.memory is not None and frame.slot >= 0:
            self.memory.free(frame.slot, frame.slot_generation)
            frame.slot = -1

    def cancel(self, device_id: str, tickets: Sequence[int]) -> None:
        """Tells an executor that it need not run these frames any more."""
        self._executors[device_id].cancel(tickets)

    def at_work(self, device_id: str) -> Sequence[int]:
        """The tickets of the frames that a device is working at, or was when it died."""
        return self._executors[device_id].at_work()

    def close(self) -> None:
        """Closes all channels."""
        for executor in list(self._executors.values()):
            self.detach(executor)
