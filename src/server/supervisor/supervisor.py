"""The supervisor: starts the processes of a server, joins them, restarts and ends them.

It waits for events alone: a packet of a child, a dead child's handle, a signal, a timer.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from ...core.errors import RunError, UsageError
from ...protos.internal_pb2 import Envelope
from ...scheduling.heartbeats import BEAT_PERIOD_MS, SILENCE_LIMIT_MS, Heartbeats
from ..config import ServerConfig
from ..log import rotate_own_log
from ..memory_limits import read_num_oom_kills
from ..wire.channel import ChannelClosedError
from .address import check_address
from .child_process import LONGEST_PAUSE_S, ChildProcess
from .ending import LEAVE_LIMIT_S, Ending
from .event_loop import EventLoop
from .joining import FrameMemories, join, status_of
from .stop_signals import stop_signals

START_LIMIT_S = 120.0  # a GPU's libraries load slowly from a cold disk
SECOND_SIGNAL_S = 0.5  # those who signal a process and its group mean it once
LOG_LOOK_S = 10.0

CHILD_COMMAND = (sys.executable, "-P", "-m", "moonjelly.server.child")

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs one server from start to end, in the main thread."""

    def __init__(
        self,
        config: ServerConfig,
        on_serving: Callable[[str, int], None],
        command: Sequence[str] = CHILD_COMMAND,
        stop_with: int | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            config: the options, which name every device.
            on_serving: called once, with host and port.
            command: starts a child; see `child.py` for what it must understand.
            stop_with: a process whose end is a reason to drain.
        """
        self._stop_with = stop_with
        self._config = config
        self._command = tuple(command)
        self._port = config.port
        self._on_serving = on_serving
        self._children = [
            *(ChildProcess("endpoint", number) for number in range(config.endpoints)),
            ChildProcess("scheduler", 0),
            *(ChildProcess("executor", number) for number in range(len(config.devices))),
        ]
        self._memories = FrameMemories()
        self._heartbeats = Heartbeats()
        self._num_oom_kills = read_num_oom_kills()
        self._loop = EventLoop()
        self._ending = Ending(self._children, self._loop, config.drain_grace_ms)
        self._has_served = False
        self._stop_signal: int | None = None  # of the second signal, which does not wait

    def run(self) -> int:
        """Serves until a signal; returns the exit status. Leaves no process behind.

        Raises:
            RunError: if it could not start.
            UsageError: if a child says so of an option, or the frame memory does not fit.
        """
        with ExitStack() as stack:
            stack.enter_context(self._loop)
            stack.callback(self._memories.close)
            stack.callback(self._ending.kill_all)
            stack.enter_context(stop_signals(self._loop, self._on_signal))
            if self._stop_with is not None:
                self._drain_after(self._stop_with, stack)
            check_address(self._config.host, self._port)
            self._memories.make(self._config)
            for child in self._children:
                if child.role != "endpoint" or child.number == 0 or self._port:
                    self._start(child)
            self._judge()
            self._look_at_log()
            while self._stop_signal is None and not self._ending.is_over:
                self._loop.step()
        return 0 if self._stop_signal is None else 128 + self._stop_signal

    def _drain_after(self, pid: int, stack: ExitStack) -> None:
        """Drains when a process ends, or has ended already."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._ending.begin()
            return
        stack.callback(os.close, pidfd)

        def on_end() -> None:
            self._loop.forget(pidfd)
            _log.info("process %d, which started this server, has ended", pid)
            self._ending.begin()

        self._loop.watch(pidfd, on_end)

    def _endpoints(self) -> list[ChildProcess]:
        return [child for child in self._children if child.role == "endpoint"]

    def _start(self, child: ChildProcess) -> None:
        if self._ending.has_begun:
            return
        try:
            child.start(self._command, dataclasses.replace(self._config, port=self._port))
        except OSError as error:
            if not self._has_served:
                raise RunError(f"{child.name} cannot be started: {error.strerror}") from error
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
        if child.generation == generation and not child.is_ready:
            _log.error("%s: not ready after %g s", child.name, START_LIMIT_S)
            child.kill()

    def _kill_generation(self, child: ChildProcess, generation: int) -> None:
        if child.generation == generation:
            child.kill()

    def _judge(self) -> None:
        """Kills who is ready and says nothing: a hung process is worse than a dead one."""
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
        if child.role == "endpoint" and not self._port:
            self._port = port
            for other in self._endpoints()[1:]:
                self._start(other)
        self._tell_serving()

    def _tell_serving(self) -> None:
        is_ready = all(child.is_ready for child in self._children)
        if self._has_served or not is_ready:
            return
        if all(child.is_serving for child in self._endpoints()):
            self._has_served = True
            self._on_serving(self._config.host, self._port)

    def _on_death(self, child: ChildProcess) -> None:
        if self._loop.is_watched(child.control):
            self._read(child)  # its last words
        if self._loop.is_watched(child.noise):
            self._read_noise(child)
        self._loop.forget(child.noise)
        self._loop.forget(child.control)
        self._loop.forget(child.pidfd)
        self._heartbeats.forget(child.name)
        status = child.bury()
        took_all_memory = self._took_all_memory(status)
        how = child.in_words(status, took_all_memory=took_all_memory)
        if self._ending.has_begun:
            _log.info("%s: left, %s", child.name, how)
            self._ending.note_left(child)
            return
        if not self._has_served:
            if child.refusal and status == UsageError.exit_status:
                raise UsageError(child.refusal)
            raise RunError(child.refusal or f"{child.name} ended at its start: {how}")
        pause_s = child.note_death(time.monotonic())
        _log.error("%s: died, %s; %sstarting again in %g s", child.name, how,
                   f"{child.refusal}; " if child.refusal else "", pause_s)  # fmt: skip
        if child.is_quarantined:
            _log.error("%s: QUARANTINED after %d deaths in a minute", child.name, len(child.deaths))
        if child.role != "endpoint":
            for endpoint in self._endpoints():
                is_crash = child.is_crash(status, took_all_memory=took_all_memory)
                endpoint.tell(status_of(child, is_alive=False, is_crash=is_crash))
        self._loop.after(pause_s, lambda: self._start(child))

    def _took_all_memory(self, status: int) -> bool:
        """Whether it was the kernel that killed a child, for want of memory."""
        known, self._num_oom_kills = self._num_oom_kills, read_num_oom_kills()
        return status == -signal.SIGKILL and self._num_oom_kills > known

    def _on_signal(self, number: signal.Signals) -> None:
        _log.info("%s", number.name)
        if not self._ending.has_begun:
            self._ending.begin()
        elif self._ending.lasts_s > SECOND_SIGNAL_S:
            self._stop_signal = number

    def _look_at_log(self) -> None:
        self._loop.after(LOG_LOOK_S, self._look_at_log)
        rotate_own_log()
