"""The governor process: meters of all devices are read, and clocks set and put back, here and nowhere else.

It does not end with the supervisor but a moment after it, when all clocks are as they were: its end of the control socket tells.
"""

from __future__ import annotations

import logging
import selectors
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ...core.clock import Clock, MonotonicClock
from ...core.errors import RunError
from ...devices.config import DeviceConfig
from ...energy.governor_core import (
    GovernorCore,
    Instruction,
    TellClock,
)
from ...energy.port import Settings
from ...protos.internal_pb2 import ClockReached, EnergyRead, Envelope, Ready
from ...scheduling.heartbeats import BEAT_PERIOD_MS
from ..child import ChildContext
from ..wire.channel import Channel, ChannelClosedError
from ..wire.heartbeat import HEARTBEAT
from .claim_file import ClaimFile, claim_path
from .finding import DevicePower, find_powers
from .performing import perform

TICK_MS = 100.0

_log = logging.getLogger(__name__)


def run(context: ChildContext) -> None:
    """Runs the governor until the server has ended, and its clocks are as before."""
    governor = GovernorProcess(
        context.control, context.config.devices, ClaimFile(claim_path()), MonotonicClock()
    )
    while governor.step():
        pass


@dataclass(slots=True, eq=False)
class _Device:
    device_id: str
    power: DevicePower
    executor: Channel | None = None
    asked_mhz: int | None = None  # while another governor has the claim


