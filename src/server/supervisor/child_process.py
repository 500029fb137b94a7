"""One child as the supervisor holds it: process handle, control channel, and how often it died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from ...protos.internal_pb2 import Attach, Envelope
from ..child import EXIT_DEVICE_LOST
from ..config import ServerConfig
from ..wire.channel import Channel, ChannelClosedError, socket_pair

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
QUARANTINE_DEATHS = 5
QUARANTINE_WINDOW_S = 60.0
NOISE_BYTES = 1 << 16  # what a pipe holds


@dataclass(slots=True, eq=False)
class ChildProcess:
    """A child and its successors.

    Attributes:
        generation: rises with each start; 0 before the first.
        is_ready: whether it said so, and lives.
        is_serving: for endpoints, whether its health says so.
        refusal: why it could not start, in its own words; empty if it did not say.
        deaths: when it died, within the quarantine window (monotonic s).
        pidfd: its process handle, readable when it is dead; -1 if it does not run.
        noise: where its C libraries complain; likewise.
    """

    role: str
    number: int
    generation: int = 0
    is_ready: bool = False
    is_serving: bool = False
    refusal: str = ""
    deaths: deque[float] = field(default_factory=deque)
    pidfd: int = -1
    noise: int = -1
    _process: subprocess.Popen[bytes] | None = None
    _control: Channel | None = None

    @property
    def name(self) -> str:
        """What its peers call it."""
        return f"{self.role}-{self.number}"

    @property
    def is_running(self) -> bool:
        """Whether there is a process, ready or not."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Its process id; -1 if it does not run."""
        return self._process.pid if self._process else -1

    @property
    def control(self) -> Channel:
        """The channel to it, while it runs."""
        if self._control is None:
            raise ChannelClosedError(self.name)
        return self._control

    def start(self, command: Sequence[str], config: ServerConfig) -> None:
        """Starts the process and sends it the options.

        Args:
            command: the program, to which role, number, generation and descriptor are added.
            config: what every child gets.

        Raises:
            OSError: if the machine cannot start another process; none is left then.
        """
        ours, theirs = socket_pair()
        with ExitStack() as undoing, ExitStack() as closing, theirs:
            undoing.callback(ours.close)
            self.noise, noise = os.pipe()
            closing.callback(os.close, noise)
            undoing.callback(self._close_noise)
            os.set_blocking(self.noise, False)
            os.set_blocking(noise, False)  # if we do not read, it is lost: nobody waits for us
            generation = self.generation + 1
            process = subprocess.Popen(
                [
                    *(*command, self.role, str(self.number), str(generation)),
                    *("--control-fd", str(theirs.fileno())),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                stderr=noise,
            )
            undoing.callback(process.wait)
            undoing.callback(process.kill)
            self.pidfd = os.pidfd_open(process.pid)
            undoing.pop_all()
        self._process = process
        self._control = Channel(ours)
        self.generation = generation
        self.refusal = ""
        with suppress(ChannelClosedError):  # its handle tells
            self._control.send_bytes(config.to_json().encode())

    def tell(self, envelope: Envelope, descriptors: tuple[int, ...] = ()) -> None:
        """Sends a packet, if it runs. Kills a child that does not read what it is sent."""
        if self._control is None:
            return
        try:
            if not self._control.send(envelope, descriptors):
                self.kill()
        except ChannelClosedError:
            return  # its handle tells

    def attach(self, what: Attach.What, peer: str, descriptor: int) -> None:
        """Hands it a descriptor, which stays open here."""
        attach = Attach(what=what, peer=peer)
        self.tell(Envelope(attach=attach), (descriptor,))

    def read_noise(self) -> list[str] | None:
        """Lines that its C libraries wrote; None if there will be no more."""
        try:
            data = os.read(self.noise, NOISE_BYTES)
        except BlockingIOError:
            return []
        if not data:
            return None
        lines = data.decode(errors="replace").splitlines()
        return ["".join(c if c.isprintable() else "?" for c in line) for line in lines if line]

    def kill(self) -> None:
        """Ends it at once; its handle turns readable."""
        if self.pidfd >= 0:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def let_go(self, limit_s: float) -> None:
        """Waits until it has left by itself, as the end of its control socket tells it to, or kills it then."""
        if self._process is not None:
            self.control.close()
            try:
                self._process.wait(limit_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def bury(self) -> int:
        """Waits for the dead process and closes what was held for it; returns its status.

        The status is negative, the signal's number, where it was killed.
        """
        if self._process is None:
            raise ValueError(f"{self.name}: there is no process")
        status = self._process.wait()
        self._process = None
        os.close(self.pidfd)
        self.pidfd = -1
        self._close_noise()
        self.control.close()
        self._control = None
        self.is_ready = False
        self.is_serving = False
        return status

    def _close_noise(self) -> None:
        os.close(self.noise)
        self.noise = -1

    def note_death(self, now_s: float) -> float:
        """Counts a death and returns the pause before the next start (s)."""
        self.deaths.append(now_s)
        while self.deaths[0] < now_s - QUARANTINE_WINDOW_S:
            self.deaths.popleft()
        if self.is_quarantined:
            return LONGEST_PAUSE_S
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (len(self.deaths) - 1))

    @staticmethod
    def in_words(status: int, *, took_all_memory: bool = False) -> str:
        """A process's status for people."""
        if status == EXIT_DEVICE_LOST:
            return f"status {status}, as its device was lost"
        if status >= 0:
            return f"status {status}"
        why = ", as memory ran out" if took_all_memory else ""
        return f"killed by {signal.Signals(-status).name}{why}"

    @staticmethod
    def is_crash(status: int, *, took_all_memory: bool = False) -> bool:
        """Whether a process ended of what it did: not killed by somebody, nor since its device failed."""
        return took_all_memory or status not in (0, -signal.SIGKILL, EXIT_DEVICE_LOST)

    @property
    def is_quarantined(self) -> bool:
        """Whether it died so often that it is only tried now and then."""
        return len(self.deaths) >= QUARANTINE_DEATHS
