"""The endpoint process: joins endpoint, gRPC server and supervisor."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from contextlib import suppress

from ...network.retransmission import limit_waits
from ...protos.internal_pb2 import Attach, ChildStatus, Envelope, Ready
from ..channel import AsyncChannel, Channel
from ..child import ChildContext
from ..frame_memory import FrameWriter
from ..zoo import load_served_zoo
from .endpoint import Endpoint
from .grpc_server import make_server
from .health_state import HealthState
from .servicer import Servicer

STOP_GRACE_S = 0.5

_log = logging.getLogger(__name__)


def now_ms() -> float:
    """The machine's monotonic clock."""
    return time.monotonic_ns() / 1e6


class EndpointProcess:
    """One endpoint and what it is connected to."""

    def __init__(self, context: ChildContext) -> None:
        """Reads the tables of the zoo.

        Raises:
            UsageError: if one is missing or broken.
            RunError: if the log cannot be created.
        """
        self._context = context
        self._devices = {
            f"executor-{number}": device.device_id
            for number, device in enumerate(context.config.devices)
        }
        self._drain_grace_ms: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._endpoint = Endpoint(
            context.config, load_served_zoo(context.config), now_ms, self._look_at_health
        )
        self._health = HealthState(self._is_able, self._say_health)
        self._control = AsyncChannel(context.control, self._on_packet, lambda: None)

    async def run(self) -> None:
        """Serves until the supervisor says drain, and drains.

        Raises:
            RunError: if the address cannot be had.
        """
        config = self._context.config
        servicer = Servicer(self._endpoint, config.session_grace_ms)
        server, port = make_server(config, servicer, self._health.servicer)
        tasks = [
            asyncio.create_task(self._health.run(), name="health"),
            asyncio.create_task(self._endpoint.watch(), name="watch"),
            asyncio.create_task(self._endpoint.tend(), name="tend"),
        ]
        await asyncio.sleep(0)  # health says NOT_SERVING before anybody can ask
        await server.start()
        limit_waits(port)
        gc.collect()
        gc.freeze()  # what is loaded now stays; collections need not look at it again
        self._control.send(Envelope(ready=Ready(port=port)))
        try:
            grace_ms = await self._drain_grace_ms
            await self._health.drain()
            await self._endpoint.drain(grace_ms)
            await server.stop(STOP_GRACE_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._endpoint.shut()
            self._control.close()

    def _on_packet(self, envelope: Envelope, descriptors: tuple[int, ...]) -> None:
        kind = envelope.WhichOneof("message")
        if kind == "attach":
            self._attach(envelope.attach, descriptors)
        elif kind == "drain" and not self._drain_grace_ms.done():
            self._drain_grace_ms.set_result(envelope.drain.grace_ms)
        elif kind == "child_status" and envelope.child_status.peer in self._devices:
            status = envelope.child_status
            if not status.is_alive:
                device_id = self._devices[status.peer]
                self._endpoint.dispatcher.note_death(device_id, is_crash=status.is_crash)

    def _attach(self, attach: Attach, descriptors: tuple[int, ...]) -> None:
        (descriptor,) = descriptors
        if attach.what == Attach.FRAME_MEMORY:
            self._endpoint.dispatcher.use_memory(FrameWriter(descriptor))
            os.close(descriptor)
            self._look_at_health()
        elif attach.peer in self._devices:
            channel = Channel.from_descriptor(descriptor)
            self._endpoint.dispatcher.attach(self._devices[attach.peer], channel)
        elif attach.peer.startswith("scheduler"):
            self._endpoint.scheduler.attach(Channel.from_descriptor(descriptor))
        else:
            _log.error("cannot attach %s", attach.peer)
            os.close(descriptor)

    def _is_able(self) -> bool:
        """Peers are attached when they are ready, and let go of at their end-of-file; a device that hangs is none."""
        endpoint = self._endpoint
        return endpoint.scheduler.is_attached and endpoint.dispatcher.can_run

    def _look_at_health(self) -> None:
        self._health.look()

    def _say_health(self, is_serving: bool) -> None:
        status = ChildStatus(peer=self._context.name, is_alive=is_serving)
        self._control.send(Envelope(child_status=status))


async def run(context: ChildContext) -> None:
    """Runs the endpoint to its end."""
    with suppress(asyncio.CancelledError):
        await EndpointProcess(context).run()
