"""The SDK for streaming frames to a server, and emulated devices."""

from __future__ import annotations

from ..core.answers import Detections, Labels
from ..core.verdict import Drop, Place, Reason, Verdict
from ..core.zoo import Task
from .answers import Answer
from .client import Client, connect
from .errors import ClientError, CounterOffer, Refused, StreamFailed, Unavailable
from .options import StreamOptions
from .sources import ArraySource, FrameSource, NoPicture, Picture, open_source
from .stream import Stream
from .sync import SyncClient, SyncStream, connect_sync

__all__ = [
    "Answer",
    "ArraySource",
    "Client",
    "ClientError",
    "CounterOffer",
    "Detections",
    "Drop",
    "FrameSource",
    "Labels",
    "NoPicture",
    "Picture",
    "Place",
    "Reason",
    "Refused",
    "Stream",
    "StreamFailed",
    "StreamOptions",
    "SyncClient",
    "SyncStream",
    "Task",
    "Unavailable",
    "Verdict",
    "connect",
    "connect_sync",
    "open_source",
]
