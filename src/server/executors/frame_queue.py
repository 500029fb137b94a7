"""The frames that wait at one executor, and which of them is decoded next. Holds no lock of its own."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ...devices.executors.port import Picture
from ...protos.internal_pb2 import FrameDescriptor
from ...scheduling.batching.port import QueuedFrame
from .endpoint_link import EndpointLink


@dataclass(slots=True, eq=False)
class WaitingFrame:
    """One frame at this executor.

    Attributes:
        queued: what the batcher sees; replaced when the frame turns ready.
        source: the connection that it came over, and its answer goes to.
        descriptor: as the endpoint sent it.
        picture: once decoded, of the side that was active then.
        is_decoding: a thread is at it; the frame may leave the queue meanwhile.
    """

    queued: QueuedFrame
    source: EndpointLink
    descriptor: FrameDescriptor
    picture: Picture | None = None
    decode_ms: float = 0.0
    is_decoding: bool = False


class FrameQueue:
    """Waiting frames in order of arrival; apart from them, those that are to run alone.

    Attributes:
        needs_pictures: whether frames have to be decoded before they are ready.
    """

    def __init__(self, *, needs_pictures: bool) -> None:
        self.needs_pictures = needs_pictures
        self._frames: dict[int, WaitingFrame] = {}
        self._alone: dict[int, WaitingFrame] = {}
        self._by_ticket: dict[tuple[EndpointLink, int], int] = {}
        self._keys = itertools.count()

    def __len__(self) -> int:
        """Frames that can be batched."""
        return len(self._frames)

    def add(self, source: EndpointLink, descriptor: FrameDescriptor, now_ms: float) -> None:
        """Queues a frame."""
        key = next(self._keys)
        queued = QueuedFrame(key, now_ms, descriptor.deadline_ms, not self.needs_pictures)
        frames = self._alone if descriptor.is_alone else self._frames
        frames[key] = WaitingFrame(queued, source, descriptor)
        self._by_ticket[source, descriptor.ticket] = key

    def cancel(self, source: EndpointLink, tickets: Iterable[int]) -> None:
        """Forgets frames that nobody waits for any more."""
        for ticket in tickets:
            key = self._by_ticket.pop((source, ticket), None)
            if key is not None:
                self._frames.pop(key, None)
                self._alone.pop(key, None)

    def cancel_all(self, source: EndpointLink) -> None:
        """Forgets every frame of a connection that is gone."""
        tickets = [ticket for where, ticket in self._by_ticket if where is source]
        self.cancel(source, tickets)

    def view(self) -> list[QueuedFrame]:
        """What the batcher sees, in order of arrival."""
        return [frame.queued for frame in self._frames.values()]

    def overdue(self, now_ms: float) -> list[WaitingFrame]:
        """Frames whose deadline is past."""
        return [frame for frame in self._frames.values() if frame.queued.deadline_ms < now_ms]

    @property
    def next_deadline_ms(self) -> float:
        """The earliest deadline; infinite if there is none."""
        deadlines = (frame.queued.deadline_ms for frame in self._frames.values())
        return min(deadlines, default=math.inf)

    def take(self, keys: Collection[int]) -> list[WaitingFrame]:
        """Removes frames and returns them in the order of `keys`.

        Raises:
            KeyError: if one is not queued.
        """
        taken = [self._frames.pop(key) for key in keys]
        for frame in taken:
            self._by_ticket.pop((frame.source, frame.descriptor.ticket), None)
        return taken

    def take_alone(self) -> WaitingFrame | None:
        """Removes and returns the first frame that is to run alone; None if there is none."""
        if not self._alone:
            return None
        frame = self._alone.pop(next(iter(self._alone)))
        self._by_ticket.pop((frame.source, frame.descriptor.ticket), None)
        return frame

    def holds(self, frame: WaitingFrame) -> bool:
        """Whether the frame still waits."""
        return frame.queued.key in self._frames

    def next_to_decode(self, look_ahead: int, hopeless_ms: float) -> WaitingFrame | None:
        """The frame with the earliest deadline that is not decoded; None if none is due.

        Args:
            look_ahead: a frame is due if fewer than that many decoded ones come before it.
            hopeless_ms: frames with deadlines before that are left to the batcher to drop.
        """
        waiting = [
            frame
            for frame in self._frames.values()
            if not (frame.queued.is_ready or frame.is_decoding)
            and frame.queued.deadline_ms >= hopeless_ms
        ]
        if not waiting:
            return None
        first = min(waiting, key=lambda frame: frame.queued.deadline_ms)
        num_before = sum(
            frame.queued.deadline_ms <= first.queued.deadline_ms
            for frame in self._frames.values()
            if frame.queued.is_ready or frame.is_decoding
        )
        return first if num_before < look_ahead else None

    def set_decoded(self, frame: WaitingFrame, picture: Picture, decode_ms: float) -> None:
        """Notes a picture for a frame that waits, which turns ready with it."""
        frame.is_decoding = False
        frame.picture = picture
        frame.decode_ms += decode_ms
        frame.queued = dataclasses.replace(frame.queued, is_ready=True)

    def require_side(self, side_px: int) -> None:
        """Has frames decoded again that are ready for another side: the variant has changed."""
        for frame in self._frames.values():
            if frame.picture is not None and frame.picture.shape[0] != side_px:
                frame.picture = None
                frame.queued = dataclasses.replace(frame.queued, is_ready=False)
