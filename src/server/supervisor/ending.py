"""How a server ends: the endpoints answer what is under way, then the others have nothing left to do."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from ...protos.internal_pb2 import Drain, Envelope
from ..child import GOVERNOR
from .child_process import ChildProcess
from .event_loop import EventLoop

DRAIN_EXTRA_S = 0.3  # beyond the grace, before endpoints are killed
LEAVE_LIMIT_S = 0.5  # for scheduler and executors, which have nothing to wait for
GOVERNOR_LIMIT_S = 2.0  # for clocks to be put back

_log = logging.getLogger(__name__)


class Ending:
    """Drains a server, and kills who does not leave in time.

    Attributes:
        has_begun: whether nothing is started any more.
    """

    def __init__(self, children: Sequence[ChildProcess], loop: EventLoop, grace_ms: float) -> None:
        """Does nothing yet; `grace_ms` is for frames under way."""
        self._children = children
        self._loop = loop
        self._grace_ms = grace_ms
        self._begun_s = 0.0
        self.has_begun = False

    @property
    def is_over(self) -> bool:
        """Whether everybody has left."""
        return self.has_begun and not any(child.is_running for child in self._children)

    @property
    def lasts_s(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self._begun_s

    def begin(self) -> None:
        """Tells the endpoints; who is still starting is not waited for, but for what has clocks to put back."""
        if self.has_begun:
            return
        self.has_begun = True
        self._begun_s = time.monotonic()
        _log.info("draining")
        for child in self._children:
            if child.is_running and not child.is_ready and child.role != GOVERNOR:
                child.kill()
        endpoints = [child for child in self._endpoints() if child.is_ready]
        for endpoint in endpoints:
            endpoint.tell(Envelope(drain=Drain(grace_ms=self._grace_ms)))
        if not endpoints:
            self._dismiss_others()
        limit_s = self._grace_ms / 1000 + DRAIN_EXTRA_S
        self._loop.after(limit_s, lambda: self._kill(self._endpoints()))
        self._loop.after(limit_s + LEAVE_LIMIT_S, lambda: self._kill(self._others()))
        self._loop.after(limit_s + GOVERNOR_LIMIT_S, lambda: self._kill(self._children))

    def note_left(self, child: ChildProcess) -> None:
        """Dismisses the others behind the last endpoint."""
        if child.role == "endpoint" and not any(one.is_running for one in self._endpoints()):
            self._dismiss_others()

    def kill_all(self) -> None:
        """Ends everybody at once, but for what puts clocks back; returns when they are gone."""
        governors = [child for child in self._children if child.role == GOVERNOR]
        for child in self._children:
            if child not in governors:
                child.kill()
        for governor in governors:
            governor.let_go(GOVERNOR_LIMIT_S)
        for child in self._children:
            if child.is_running:
                child.bury()

    def _endpoints(self) -> list[ChildProcess]:
        return [child for child in self._children if child.role == "endpoint"]

    def _others(self) -> list[ChildProcess]:
        return [child for child in self._children if child.role not in ("endpoint", GOVERNOR)]

    def _dismiss_others(self) -> None:
        for child in self._children:
            child.tell(Envelope(drain=Drain(grace_ms=0)))

    def _kill(self, children: Sequence[ChildProcess]) -> None:
        for child in children:
            if child.is_running:
                _log.warning("%s: killed, it did not leave in time", child.name)
                child.kill()