class GovernorProcess:
    """The core's shell, in one thread."""

    def __init__(
        self, control: Channel, devices: Sequence[DeviceConfig], claim: ClaimFile, clock: Clock
    ) -> None:
        """Looks for meters and governors, and reports ready."""
        self._clock = clock
        self._control = control
        self._devices = {
            f"executor-{number}": _Device(device.device_id, power)
            for number, (device, power) in enumerate(
                zip(devices, find_powers(devices, clock.now_ms()), strict=True)
            )
        }
        self._claim = claim
        self._problem = ""  # why there is no claim
        self._core: GovernorCore | None = None
        self._todo: deque[Instruction] = deque()
        self._has_server = True
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._read_control)
        self._tick_ms = self._beat_ms = 0.0
        self._take_claim()
        self._perform()
        with suppress(ChannelClosedError):  # the reader tells
            control.send(Envelope(ready=Ready()))

    def step(self) -> bool:
        """Waits for what happens next, and sees to it; returns whether there is more to come."""
        wait_ms = max(0.0, self._tick_ms - self._clock.now_ms())
        for key, _ in self._selector.select(wait_ms / 1000):
            key.data()
        now_ms = self._clock.now_ms()
        if now_ms >= self._tick_ms:
            self._tick_ms = now_ms + TICK_MS
            self._tick(now_ms)
        self._perform()
        if self._core is None:
            return self._has_server
        return not self._core.is_over(now_ms)

    def _tick(self, now_ms: float) -> None:
        if self._has_server and now_ms >= self._beat_ms:
            self._beat_ms = now_ms + BEAT_PERIOD_MS
            with suppress(ChannelClosedError):  # the reader tells
                self._control.send(HEARTBEAT)
        if self._core is None:
            self._take_claim()
        else:
            self._todo += self._core.tick(now_ms)
        for one in self._devices.values():
            self._tell_energy(one)

    def _tell_energy(self, one: _Device) -> None:
        meter = one.power.meter
        if one.executor is not None and meter is not None:
            now_ms = self._clock.now_ms()
            total_mj, quality, problem = meter.read(now_ms)
            name, scope = meter.facts.name, meter.facts.scope
            read = EnergyRead(at_ms=now_ms, total_mj=total_mj, quality=quality, problem=problem,
                              meter=name, scope=scope)  # fmt: skip
            self._tell(one, Envelope(energy_read=read))

    def _take_claim(self) -> None:
        """Has a core decide once no other governor does: that of a server, or crew, which is ending."""
        try:
            claim = self._claim.take()
        except RunError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _log.warning("%s", error)
            return
        if claim is None or not self._has_server:
            return
        if claim:
            _log.warning("clocks of %s were not put back; that comes first", ", ".join(claim))
        self._core = GovernorCore(claim)
        for one in self._devices.values():
            if one.executor is not None:
                self._join(one)

    def _join(self, one: _Device) -> None:
        if self._core is None:
            return
        available: tuple[int, ...] = ()
        if one.power.clocks is not None:
            try:
                available = one.power.clocks.available_mhz()
            except RunError as error:
                _log.warning("%s: %s", one.device_id, error)
        self._core.joined(one.device_id, available)
        if one.asked_mhz is not None:
            self._ask(one, one.asked_mhz)

    def _ask(self, one: _Device, mhz: int) -> None:
        one.asked_mhz = mhz
        if one.power.clocks is None or self._core is None:
            problem = one.power.clocks_problem if one.power.clocks is None else self._problem
            if problem:
                self._tell(one, Envelope(clock_reached=ClockReached(problem=problem)))
            return
        settings: Settings | str
        try:
            settings = one.power.clocks.settings()
        except RunError as error:
            settings = str(error)
        self._todo += self._core.asked(one.device_id, mhz, settings)

    def _perform(self) -> None:
        """Does what the core says, in order, each with its outcome told before the next."""
        powers = {one.device_id: one.power.clocks for one in self._devices.values()}
        clocks = {device_id: one for device_id, one in powers.items() if one is not None}
        while self._todo and self._core is not None:
            instruction = self._todo.popleft()
            if isinstance(instruction, TellClock):
                self._tell_clock(instruction)
            else:
                now_ms = self._clock.now_ms()
                self._todo += perform(instruction, self._core, self._claim, clocks, now_ms)

    def _tell_clock(self, told: TellClock) -> None:
        if told.problem:
            _log.warning("%s: %s", told.device_id, told.problem)
        reached = ClockReached(mhz=told.mhz or 0.0, problem=told.problem)
        for one in self._devices.values():
            if one.device_id == told.device_id:
                self._tell(one, Envelope(clock_reached=reached))

    def _tell(self, one: _Device, envelope: Envelope) -> None:
        if one.executor is not None:
            with suppress(ChannelClosedError):  # the reader tells; what finds no room is said again
                one.executor.send(envelope)

    def _read_control(self) -> None:
        try:
            for envelope, descriptors in self._control.drain():
                match envelope.WhichOneof("message"):
                    case "attach":
                        self._attach(envelope.attach.peer, descriptors[0])
                    case "drain":
                        self._end()
        except ChannelClosedError:
            self._end()

    def _end(self) -> None:
        """The server ends, or is gone."""
        if not self._has_server:
            return
        self._has_server = False
        self._selector.unregister(self._control)
        if self._core is not None:
            self._todo += self._core.server_ended(self._clock.now_ms())

    def _attach(self, peer: str, descriptor: int) -> None:
        one = self._devices[peer]
        self._drop(one)
        one.executor = channel = Channel.from_descriptor(descriptor)
        self._selector.register(
            channel, selectors.EVENT_READ, lambda: self._read_executor(one, channel)
        )
        self._join(one)

    def _read_executor(self, one: _Device, channel: Channel) -> None:
        if one.executor is not channel:
            return
        try:
            for envelope, _ in channel.drain():
                if envelope.HasField("clock_asked"):
                    self._ask(one, round(envelope.clock_asked.mhz))
        except ChannelClosedError:
            self._drop(one)

    def _drop(self, one: _Device) -> None:
        """An executor has ended: its clock goes back."""
        if one.executor is None:
            return
        self._selector.unregister(one.executor)
        one.executor.close()
        one.executor, one.asked_mhz = None, None
        if self._core is not None:
            self._todo += self._core.ended(one.device_id)
