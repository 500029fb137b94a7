"""What the threads of an executor share: the core that decides, and the frames that it decides about."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from ...devices.executors.port import Input, Running
from ...protos.internal_pb2 import FrameDescriptor
from ...scheduling.batching.port import Batch
from ...scheduling.cores.device.core import DeviceCore
from .endpoint_link import EndpointLink


@dataclass(slots=True, eq=False)
class WaitingFrame:
    """One frame at this executor.

    Attributes:
        source: the connection that it came over, and its answer goes to.
        descriptor: as the endpoint sent it.
        input: once decoded, for the side that was asked for.
    """

    source: EndpointLink
    descriptor: FrameDescriptor
    input: Input = None
    decode_ms: float = 0.0


@dataclass(slots=True, eq=False)
class Lot:
    """A batch with its frames; `error` says why the detector failed, if it did."""

    batch: Batch
    frames: list[WaitingFrame]
    start_ms: float = 0.0
    running: Running = None
    error: str = ""
    number: int = 0  # by which its energy is known
    frame_mj: float | None = None  # what each frame took, where that is known when it ends


def show_benches(under_way: Iterable[Lot], changed: Iterable[WaitingFrame]) -> None:
    """Tells the endpoints of changed frames which of theirs are at work."""
    tickets: dict[EndpointLink, list[int]] = {frame.source: [] for frame in changed}
    for lot in under_way:
        for frame in lot.frames:
            if frame.source in tickets:
                tickets[frame.source].append(frame.descriptor.ticket)
    for link, own in tickets.items():
        link.bench.run(own)


class Workload:
    """The core with its lock. Every attribute is read and written under the lock alone.

    Attributes:
        changed: the lock; notified when the batch loop has something new to decide.
        decoding_due: the same lock; notified when there may be a frame to decode.
        loading_due: the same lock; notified when there may be a variant to load or unload.
        core: decides.
        frames: those that wait or are decoded, by the core's keys.
        is_closed: every thread leaves.
    """

    def __init__(self, core: DeviceCore) -> None:
        lock = threading.Lock()
        self.changed = threading.Condition(lock)
        self.decoding_due = threading.Condition(lock)
        self.loading_due = threading.Condition(lock)
        self.core = core
        self.frames: dict[int, WaitingFrame] = {}
        self.is_closed = False
        self._by_ticket: dict[tuple[EndpointLink, int], int] = {}
        self._keys = itertools.count()

    def add(self, source: EndpointLink, frames: list[FrameDescriptor], now_ms: float) -> None:
        """Takes frames, and wakes who may run or decode them."""
        with self.changed:
            for sent in frames:
                source.bench.receive(sent.ticket)
                key = next(self._keys)
                self.frames[key] = WaitingFrame(source, sent)
                self._by_ticket[source, sent.ticket] = key
                alone, tenant = sent.is_alone, sent.tenant
                self.core.take(key, sent.deadline_ms, now_ms, is_alone=alone, tenant=tenant)
            source.bench.receive(0)
            self.changed.notify()
            self.decoding_due.notify(len(frames))

    def cancel(self, source: EndpointLink, tickets: Iterable[int]) -> None:
        """Forgets frames that nobody waits for any more."""
        with self.changed:
            for ticket in tickets:
                key = self._by_ticket.pop((source, ticket), None)
                if key is not None:
                    self.core.cancel(key)
                    del self.frames[key]

    def cancel_all(self, source: EndpointLink) -> None:
        """Forgets every frame of a connection that is gone."""
        self.cancel(source, [ticket for where, ticket in list(self._by_ticket) if where is source])

    def take(self, keys: Iterable[int]) -> list[WaitingFrame]:
        """Removes frames that the core has taken out, under the lock."""
        taken = [self.frames.pop(key) for key in keys]
        for frame in taken:
            del self._by_ticket[frame.source, frame.descriptor.ticket]
        return taken

    def close(self) -> None:
        """Has every thread leave."""
        with self.changed:
            self.is_closed = True
            for condition in (self.changed, self.decoding_due, self.loading_due):
                condition.notify_all()
