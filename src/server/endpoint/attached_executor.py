"""An executor as its endpoint reaches it: a channel, and a bench on which it says what it is working at."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from ...protos.internal_pb2 import Attach, Cancel, Envelope, FrameDescriptor, FrameResults
from ..wire.bench import Bench, create_bench
from ..wire.channel import AsyncChannel, Channel
from .frame import ArrivedFrame

TICKETS_PER_CANCEL = 4096


class AttachedExecutor:
    """One executor that is attached.

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
