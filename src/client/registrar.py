"""Asks a server for the sessions of one stream, again when it has none to give, and for the delay of its wire."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

from ..adapting.client_link import ClientLink
from ..adapting.reconnecting import Reconnecting
from ..adapting.wire_delay import WireDelay
from ..core.clock import Clock
from ..core.limits import BANDWIDTH_KBPS
from ..protos import serving_pb2 as pb
from .connection import Connection
from .errors import Refused, Unavailable
from .options import StreamOptions

_log = logging.getLogger(__name__)

WAIT_JITTER_RATIO = 0.2
FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 2.0
PAUSE_GROWTH = 1.5


class Registrar:
    """Registers one stream, over and over.

    Attributes:
        reconnecting: how long it waits before it asks again.
    """

    def __init__(self, options: StreamOptions, link: ClientLink, clock: Clock) -> None:
        self.reconnecting = Reconnecting()
        self._options = options
        self._link = link
        self._clock = clock
        self._session = ""  # the newest, which proves that its place is ours
        self._generator = random.Random()  # noqa: S311 only spreads the waits

    async def register_first(self, connection: Connection) -> pb.RegisterReply:
        """Registers, asking again while no server takes streams, for as long as that may take.

        Raises:
            Refused: if the server has no room.
            Unavailable: if no server took it within `connect_timeout_s`.
            StreamFailed: if asking again would not help.
        """
        problem = Unavailable(f"no server at {connection.address}: no answer")
        end_ms = self._clock.now_ms() + 1000 * self._options.connect_timeout_s
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                while True:
                    try:
                        return await self._register(connection)
                    except Unavailable as newest:
                        problem = newest
                        # Advice that leads beyond the end is followed half way.
                        most_ms = (end_ms - self._clock.now_ms()) / 2
                        wait_ms = self.reconnecting.on_failure(problem.retry_after_ms, most_ms)
                        await asyncio.sleep(self._spread_s(wait_ms))
        except TimeoutError:
            raise problem from None

    async def register_again(
        self, connection: Connection, wait_ms: float, settled: asyncio.Event
    ) -> pb.RegisterReply | None:
        """Registers after a session was lost; None if it is settled that nobody needs one any more.

        Raises:
            StreamFailed: if asking again would not help.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(settled.wait(), self._spread_s(wait_ms))
                return None
            try:
                return await self._register(connection)
            except Unavailable as problem:
                _log.debug("%s: %s", self._options.stream_id, problem)
                wait_ms = self.reconnecting.on_failure(problem.retry_after_ms)
            except Refused as problem:
                _log.info("%s", problem)
                wait_ms = self.reconnecting.on_failure(problem.retry_after_ms)

    async def keep_measuring_wire(self, connection: Connection) -> None:
        """Follows the delay of the wire for ever, unless it was given: often at first, later now and then."""
        if self._options.wire_ms is not None:
            return
        wire = WireDelay()
        if self._link.wire_ms:
            wire.add(self._link.wire_ms, self._clock.now_ms())
        pause_s = FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(LAST_PAUSE_S, PAUSE_GROWTH * pause_s)
            one_way_ms = await connection.probe_wire_ms()
            if one_way_ms is not None:
                self._link.wire_ms = wire.add(one_way_ms, self._clock.now_ms())

    async def _register(self, connection: Connection) -> pb.RegisterReply:
        if self._options.wire_ms is None:
            measured_ms = await connection.measure_wire_ms()
            if measured_ms is not None:
                self._link.wire_ms = measured_ms
        bandwidth_kbps = BANDWIDTH_KBPS.nearest(self._link.bandwidth_kbps(self._clock.now_ms()))
        reply = await connection.register(
            pb.RegisterRequest(
                stream_id=self._options.stream_id,
                fps=self._options.fps,
                slo_ms=self._options.slo_ms,
                link=pb.LinkEstimate(bandwidth_kbps=bandwidth_kbps, wire_ms=self._link.wire_ms),
                zoo=self._options.zoo,
                options=pb.AnswerOptions(
                    min_score=self._options.min_score,
                    classes=self._options.classes,
                    max_boxes=self._options.max_boxes or 0,
                ),
                older_session=self._session,
            )
        )
        self._session = reply.session
        return reply

    def _spread_s(self, wait_ms: float) -> float:
        """A wait in seconds, a little more or less, so that many streams do not ask at the same moment."""
        return wait_ms / 1000 * (1 + WAIT_JITTER_RATIO * self._generator.uniform(-1, 1))
