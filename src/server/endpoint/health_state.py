"""Whether this server can answer frames, told to whoever asks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]
from grpc_health.v1.health_pb2 import HealthCheckResponse

SERVICES = ("", "moonjelly.v1.Serving")

_log = logging.getLogger(__name__)


class HealthState:
    """What `grpc.health.v1` says.

    Attributes:
        servicer: answers it.
    """

    def __init__(self, is_able: Callable[[], bool], on_change: Callable[[bool], None]) -> None:
        """Starts as not serving.

        Args:
            is_able: whether frames could be answered now.
            on_change: told whenever the answer changes, but not when draining.
        """
        self.servicer = health.HealthServicer()
        self._is_able = is_able
        self._on_change = on_change
        self._is_serving = False
        self._may_differ = asyncio.Event()

    def look(self) -> None:
        """Says that something has changed."""
        self._may_differ.set()

    async def run(self) -> None:
        """Keeps the answer true until cancelled; the first one is given before anything waits."""
        await self._set(is_serving=False)
        while True:
            await self._may_differ.wait()
            self._may_differ.clear()
            is_able = self._is_able()
            if is_able != self._is_serving:
                self._is_serving = is_able
                _log.info("serving" if is_able else "not serving")
                await self._set(is_serving=is_able)
                self._on_change(is_able)

    async def drain(self) -> None:
        """Says NOT_SERVING from now on."""
        await self.servicer.enter_graceful_shutdown()

    async def _set(self, *, is_serving: bool) -> None:
        statuses = HealthCheckResponse.ServingStatus
        for service in SERVICES:
            await self.servicer.set(
                service, statuses.SERVING if is_serving else statuses.NOT_SERVING
            )
