"""The processes that serve a zoo together: one crew starts, is joined, restarted and ended."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from ...core.errors import MoonjellyError, RunError, UsageError
from ...protos.internal_pb2 import Envelope, Reread
from ...scheduling.heartbeats import BEAT_PERIOD_MS, SILENCE_LIMIT_MS, Heartbeats
from ..child import GOVERNOR
from ..config import ServerConfig
from ..memory_limits import read_num_oom_kills
from ..wire.channel import ChannelClosedError
from .child_process import LONGEST_PAUSE_S, ChildProcess
from .ending import LEAVE_LIMIT_S, Ending
from .event_loop import EventLoop
from .joining import FrameMemories, join, status_of

START_LIMIT_S = 120.0  # a GPU's libraries load slowly from a cold disk

CHILD_COMMAND = (sys.executable, "-P", "-m", "moonjelly.server.child")

_log = logging.getLogger(__name__)


class Crew:
    """Runs in the supervisor's thread, whose loop calls it.

    Attributes:
        config: the options of all its processes.
        port: where it serves; 0 before it is known.
        has_served: whether it was ready as a whole once; from then on whoever dies is started again.
    """

    def __init__(
        self,
        config: ServerConfig,
        loop: EventLoop,
        on_serving: Callable[[], None],
        on_failure: Callable[[MoonjellyError], None],
        command: Sequence[str] = CHILD_COMMAND,
        *,
        has_governor: bool = False,
    ) -> None:
        """Starts nothing yet.

        Args:
            config: the options, which name every device.
            loop: waits for its events.
            on_serving: called once, when all of them serve.
            on_failure: called if they cannot start.
            command: starts a child; see `child.py` for what it must understand.
            has_governor: whether a process reads meters and sets clocks.
        """
        self.config = config
        self.port = config.port
        self.has_served = False
        self._loop = loop
        self._on_serving = on_serving
        self._on_failure = on_failure
        self._command = tuple(command)
        self._children = [
            *(ChildProcess("endpoint", number) for number in range(config.endpoints)),
            ChildProcess("scheduler", 0),
            *(ChildProcess("executor", number) for number in range(len(config.devices))),
            *([ChildProcess(GOVERNOR, 0)] if has_governor else ()),
        ]
        self._memories = FrameMemories()
        self._heartbeats = Heartbeats()
        self._num_oom_kills = read_num_oom_kills()
        self._ending = Ending(self._children, loop, config.drain_grace_ms)

    @property
    def is_over(self) -> bool:
        """Whether everybody has left."""
        return self._ending.is_over

    @property
    def drains_since_s(self) -> float:
        """How long ago it was told to drain."""
        return self._ending.lasts_s

    def start(self) -> None:
        """Starts everybody.

        Raises:
            RunError: if a process cannot be started.
            UsageError: if the frame memory does not fit.
        """
        self._memories.make(self.config)
        for child in self._children:
            if child.role != "endpoint" or child.number == 0 or self.port:
                self._start(child)
        self._judge()

    def drain(self) -> None:
        """Ends it politely. A governor that is dead just then comes once more, to put clocks back."""
        for child in self._children:
            if child.role == GOVERNOR and not child.is_running:
                self._start(child)
        self._ending.begin()

    def reread(self) -> None:
        """Has the tenants read again."""
        for child in self._children:
            if child.role != GOVERNOR:
                child.tell(Envelope(reread=Reread()))

    def close(self) -> None:
        """Ends everybody at once, and lets go of everything."""
        self._ending.has_begun = True
        for child in self._children:
            if child.is_running:
                self._forget(child)
        self._ending.kill_all()
        self._memories.close()

    def _endpoints(self) -> list[ChildProcess]:
        return [child for child in self._children if child.role == "endpoint"]

    def _start(self, child: ChildProcess) -> None:
        if self._ending.has_begun:
            return
        try:
            child.start(self._command, dataclasses.replace(self.config, port=self.port))
        except OSError as error:
            if not self.has_served:
                problem = f"{child.name} cannot be started: {error.strerror}"
                self._on_failure(RunError(problem))
                return
            _log.error("%s: cannot be started: %s", child.name, error)
            self._loop.after(LONGEST_PAUSE_S, lambda: self._start(child))
            return
        generation = child.generation
        _log.info("%s: started as process %d", child.name, child.pid)
        self._loop.watch(child.pidfd, lambda: self._on_death(child))
        self._loop.watch(child.control, lambda: self._read(child))
        self._loop.watch(child.noise, lambda: self._read_noise(child))
        self._loop.after(START_LIMIT_S, lambda: self._check_start(child, generation))
        self._memories.attach(child, self._children)

    def _check_start(self, child: ChildProcess, generation: int) -> None:
        if child.is_running and child.generation == generation and not child.is_ready:
            _log.error("%s: not ready after %g s", child.name, START_LIMIT_S)
            child.kill()

    def _kill_generation(self, child: ChildProcess, generation: int) -> None:
        if child.generation == generation:
            child.kill()

    def _judge(self) -> None:
        """Kills who is ready and says nothing: a hung process is worse than a dead one."""
        if self.is_over:
            return
        self._loop.after(BEAT_PERIOD_MS / 1000, self._judge)
        for child in self._children:  # what came while we did not run is heard first
            if child.is_ready and self._loop.is_watched(child.control):
                self._read(child)
        hung = self._heartbeats.hung(1000 * time.monotonic())
        for child in self._children:
            if child.name in hung:
                _log.error("%s: hung: silent for %g s; killed", child.name, SILENCE_LIMIT_MS / 1000)
                self._heartbeats.forget(child.name)
                child.kill()

    def _read(self, child: ChildProcess) -> None:
        try:
            for envelope, descriptors in child.control.drain():
                for descriptor in descriptors:
                    os.close(descriptor)
                self._on_packet(child, envelope)
        except ChannelClosedError:
            if child.is_running:  # it is dying, or cannot be told anything any more
                self._loop.forget(child.control)
                generation = child.generation
                self._loop.after(LEAVE_LIMIT_S, lambda: self._kill_generation(child, generation))

    def _read_noise(self, child: ChildProcess) -> None:
        lines = child.read_noise()
        if lines is None:
            self._loop.forget(child.noise)
        for line in lines or ():
            _log.warning("%s: %s", child.name, line)

    def _on_packet(self, child: ChildProcess, envelope: Envelope) -> None:
        match envelope.WhichOneof("message"):
            case "heartbeat" if child.is_ready:
                self._heartbeats.hear(child.name, 1000 * time.monotonic())
            case "ready":
                self._on_ready(child, envelope.ready.port)
            case "child_status" if envelope.child_status.is_alive:
                child.is_serving = True
                self._tell_serving()
            case "child_status":
                child.is_serving = False
                child.refusal = envelope.child_status.detail

    def _on_ready(self, child: ChildProcess, port: int) -> None:
        if child.is_ready:
            return
        child.is_ready = True
        self._heartbeats.hear(child.name, 1000 * time.monotonic())
        _log.info("%s: ready", child.name)
        try:
            join(child, self._children)
        except OSError as error:
            _log.error("%s: cannot be joined with the others: %s", child.name, error.strerror)
            child.kill()
            return
        if child.role == "endpoint" and not self.port:
            self.port = port
            for other in self._endpoints()[1:]:
                self._start(other)
        self._tell_serving()

    def _tell_serving(self) -> None:
        is_ready = all(child.is_ready for child in self._children)
        if self.has_served or not is_ready:
            return
        if all(child.is_serving for child in self._endpoints()):
            self.has_served = True
            self._on_serving()

    def _on_death(self, child: ChildProcess) -> None:
        if self._loop.is_watched(child.control):
            self._read(child)  # its last words
        if self._loop.is_watched(child.noise):
            self._read_noise(child)
        self._forget(child)
        status = child.bury()
        took_all_memory = self._took_all_memory(status)
        how = child.in_words(status, took_all_memory=took_all_memory)
        if self._ending.has_begun:
            _log.info("%s: left, %s", child.name, how)
            self._ending.note_left(child)
            return
        if not self.has_served:
            is_usage = child.refusal and status == UsageError.exit_status
            problem = child.refusal or f"{child.name} ended at its start: {how}"
            self._on_failure((UsageError if is_usage else RunError)(problem))
            return
        pause_s = child.note_death(time.monotonic())
        _log.error("%s: died, %s; %sstarting again in %g s", child.name, how,
                   f"{child.refusal}; " if child.refusal else "", pause_s)  # fmt: skip
        if child.is_quarantined:
            _log.error("%s: QUARANTINED after %d deaths in a minute", child.name, len(child.deaths))
        if child.role not in ("endpoint", GOVERNOR):
            for endpoint in self._endpoints():
                is_crash = child.is_crash(status, took_all_memory=took_all_memory)
                endpoint.tell(status_of(child, is_alive=False, is_crash=is_crash))
        self._loop.after(pause_s, lambda: self._start(child))

    def _forget(self, child: ChildProcess) -> None:
        """Watches a process no longer."""
        for source in (child.noise, child.control, child.pidfd):
            self._loop.forget(source)
        self._heartbeats.forget(child.name)

    def _took_all_memory(self, status: int) -> bool:
        """Whether it was the kernel that killed a child, for want of memory."""
        known, self._num_oom_kills = self._num_oom_kills, read_num_oom_kills()
        return status == -signal.SIGKILL and self._num_oom_kills > known
