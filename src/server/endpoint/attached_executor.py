"""An executor as its endpoint sees it: the frames that it has, what it is working at, whether it speaks."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

from ...protos.internal_pb2 import Attach, Envelope, FrameDescriptor
from ...scheduling.device_silence import DeviceSilence
from ..wire.bench import Bench, create_bench
from ..wire.channel import AsyncChannel, Channel
from .frame import ArrivedFrame


@dataclass(frozen=True, slots=True)
class Handed:
    """A frame that was sent to an executor.

    Attributes:
        is_alone: whether nothing else may be decoded or run beside it.
    """

    frame: ArrivedFrame
    is_alone: bool

    @property
    def stream_id(self) -> str:
        """Of its stream."""
        return self.frame.session.stream_id


class AttachedExecutor:
    """One executor that is attached.

    Attributes:
        device_id: what it runs on.
        silence: tells whether it hangs.
        is_crash: what it died of, where that is known before its end shows.
        held: the frames that are under way there, by ticket.
        gone: frames that were taken back from it, and that it may still be working at.
        given_up: frames that it gave up while it was still at them, as where a decoder does not come back.
    """

    def __init__(
        self,
        device_id: str,
        channel: Channel,
        now_ms: float,
        on_packet: Callable[[AttachedExecutor, Envelope], None],
        on_close: Callable[[AttachedExecutor], None],
    ) -> None:
        """Takes its channel, and hands it a bench."""
        self.device_id = device_id
        self.silence = DeviceSilence(now_ms)
        self.is_crash: bool | None = None
        self.held: dict[int, Handed] = {}
        self.gone: dict[int, Handed] = {}
        self.given_up: dict[int, Handed] = {}
        self._channel = AsyncChannel(
            channel, lambda envelope, _: on_packet(self, envelope), lambda: on_close(self)
        )
        descriptor = create_bench()
        try:
            self._bench = Bench(descriptor)
            attach = Attach(what=Attach.BENCH)
            self._channel.send(Envelope(attach=attach), (descriptor,))
        finally:
            os.close(descriptor)

    @property
    def earliest_deadline_ms(self) -> float:
        """Of the frames that it has; infinite if it has none."""
        return min((one.frame.deadline_ms for one in self.held.values()), default=math.inf)

    def send(self, ticket: int, handed: Handed) -> bool:
        """Hands it a frame, which is in its slot; returns False if it takes nothing."""
        frame = handed.frame
        descriptor = FrameDescriptor(
            ticket=ticket,
            slot=frame.slot,
            slot_generation=frame.slot_generation,
            jpeg_bytes=frame.num_bytes,
            deadline_ms=frame.deadline_ms,
            handed_ms=frame.handed_ms,
            is_alone=handed.is_alone,
        )
        if not self._channel.send(Envelope(frame=descriptor)):
            return False
        self.held[ticket] = handed
        return True

    def tell(self, envelope: Envelope) -> None:
        """Sends it something else."""
        self._channel.send(envelope)

    def at_work(self) -> dict[int, Handed]:
        """The frames that it is working at, or was when it died, by ticket."""
        known = self.held | self.gone | self.given_up
        return {ticket: known[ticket] for ticket in self._bench.tickets() if ticket in known}

    def note_given_up(self, given_up: dict[int, Handed]) -> None:
        """Keeps those of the frames that it gave up, now or before, which it is still at."""
        self.given_up |= given_up
        if self.given_up:
            at_work = self.at_work()
            self.given_up = {k: one for k, one in self.given_up.items() if k in at_work}

    def last_at_work(self) -> dict[int, Handed]:
        """What it was working at when it ended; to be asked once."""
        at_work = self.at_work()
        self.close()
        return at_work

    def close(self) -> None:
        """Lets go of it; closing twice is fine."""
        self._channel.close()
        self._bench.close()
