"""The endpoints and the scheduler that an executor talks with, and what comes from them."""

from __future__ import annotations

import logging
import os
import selectors
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ...core.clock import Clock
from ...core.device import AnnouncedDevice
from ...protos.internal_pb2 import (
    Attach,
    Envelope,
    ExecutorStatus,
    FrameDescriptor,
    PlanUpdate,
)
from ...scheduling.cores.device.instructions import DeviceOrders
from ..wire.announcing import announcement
from ..wire.bench import Bench
from ..wire.channel import Channel, ChannelClosedError
from ..wire.frame_memory import FrameReader
from .endpoint_link import EndpointLink
from .energy_side import EnergySide
from .variant_loader import VariantLoader
from .workload import Workload

_log = logging.getLogger(__name__)


class Peers:
    """Is read by the receiving thread alone, whenever the selector says so; written to by any."""

    def __init__(
        self,
        device: AnnouncedDevice,
        work: Workload,
        loader: VariantLoader,
        status: Callable[[], ExecutorStatus],
        energy: EnergySide,
        selector: selectors.BaseSelector,
        clock: Clock,
    ) -> None:
        """Knows nobody yet. What is registered with `selector` is called with nothing when it can be read."""
        self._device_id = device.device_id
        self._announcement = list(announcement(device))
        self._work = work
        self._loader = loader
        self._status = status
        self._energy = energy
        self._selector = selector
        self._clock = clock
        self._memories: dict[str, FrameReader] = {}
        self._endpoints: dict[str, EndpointLink] = {}
        self._scheduler: Channel | None = None
        self._telling = threading.Lock()
        self._backlog = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        selector.register(self._backlog, selectors.EVENT_READ, self._on_backlog)

    def attach(self, attach: Attach, descriptors: tuple[int, ...]) -> None:
        """Takes a descriptor; it replaces what an earlier generation of the peer left."""
        (descriptor,) = descriptors
        if attach.what == Attach.FRAME_MEMORY:
            self._memories[attach.peer] = FrameReader(descriptor)
            os.close(descriptor)
            return
        channel = Channel.from_descriptor(descriptor)
        with suppress(ChannelClosedError):  # the reader tells
            for part in self._announcement:
                channel.send(part)
        if attach.peer.startswith("endpoint-"):
            self._drop_endpoint(self._endpoints.get(attach.peer))
            memory = self._memories[attach.peer]
            link = EndpointLink(attach.peer, channel, memory, self._note_backlog)
            self._endpoints[attach.peer] = link
            read: Callable[[], None] = partial(self._read_endpoint, link)
        else:
            self._drop_scheduler(self._scheduler)
            self._scheduler = channel
            self.tell_status()  # it counts on devices that have spoken
            read = partial(self._read_scheduler, channel)
        self._selector.register(channel, selectors.EVENT_READ, read)

    def _read_endpoint(self, link: EndpointLink) -> None:
        """Sends what waited for room, and takes what has come."""
        if self._endpoints.get(link.name) is not link:  # another took its place a moment ago
            return
        self._flush(link)
        frames: list[FrameDescriptor] = []
        try:
            for envelope, descriptors in link.channel.drain():
                kind = envelope.WhichOneof("message")
                if kind == "frame":
                    frames.append(envelope.frame)
                elif kind == "attach":
                    link.bench = Bench(descriptors[0])
                    os.close(descriptors[0])
                elif kind == "cancel":
                    self._work.add(link, frames, self._clock.now_ms())
                    frames = []
                    self._work.cancel(link, envelope.cancel.tickets)
        except ChannelClosedError:
            self._drop_endpoint(link)
            return
        self._work.add(link, frames, self._clock.now_ms())

    def _note_backlog(self) -> None:
        """Has the receiving thread send what found no room; called by any thread."""
        os.eventfd_write(self._backlog, 1)

    def _on_backlog(self) -> None:
        os.eventfd_read(self._backlog)
        for link in self._endpoints.values():
            self._flush(link)

    def _flush(self, link: EndpointLink) -> None:
        """Sends what there is room for, and waits for more room if something is left."""
        if not link.has_backlog:
            return
        link.flush()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.has_backlog else 0)
        key = self._selector.get_key(link.channel)
        self._selector.modify(link.channel, events, key.data)

    def _drop_endpoint(self, link: EndpointLink | None) -> None:
        """Forgets a dead endpoint and its frames: nobody waits for them."""
        if link is None or self._endpoints.get(link.name) is not link:
            return
        del self._endpoints[link.name]
        self._selector.unregister(link.channel)
        self._work.cancel_all(link)
        link.close()

    def _read_scheduler(self, channel: Channel) -> None:
        if channel is not self._scheduler:
            return
        try:
            for envelope, _ in channel.drain():
                if envelope.WhichOneof("message") == "plan":
                    self._take_plan(envelope.plan)
        except ChannelClosedError:
            self._drop_scheduler(channel)

    def _drop_scheduler(self, channel: Channel | None) -> None:
        """Forgets a dead scheduler; its last plan stays in force."""
        if channel is None or channel is not self._scheduler:
            return
        self._scheduler = None
        self._selector.unregister(channel)
        channel.close()

    def _take_plan(self, plan: PlanUpdate) -> None:
        for device in plan.devices:
            if device.device_id != self._device_id:
                continue
            orders = DeviceOrders(
                device.variant,
                device.batch_size,
                device.arrival_fps,
                plan.epoch,
                device.clock_mhz if device.HasField("clock_mhz") else None,
            )
            try:
                self._loader.order(orders)
                self._energy.plan(has_streams=device.arrival_fps > 0)
            except KeyError:
                _log.error("plan %d: there is no variant %s", plan.epoch, device.variant)
            except ValueError as error:
                _log.error("plan %d: %s", plan.epoch, error)

    def tell_status(self) -> None:
        """Tells the scheduler how the device does, from any thread; without a scheduler nobody misses it."""
        self._tell(Envelope(executor_status=self._status()))

    def tell_energy(self) -> None:
        """Tells the scheduler what the device has taken, if that is known."""
        said = self._energy.said
        if said is not None:
            self._tell(Envelope(energy_read=said))

    def _tell(self, envelope: Envelope) -> None:
        channel = self._scheduler
        if channel is None:
            return
        try:
            with self._telling:
                channel.send(envelope)
        except (ChannelClosedError, OSError):
            return  # the receiving thread tells, or has closed it already
