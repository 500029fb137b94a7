"""A device of this machine whose clock a governor sets, and whose meter it reads, while the device is measured."""

from __future__ import annotations

import logging
import selectors
from collections import deque

from ..core.clock import MonotonicClock
from ..core.errors import RunError
from ..devices.config import DeviceConfig
from ..energy.meters import CHECK_MS
from ..energy.port import MeterFacts
from ..protos.internal_pb2 import Attach, EnergyRead
from ..server.child import GOVERNOR
from ..server.config import ServerConfig
from ..server.executors.governor_link import GovernorLink
from ..server.supervisor.child_process import ChildProcess
from ..server.supervisor.crew import CHILD_COMMAND
from ..server.supervisor.ending import GOVERNOR_LIMIT_S
from ..server.wire.channel import Channel, ChannelClosedError, socket_pair

START_MS = 30_000.0
BELIEVED_MS = CHECK_MS + 3000.0  # from the first reading of a meter that is to be checked first
MOST_READINGS = 4096
LEAST_WINDOW_RATIO = 0.5  # of a window, between the first and the last reading in it

_log = logging.getLogger(__name__)


class GovernedDevice:
    """To be closed: then the clock is as before. So it is whatever ends this process, as the governor ends after it.

    For one thread. What the governor says waits in its socket until it is heard.
    """

    def __init__(self, device: DeviceConfig, facts: MeterFacts | None) -> None:
        """Starts the governor; `facts` are of the meter that the device has.

        Raises:
            RunError: if it does not start.
        """
        self.facts = facts
        self._device = device
        self._clock = MonotonicClock()
        self._selector = selectors.DefaultSelector()
        self._link = GovernorLink(self._selector)
        self._link.on_energy = self._read
        self._readings: deque[EnergyRead] = deque(maxlen=MOST_READINGS)
        self._is_lost = False
        self._asked_mhz = 0
        self._child = ChildProcess(GOVERNOR, 0)
        self._start()
        ours, theirs = socket_pair()
        with theirs:
            self._child.attach(Attach.SOCKET, "executor-0", theirs.fileno())
        self._link.attach(Channel(ours))

    def close(self) -> None:
        """Returns once all is as before. Of a governor that was killed the next one knows what that is."""
        if self._is_lost:
            self._child.bury()
            self._start()
        self._child.let_go(GOVERNOR_LIMIT_S)
        if self._child.bury():
            _log.warning("clocks may not be as before: the next profile or server puts them back")
        self._link.on_energy = lambda _: None
        self._link.drop()
        self._selector.close()

    def believe_meter(self) -> str:
        """Waits until the meter is believed; returns why it is not, and does without from then on."""
        problem = ""
        until_ms = self._clock.now_ms() + BELIEVED_MS
        while self.facts is not None and self._clock.now_ms() < until_ms:
            self.hear(100.0)
            problem = self._readings[-1].problem if self._readings else "the meter says nothing"
            if not problem:
                return ""
        self.facts = None
        return problem

    def ask(self, mhz: int) -> None:
        """Asks for a clock."""
        if mhz != self._asked_mhz:
            self._asked_mhz = mhz
            self._link.clock_mhz, self._link.clock_problem = None, ""
            self._link.ask_clock(mhz)

    @property
    def is_reached(self) -> bool:
        """Whether the clock that was asked for was reached when it was last looked at."""
        return self._link.clock_mhz is not None and not self._link.clock_problem

    @property
    def clock_problem(self) -> str:
        """Why not; empty if it was."""
        if self.is_reached:
            return ""
        silence = f"nothing is heard of {self._asked_mhz} MHz; does a server here set clocks?"
        return f"{self._device.device_id}: {self._link.clock_problem or silence}"

    def hear(self, within_ms: float = 0.0) -> None:
        """Takes what the governor has said, and what it says within a time.

        Raises:
            RunError: if it has ended, or cannot set or read the clock that was asked for.
        """
        until_ms = self._clock.now_ms() + within_ms
        while True:
            left_ms = max(0.0, until_ms - self._clock.now_ms())
            ready = self._selector.select(left_ms / 1000)
            for key, _ in ready:
                key.data()
            if self._is_lost:
                raise RunError(f"{self._device.device_id}: the governor of its clock has ended")
            if self._link.clock_problem and self._link.clock_mhz is None:
                raise RunError(self.clock_problem)
            if not ready and not left_ms:
                return

    def power_w(self, begin_ms: float, end_ms: float) -> tuple[float | None, str]:
        """Mean power between two times, and why it is not known; neither where there is no meter."""
        if self.facts is None:
            return None, ""
        within = [one for one in self._readings if begin_ms <= one.at_ms <= end_ms]
        for one in within:
            if one.problem:
                return None, f"{self._device.device_id}: {one.problem}"
        took_ms = within[-1].at_ms - within[0].at_ms if within else 0.0
        took_mj = within[-1].total_mj - within[0].total_mj if within else 0.0
        if took_ms < LEAST_WINDOW_RATIO * (end_ms - begin_ms) or not took_mj:
            return None, f"{self._device.device_id}: {self.facts.name} did not move"
        return took_mj / took_ms, ""

    def _start(self) -> None:
        config = ServerConfig(devices=(self._device,), log_level="error")
        self._child.start(CHILD_COMMAND, config)
        control = self._child.control
        with selectors.DefaultSelector() as starting:
            starting.register(control, selectors.EVENT_READ)
            starting.select(START_MS / 1000)
        try:
            packet = control.receive()
        except ChannelClosedError:
            packet = None
        if packet is None or not packet[0].HasField("ready"):
            self._child.kill()
            self._child.bury()
            why = packet[0].child_status.detail if packet else "nothing is heard of it"
            raise RunError(f"{self._device.device_id}: its governor does not start: {why}")
        self._is_lost = False
        self._selector.register(control, selectors.EVENT_READ, self._beats)

    def _beats(self) -> None:
        """Nobody waits for these, but they would fill the socket."""
        try:
            for _ in self._child.control.drain():
                pass
        except ChannelClosedError:
            self._lose()

    def _read(self, read: EnergyRead | None) -> None:
        if read is None:
            self._lose()
        else:
            self._readings.append(read)

    def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._selector.unregister(self._child.control)
