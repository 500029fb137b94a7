"""What the shapers have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from .link import FaultKind, LinkConfig, Way

OnUplinkRate = Callable[[float, float], None]
"""Called with the monotonic time (ms) and the rate (1000 bit/s) whenever an uplink's rate is set."""


class ShapedLink(Protocol):
    """A link that runs: what a replay of traces and faults sets."""

    def set_rate_kbps(self, way: Way, rate_kbps: float) -> None:
        """Sets the rate of one way, up or down; 0 is an outage."""

    async def break_connections(self, kind: FaultKind) -> None:
        """Resets the connections that there are, or leaves them half-open."""

    @property
    def address(self) -> str:
        """HOST:PORT where the link's client connects."""


class Shaper(Protocol):
    """Makes links.

    Attributes:
        server_command: what to put before the command that starts the server.
        server_options: options that the server needs, so that the links can lead to it.
    """

    server_command: tuple[str, ...]
    server_options: tuple[str, ...]

    def open_link(
        self, config: LinkConfig, on_uplink_rate: OnUplinkRate
    ) -> AbstractAsyncContextManager[ShapedLink]:
        """A link whose traces and faults start when the context is entered."""
