"""The endpoint process: joins endpoint, gRPC server and supervisor."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from contextlib import suppress
from dataclasses import replace

import grpc

from ...core.clock import MonotonicClock
from ...core.profile import LatencyProfile
from ...links.retransmission import limit_waits
from ...protos.internal_pb2 import Attach, ChildStatus, Envelope, Ready
from ..access.certificates import Certificates
from ..access.doorkeeper import Doorkeeper
from ..child import ChildContext
from ..wire.announcing import AnnouncementReader
from ..wire.channel import AsyncChannel, Channel, ChannelClosedError
from ..wire.frame_memory import FrameWriter
from ..wire.heartbeat import beat
from ..zoo import load_served_zoo
from .endpoint import Endpoint
from .grpc_server import make_server
from .health_state import HealthState
from .listener import Listener
from .servicer import Servicer

STOP_GRACE_S = 0.5

now_ms = MonotonicClock().now_ms
_log = logging.getLogger(__name__)


class EndpointProcess:
    """One endpoint and what it is connected to."""

    def __init__(self, context: ChildContext) -> None:
        """Reads the tables of the zoo, certificate and tenants.

        Raises:
            UsageError: if one is missing or broken.
        """
        self._context = context
        self._device_of: dict[str, str] = {}  # by peer, once it has said who it is
        self._profiles: dict[str, LatencyProfile] = {}  # by device
        self._drain_grace_ms: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        zoo = load_served_zoo(replace(context.config, devices=()))
        self._endpoint = Endpoint(
            context.config, replace(zoo, profiles=self._profiles), now_ms, self._look_at_health
        )
        config = context.config
        self._doorkeeper = Doorkeeper(config.tenants, self._endpoint.core.limits, now_ms)
        self._certificates = (
            Certificates(config.tls_certificate, config.tls_key, config.tls_client_ca)
            if config.tls_certificate
            else None
        )
        self._health = HealthState(self._is_able, self._say_health)
        self._listener = Listener(
            self._make_server,
            self._make_servicer,
            context.config.port,
            self._look_at_health,
        )
        self._control = AsyncChannel(context.control, self._on_packet, lambda: None)

    async def run(self) -> None:
        """Serves until the supervisor says drain, and drains.

        Raises:
            RunError: if the address cannot be had.
            ExceptionGroup: if a task failed; nothing is left to serve with then.
        """
        self._listener.bind()
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.TaskGroup() as group:  # one that fails ends the process
                for name, duty in (
                    ("health", self._health.run()),
                    ("beat", beat(self._control)),
                ):
                    tasks.append(group.create_task(duty, name=name))
                await asyncio.sleep(0)  # health says NOT_SERVING before anybody can ask
                await self._listener.start()
                tasks.append(group.create_task(self._listener.watch(), name="listener"))
                limit_waits(self._listener.port)
                gc.collect()
                gc.freeze()  # what is loaded now stays; collections need not look at it again
                self._control.send(Envelope(ready=Ready(port=self._listener.port)))
                grace_ms = await self._drain_grace_ms
                await self._health.drain()
                await self._endpoint.drain(grace_ms)
                for task in tasks:
                    task.cancel()
            await self._listener.stop(STOP_GRACE_S)
        finally:
            self._endpoint.shut()
            self._control.close()

    def _make_server(self, servicer: Servicer, port: int) -> tuple[grpc.aio.Server, int]:
        config, health = self._context.config, self._health.servicer
        return make_server(config, servicer, health, self._doorkeeper, self._certificates, port)

    def _make_servicer(self) -> Servicer:
        grace_ms = self._context.config.session_grace_ms
        return Servicer(self._endpoint, self._doorkeeper, grace_ms)

    def _on_packet(self, envelope: Envelope, descriptors: tuple[int, ...]) -> None:
        kind = envelope.WhichOneof("message")
        if kind == "attach":
            self._attach(envelope.attach, descriptors)
        elif kind == "drain" and not self._drain_grace_ms.done():
            self._drain_grace_ms.set_result(envelope.drain.grace_ms)
        elif kind == "reread":
            self._doorkeeper.reread()
        elif kind == "child_status" and envelope.child_status.peer in self._device_of:
            status = envelope.child_status
            if not status.is_alive:
                device_id = self._device_of[status.peer]
                self._endpoint.note_death(device_id, is_crash=status.is_crash)

    def _attach(self, attach: Attach, descriptors: tuple[int, ...]) -> None:
        (descriptor,) = descriptors
        if attach.what == Attach.FRAME_MEMORY:
            self._endpoint.use_memory(FrameWriter(descriptor))
            os.close(descriptor)
        elif attach.peer.startswith("scheduler"):
            self._endpoint.attach_scheduler(Channel.from_descriptor(descriptor))
        else:
            self._await_device(attach.peer, Channel.from_descriptor(descriptor))

    def _await_device(self, peer: str, channel: Channel) -> None:
        """Attaches an executor once it has said which device it is."""
        loop, reader = asyncio.get_running_loop(), AnnouncementReader()

        def on_packet() -> None:
            try:
                device = None
                while device is None and (packet := channel.receive()) is not None:
                    device = reader.read(packet[0].device_announced)
            except (ChannelClosedError, ValueError) as error:
                _log.error("%s: cannot be attached: %s", peer, error)
                loop.remove_reader(channel.fileno())
                channel.close()
                return
            if device is not None:
                loop.remove_reader(channel.fileno())
                self._device_of[peer] = device.device_id
                self._profiles[device.device_id] = device.profile
                self._endpoint.scheduler.read_plan()  # it may name a device that was not known yet
                self._endpoint.attach_device(device.device_id, device.generation, channel)

        loop.add_reader(channel.fileno(), on_packet)

    def _is_able(self) -> bool:
        """Whether the port is open and a device can run what comes; one that hangs is none.

        Peers are attached when they are ready: an executor, once its first variant is loaded. They are
        let go of at their end-of-file.
        """
        endpoint = self._endpoint
        return (
            self._listener.is_listening and endpoint.scheduler.is_attached and endpoint.core.can_run
        )

    def _look_at_health(self) -> None:
        self._health.look()

    def _say_health(self, is_serving: bool) -> None:
        status = ChildStatus(peer=self._context.name, is_alive=is_serving)
        self._control.send(Envelope(child_status=status))


async def run(context: ChildContext) -> None:
    """Runs the endpoint to its end."""
    with suppress(asyncio.CancelledError):
        await EndpointProcess(context).run()
