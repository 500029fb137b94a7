"""Measures the delay of the wire while a stream runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..adapting.wire_delay import WireDelay
from ..core.clock import Clock
from .connection import Connection

FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 2.0
PAUSE_GROWTH = 1.5


async def keep_measuring_wire(
    connection: Connection, first_ms: float | None, clock: Clock, on_wire: Callable[[float], None]
) -> None:
    """Goes on for ever: often at first, later now and then.

    Args:
        connection: of the stream; calls that fail are left out.
        first_ms: one-way delay as measured before, if it was.
        clock: monotonic.
        on_wire: takes the one-way delay (ms) after each measurement.
    """
    wire = WireDelay()
    if first_ms is not None:
        wire.add(first_ms, clock.now_ms())
    pause_s = FIRST_PAUSE_S
    while True:
        await asyncio.sleep(pause_s)
        pause_s = min(LAST_PAUSE_S, PAUSE_GROWTH * pause_s)
        one_way_ms = await connection.probe_wire_ms()
        if one_way_ms is not None:
            on_wire(wire.add(one_way_ms, clock.now_ms()))
