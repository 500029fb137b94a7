"""How a process on an event loop says that it goes on."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from ...protos.internal_pb2 import Envelope, Heartbeat
from ...scheduling.heartbeats import BEAT_PERIOD_MS
from .channel import AsyncChannel

HEARTBEAT = Envelope(heartbeat=Heartbeat())


async def beat(control: AsyncChannel) -> NoReturn:
    """Tells the supervisor that this event loop runs, until cancelled."""
    while True:
        control.send(HEARTBEAT)
        await asyncio.sleep(BEAT_PERIOD_MS / 1000)
