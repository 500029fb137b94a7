"""The scheduler process: packets and timers become stimuli of its core, whose instructions become packets."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from random import Random

from ...core.budget_rules import budget_rule
from ...core.clock import MonotonicClock
from ...core.errors import UsageError
from ...core.records import PlanRecord
from ...protos.internal_pb2 import EnergyRead, Envelope, Ready
from ...scheduling.cores.scheduler.core import SchedulerCore
from ...scheduling.cores.scheduler.instructions import (
    AnswerJoin,
    Instruction,
    NotePlan,
    ReportMistake,
    Supersede,
    TellDevice,
    TellEndpoints,
    WakeAt,
)
from ...scheduling.cores.scheduler.stimuli import (
    DeviceAnnounced,
    DeviceLost,
    DeviceMetered,
    EndpointCame,
    EndpointLost,
    Stimulus,
    TenantsSet,
    Tick,
)
from ...scheduling.device_table import DeviceTable
from ...scheduling.planning.effort import TimeLimit
from ...scheduling.planning.plan_records import plan_records
from ...scheduling.planning.registry import planner, preload
from ...scheduling.planning.rounds import Planning
from ...scheduling.planning.switching import SwitchingCost
from ..access.tenants import read_tenants
from ..child import ChildContext
from ..run_log import open_log
from ..wire.announcing import AnnouncementReader
from ..wire.channel import AsyncChannel, Channel
from ..wire.heartbeat import beat
from ..zoo import load_served_zoo
from .packets import (
    EndpointReader,
    impossible_join,
    join_reply,
    plan_for_device,
    plan_for_endpoints,
    read_status,
    superseded,
)

now_ms = MonotonicClock().now_ms
_log = logging.getLogger(__name__)


class SchedulerProcess:
    """The core's shell.

    What peers say only becomes a stimulus where it is read, and what cannot be read is left out. All stimuli are handled by one
    task, so that an error of the core ends that task, and the process with it.
    """

    def __init__(self, context: ChildContext) -> None:
        """Reads the tables of the zoo.

        Raises:
            UsageError: if one is missing or broken, or there is no such planner.
        """
        config = context.config
        # Devices bring their latencies along; what they take at each clock is read here, where it counts.
        zoo = load_served_zoo(config if config.counts_joules else replace(config, devices=()))
        limit = TimeLimit(now_ms)
        try:
            switching = SwitchingCost(config.switching_cost_ratio)
            chosen = planner(config.planner, switching, limit)
            rule = budget_rule(config.budget_rule, zoo.variants)
            clocked = {device_id: zoo.modes(device_id) for device_id in zoo.files}
            config.check_tables(clocked)
        except ValueError as error:
            raise UsageError(str(error)) from error
        self._log = open_log(config.out_dir, "plans", PlanRecord)
        self._context = context
        self._variants = zoo.variants
        random = Random(config.seed)  # noqa: S311 plans are no secrets
        self._core = SchedulerCore(
            zoo.variants,
            rule,
            DeviceTable(
                zoo.variants,
                config.max_batch_size,
                [one.device_id for one in config.devices],
                config.planned_tables(clocked),
            ),
            Planning(chosen, random, limit, switching, config.make_objective()),
            limit,
            config.plan_period_ms,
            config.endpoints,
            now_ms(),
        )
        self._peers: dict[str, AsyncChannel] = {}
        self._devices: dict[str, AnnouncementReader] = {}  # by peer
        self._peer_of: dict[str, str] = {}  # by device
        self._energy_mj: dict[str, float] = {}  # by peer: what its meter had counted
        self._stimuli: deque[Stimulus] = deque()
        self._wake = asyncio.Event()
        self._wake_ms = math.inf
        self._is_draining = asyncio.Event()
        self._control = AsyncChannel(context.control, self._on_control, lambda: None)
        self._set_tenants()

    def _set_tenants(self) -> None:
        """Tells the core what tenants may have and are entitled to; a broken file, of which endpoints tell, changes nothing."""
        path = self._context.config.tenants
        if path:
            with suppress(UsageError):
                tenants = read_tenants(path)
                self._happened(TenantsSet(tenants.quotas, tenants.entitlements))

    async def run(self) -> None:
        """Decides until the supervisor says drain."""
        self._control.send(Envelope(ready=Ready()))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    asyncio.to_thread(preload, self._context.config.planner), name="preload"
                )
                duties = [
                    tasks.create_task(self._decide(), name="decide"),
                    tasks.create_task(beat(self._control), name="beat"),
                ]
                await self._is_draining.wait()
                for duty in duties:
                    duty.cancel()
        finally:
            for channel in (*self._peers.values(), self._control):
                channel.close()
            if self._log is not None:
                self._log.close()

    async def _decide(self) -> None:
        """Hands the core what happens, as it happens, and the time when it is due."""
        while True:
            while self._stimuli:
                self._handle(self._stimuli.popleft())
            if now_ms() >= self._wake_ms:  # whatever else arrives all the time
                self._handle(Tick())
            self._wake.clear()
            wait_s = None if self._wake_ms == math.inf else (self._wake_ms - now_ms()) / 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    def _handle(self, stimulus: Stimulus) -> None:
        handled_ms = now_ms()
        for instruction in self._core.handle(stimulus, handled_ms):
            self._perform(instruction, handled_ms)

    def _perform(self, instruction: Instruction, handled_ms: float) -> None:
        match instruction:
            case TellEndpoints(endpoints, plan):
                envelopes = list(plan_for_endpoints(plan, self._variants))
                for endpoint in endpoints:
                    for envelope in envelopes:
                        self._send(endpoint, envelope)
            case TellDevice(order):
                peer = self._peer_of.get(order.device_id, "")
                self._send(peer, plan_for_device(instruction, self._variants))
            case AnswerJoin(endpoint):
                self._send(endpoint, join_reply(instruction))
            case Supersede(endpoint, stream_id):
                _log.info("stream %s has moved away from %s", stream_id, endpoint)
                self._send(endpoint, superseded(instruction))
            case NotePlan():
                self._note(instruction, handled_ms)
            case ReportMistake(mistake):
                _log.error("%s", mistake.text, exc_info=mistake.error)
            case WakeAt(at_ms):
                self._wake_ms = at_ms

    def _send(self, peer: str, envelope: Envelope) -> None:
        channel = self._peers.get(peer)
        if channel is not None:
            channel.send(envelope)

    def _note(self, note: NotePlan, handled_ms: float) -> None:
        if self._log is None:
            return
        plan_ms = now_ms() - handled_ms
        made = (note.epoch, handled_ms, note.cause, plan_ms)
        for record in plan_records(*made, note.problem, note.plan, note.slowdowns):
            total_mj = self._energy_mj.get(self._peer_of.get(record.device_id, ""))
            self._log.write(record._replace(total_mj=total_mj))
        self._log.flush()

    def _happened(self, stimulus: Stimulus) -> None:
        self._stimuli.append(stimulus)
        self._wake.set()

    def _on_control(self, envelope: Envelope, descriptors: tuple[int, ...]) -> None:
        kind = envelope.WhichOneof("message")
        if kind == "drain":
            self._is_draining.set()
        elif kind == "reread":
            self._set_tenants()
        elif kind == "attach":
            channel = Channel.from_descriptor(descriptors[0])
            if envelope.attach.peer.startswith("endpoint-"):
                self._attach_endpoint(envelope.attach.peer, channel)
            else:
                self._attach_devices(envelope.attach.peer, channel)

    def _attach_devices(self, peer: str, channel: Channel) -> None:
        """Takes the connection of an executor; which device it is, it says itself."""
        self._lose_devices(peer)
        self._devices[peer] = AnnouncementReader()
        self._take(
            peer,
            AsyncChannel(
                channel,
                lambda envelope, _: self._on_executor(peer, envelope),
                lambda: self._lose(peer, self._lose_devices),
            ),
        )

    def _attach_endpoint(self, peer: str, channel: Channel) -> None:
        reader = EndpointReader(peer)
        self._take(
            peer,
            AsyncChannel(
                channel,
                lambda envelope, _: self._on_endpoint(peer, reader, envelope),
                lambda: self._lose(peer, lambda peer: self._happened(EndpointLost(peer))),
            ),
        )
        self._happened(EndpointCame(peer))

    def _take(self, peer: str, channel: AsyncChannel) -> None:
        """Takes a peer's channel in place of the one before."""
        before = self._peers.pop(peer, None)
        if before is not None:
            before.close()
        self._peers[peer] = channel

    def _lose(self, peer: str, forget: Callable[[str], None]) -> None:
        _log.warning("%s is gone", peer)
        del self._peers[peer]
        forget(peer)

    def _lose_devices(self, peer: str) -> None:
        if peer in self._devices:
            self._energy_mj.pop(peer, None)
            for device_id, generation in self._devices.pop(peer).generations.items():
                self._happened(DeviceLost(device_id, generation))

    def _on_executor(self, peer: str, envelope: Envelope) -> None:
        devices = self._devices[peer]
        try:
            if envelope.HasField("device_announced"):
                device = devices.read(envelope.device_announced)
                if device is not None:
                    self._peer_of[device.device_id] = peer
                    self._happened(DeviceAnnounced(device))
            elif envelope.HasField("energy_read"):
                self._take_energy(peer, devices, envelope.energy_read)
            elif envelope.HasField("executor_status"):
                self._happened(read_status(envelope.executor_status, devices, self._variants))
        except ValueError as error:
            _log.error("%s: %s", peer, error)

    def _take_energy(self, peer: str, devices: AnnouncementReader, read: EnergyRead) -> None:
        """Takes what the meter of an executor's device has counted."""
        self._energy_mj[peer] = read.total_mj
        for device_id, generation in devices.generations.items():
            self._happened(DeviceMetered(device_id, generation, read.total_mj, read.at_ms))

    def _on_endpoint(self, peer: str, reader: EndpointReader, envelope: Envelope) -> None:
        try:
            stimulus = reader.read(envelope)
        except ValueError as error:
            _log.error("%s: %s", peer, error)
            if envelope.HasField("join"):
                self._send(peer, impossible_join(envelope.join))
            return
        if stimulus is not None:
            self._happened(stimulus)


async def run(context: ChildContext) -> None:
    """Runs the scheduler to its end."""
    await SchedulerProcess(context).run()
