"""The supervisor: starts the processes of a server, joins them, restarts and ends them.

It waits for events alone: a packet of a child, a dead child's handle, a signal, a timer.
"""

from __future__ import annotations

import dataclasses
import errno
import heapq
import itertools
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ..core.errors import RunError, UsageError
from ..protos.internal_pb2 import Attach, ChildStatus, Drain, Envelope
from .channel import ChannelClosedError, socket_pair
from .child_process import LONGEST_PAUSE_S, ChildProcess
from .config import ServerConfig
from .frame_memory import create_frame_memory, memory_bytes, read_only, require_memory

START_LIMIT_S = 120.0  # a GPU's libraries load slowly from a cold disk
DRAIN_EXTRA_S = 0.3  # beyond the grace, before endpoints are killed
SECOND_SIGNAL_S = 0.5  # those who signal a process and its group mean it once
LEAVE_LIMIT_S = 0.5  # for scheduler and executors, which have nothing to wait for

CHILD_COMMAND = (sys.executable, "-P", "-m", "moonjelly.server.child")

_PAIRS = (("endpoint", "executor"), ("endpoint", "scheduler"), ("scheduler", "executor"))
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
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
        self._memories: list[tuple[int, int]] = []  # per endpoint: to write, to read
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._has_served = False
        self._is_draining = False
        self._draining_since_s = 0.0
        self._stop_signal: int | None = None  # of the second signal, which does not wait

    def run(self) -> int:
        """Serves until a signal; returns the exit status. Leaves no process behind.

        Raises:
            RunError: if it could not start.
            UsageError: if a child says so of an option, or the frame memory does not fit.
        """
        with ExitStack() as stack:
            stack.enter_context(self._selector)
            stack.callback(self._close_memories)
            stack.callback(self._kill_all)
            stack.enter_context(self._signals())
            if self._stop_with is not None:
                self._watch(self._stop_with, stack)
            check_address(self._config.host, self._port)
            self._make_memories()
            for child in self._children:
                if child.role != "endpoint" or child.number == 0 or self._port:
                    self._start(child)
            while self._stop_signal is None and not self._is_over():
                self._step()
        return 0 if self._stop_signal is None else 128 + self._stop_signal

    def _watch(self, pid: int, stack: ExitStack) -> None:
        """Drains when a process ends, or has ended already."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._drain()
            return
        stack.callback(os.close, pidfd)

        def on_end() -> None:
            self._selector.unregister(pidfd)
            _log.info("process %d, which started this server, has ended", pid)
            self._drain()

        self._selector.register(pidfd, selectors.EVENT_READ, on_end)

    def _make_memories(self) -> None:
        slots, slot_bytes = self._config.frame_slots, self._config.max_frame_bytes
        require_memory(self._config.endpoints * memory_bytes(slots, slot_bytes))
        for _ in range(self._config.endpoints):
            writable = create_frame_memory(slots, slot_bytes)
            self._memories.append((writable, read_only(writable)))

    def _step(self) -> None:
        timeout_s = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        for key, _ in self._selector.select(timeout_s):
            key.data()
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._order), action))

    def _of(self, *roles: str) -> list[ChildProcess]:
        return [child for child in self._children if child.role in roles]

    def _start(self, child: ChildProcess) -> None:
        if self._is_draining:
            return
        try:
            child.start(self._command, dataclasses.replace(self._config, port=self._port))
        except OSError as error:
            if not self._has_served:
                raise RunError(f"{child.name} cannot be started: {error.strerror}") from error
            _log.error("%s: cannot be started: %s", child.name, error)
            self._after(LONGEST_PAUSE_S, lambda: self._start(child))
            return
        generation = child.generation
        _log.info("%s: started as process %d", child.name, child.pid)
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._on_death(child))
        self._selector.register(child.control, selectors.EVENT_READ, lambda: self._read(child))
        self._after(START_LIMIT_S, lambda: self._check_start(child, generation))
        self._attach_memory(child)

    def _attach_memory(self, child: ChildProcess) -> None:
        """Hands a new process the frame memories that it works with."""
        for endpoint in self._of("endpoint"):
            writable, readable = self._memories[endpoint.number]
            if child is endpoint:
                child.attach(Attach.FRAME_MEMORY, child.name, child.generation, writable)
            elif child.role == "executor":
                child.attach(Attach.FRAME_MEMORY, endpoint.name, endpoint.generation, readable)

    def _join(self, child: ChildProcess) -> None:
        """Joins a process that is ready with every peer that is, so that nobody waits for one."""
        for peer in self._children:
            is_pair = (child.role, peer.role) in _PAIRS or (peer.role, child.role) in _PAIRS
            if not is_pair or not peer.is_ready:
                continue
            mine, theirs = socket_pair()
            with mine, theirs:
                child.attach(Attach.SOCKET, peer.name, peer.generation, mine.fileno())
                peer.attach(Attach.SOCKET, child.name, child.generation, theirs.fileno())
            if child.role == "endpoint":
                child.tell(_status(peer, is_alive=True))
            elif peer.role == "endpoint":
                peer.tell(_status(child, is_alive=True))

    def _check_start(self, child: ChildProcess, generation: int) -> None:
        if child.generation == generation and not child.is_ready:
            _log.error("%s: not ready after %g s", child.name, START_LIMIT_S)
            child.kill()

    def _kill_generation(self, child: ChildProcess, generation: int) -> None:
        if child.generation == generation:
            child.kill()

    def _read(self, child: ChildProcess) -> None:
        try:
            for envelope, descriptors in child.control.drain():
                for descriptor in descriptors:
                    os.close(descriptor)
                self._on_packet(child, envelope)
        except ChannelClosedError:
            if child.is_running:  # it is dying, or cannot be told anything any more
                self._selector.unregister(child.control)
                generation = child.generation
                self._after(LEAVE_LIMIT_S, lambda: self._kill_generation(child, generation))

    def _on_packet(self, child: ChildProcess, envelope: Envelope) -> None:
        match envelope.WhichOneof("message"):
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
        _log.info("%s: ready", child.name)
        self._join(child)
        if child.role == "endpoint" and not self._port:
            self._port = port
            for other in self._of("endpoint")[1:]:
                self._start(other)
        self._tell_serving()

    def _tell_serving(self) -> None:
        is_ready = all(child.is_ready for child in self._children)
        if self._has_served or not is_ready:
            return
        if all(child.is_serving for child in self._of("endpoint")):
            self._has_served = True
            self._on_serving(self._config.host, self._port)

    def _on_death(self, child: ChildProcess) -> None:
        self._read_last_words(child)
        self._selector.unregister(child.pidfd)
        status = child.bury()
        how = child.in_words(status)
        if self._is_draining:
            _log.info("%s: left, %s", child.name, how)
            if child.role == "endpoint" and not any(c.is_running for c in self._of("endpoint")):
                self._dismiss_others()
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
            for endpoint in self._of("endpoint"):
                endpoint.tell(_status(child, is_alive=False, is_crash=child.is_crash(status)))
        self._after(pause_s, lambda: self._start(child))

    def _read_last_words(self, child: ChildProcess) -> None:
        if child.control in self._selector.get_map():
            self._read(child)
        if child.control in self._selector.get_map():
            self._selector.unregister(child.control)

    def _drain(self) -> None:
        """Lets the endpoints answer what is under way; then the others have nothing left to do."""
        if self._is_draining:
            return
        self._is_draining = True
        self._draining_since_s = time.monotonic()
        _log.info("draining")
        for child in self._children:
            if child.is_running and not child.is_ready:
                child.kill()
        endpoints = [child for child in self._of("endpoint") if child.is_ready]
        for endpoint in endpoints:
            endpoint.tell(Envelope(drain=Drain(grace_ms=self._config.drain_grace_ms)))
        if not endpoints:
            self._dismiss_others()
        limit_s = self._config.drain_grace_ms / 1000 + DRAIN_EXTRA_S
        self._after(limit_s, lambda: self._kill("endpoint"))
        self._after(limit_s + LEAVE_LIMIT_S, lambda: self._kill("scheduler", "executor"))

    def _dismiss_others(self) -> None:
        for child in self._of("scheduler", "executor"):
            child.tell(Envelope(drain=Drain(grace_ms=0)))

    def _is_over(self) -> bool:
        return self._is_draining and not any(child.is_running for child in self._children)

    def _kill(self, *roles: str) -> None:
        for child in self._of(*roles):
            if child.is_running:
                _log.warning("%s: killed, it did not leave in time", child.name)
                child.kill()

    def _kill_all(self) -> None:
        for child in self._children:
            child.kill()
        for child in self._children:
            if child.is_running:
                child.bury()

    def _close_memories(self) -> None:
        for descriptors in self._memories:
            for descriptor in descriptors:
                os.close(descriptor)

    def _on_signal(self, wakeup: socket.socket) -> None:
        for number in wakeup.recv(64):
            if number not in _SIGNALS:
                continue
            _log.info("%s", signal.Signals(number).name)
            if not self._is_draining:
                self._drain()
            elif time.monotonic() - self._draining_since_s > SECOND_SIGNAL_S:
                self._stop_signal = number

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turns signals into events; puts back what was there."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            previous_descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
            previous = {number: signal.signal(number, _ignore) for number in _SIGNALS}
            self._selector.register(ours, selectors.EVENT_READ, lambda: self._on_signal(ours))
            try:
                yield
            finally:
                for number, handler in previous.items():
                    signal.signal(number, handler)
                signal.set_wakeup_fd(previous_descriptor)


def check_address(host: str, port: int) -> None:
    """Tries the address before anything is started; another server's sharing does not count.

    Raises:
        RunError: if it is taken, or not ours.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise RunError(f"host={host}: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise RunError(
                f"port={port}: address in use at {host}; choose another --port"
            ) from error
        raise RunError(f"host={host}, port={port}: {error.strerror}") from error


def _status(child: ChildProcess, *, is_alive: bool, is_crash: bool = False) -> Envelope:
    status = ChildStatus(peer=child.name, is_alive=is_alive, is_crash=is_crash)
    return Envelope(child_status=status)


def _ignore(_number: int, _frame: object) -> None:
    """A handler must exist for the signal to become an event."""
