"""The scheduler process: hears of streams and devices, plans, and tells everybody."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from ...core.device import Device
from ...core.errors import UsageError
from ...core.plan import Plan
from ...core.problem import Problem
from ...core.records import PlanRecord
from ...profiles import latency_table
from ...protos.internal_pb2 import Envelope, Join, JoinReply, Ready
from ...protos.serving_pb2 import CounterOffer, Refusal
from ...scheduling.budgets import budget_rule
from ...scheduling.device_table import DeviceTable
from ...scheduling.pacing import LEAST_PLAN_GAP_MS
from ...scheduling.planning import rounds
from ...scheduling.planning.counter_offer import RefusalReason
from ...scheduling.planning.plan_records import plan_records
from ...scheduling.planning.registry import planner, preload
from ...scheduling.planning.rounds import Cause, Planning, first_cause
from ...scheduling.planning.switching import SwitchingCost
from ..channel import AsyncChannel, Channel
from ..child import ChildContext
from ..heartbeat import beat
from ..run_log import open_log
from ..zoo import load_served_zoo
from .publishing import Publication
from .streams import StreamTable, read_client

FIRST_WORD_S = 1.0  # how long a new scheduler waits for the others to say what they have
ANSWER_RATIO = 0.8  # of a period: the time for answering those who want to join

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _WaitingJoin:
    endpoint: str
    join: Join
    since_ms: float


class SchedulerProcess:
    """Everything the scheduler knows, and its loop."""

    def __init__(self, context: ChildContext) -> None:
        """Reads the tables of the zoo.

        Raises:
            UsageError: if one is missing or broken, or there is no such planner.
        """
        config = context.config
        zoo = load_served_zoo(config)
        try:
            switching = SwitchingCost(config.switching_cost_ratio)
            chosen = planner(config.planner, switching)
            self._budget_rule = budget_rule(config.budget_rule, zoo.variants)
        except ValueError as error:
            raise UsageError(str(error)) from error
        self._log = open_log(config.out_dir, "plans", PlanRecord)
        self._context = context
        self._period_ms = config.plan_period_ms
        self._num_endpoints = config.endpoints
        self._variants = zoo.variants
        self._device_of = {
            f"executor-{number}": device.device_id for number, device in enumerate(config.devices)
        }
        self._devices = DeviceTable(
            [Device(device.device_id, device.device_type) for device in config.devices],
            {
                device.device_id: latency_table(
                    zoo.profiles[device.device_id], zoo.variants, config.max_batch_size
                )
                for device in config.devices
            },
        )
        self._streams = StreamTable(self._budget_rule)
        self._planning = Planning(chosen, config.seed, now_ms, switching)
        self._publication = Publication()
        self._endpoints: dict[str, AsyncChannel] = {}
        self._executors: dict[str, AsyncChannel] = {}
        self._joins: list[_WaitingJoin] = []
        self._causes: set[Cause] = set()
        self._wake = asyncio.Event()
        self._is_draining = asyncio.Event()
        self._control = AsyncChannel(context.control, self._on_control, lambda: None)

    async def run(self) -> None:
        """Plans until the supervisor says drain."""
        self._control.send(Envelope(ready=Ready()))
        preloading = asyncio.create_task(
            asyncio.to_thread(preload, self._context.config.planner), name="preload"
        )
        planning = asyncio.create_task(self._plan_forever(), name="plan")
        beating = asyncio.create_task(beat(self._control), name="beat")
        try:
            await self._is_draining.wait()
        finally:
            beating.cancel()
            planning.cancel()
            with suppress(asyncio.CancelledError):
                await planning
            await preloading
            for channel in (*self._endpoints.values(), *self._executors.values(), self._control):
                channel.close()
            if self._log is not None:
                self._log.close()

    async def _plan_forever(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WORD_S):
                while not self._has_heard_all():
                    await self._wake.wait()
                    self._wake.clear()
        while True:
            self._plan_once()
            await asyncio.sleep(LEAST_PLAN_GAP_MS / 1000)
            period_s = (
                (self._period_ms - LEAST_PLAN_GAP_MS) / 1000 if self._streams.clients() else None
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(period_s):
                    await self._wake.wait()
            self._wake.clear()

    def _has_heard_all(self) -> bool:
        """Whether a first plan would not be made in ignorance."""
        return self._streams.num_spoken >= self._num_endpoints and self._devices.num_ready >= len(
            self._device_of
        )

    def _plan_once(self) -> None:
        """One round: admit, plan, publish, answer."""
        started_ms = now_ms()
        if self._devices.forget(started_ms):
            self._causes.add(Cause.DEVICE_CHANGE)
        cause = first_cause(self._causes)
        self._causes.clear()
        if self._joins:
            self._admit(started_ms)
            return
        problem = self._problem()
        if not problem.devices:
            return  # streams stay where they are; the endpoints know which executors live
        plan = self._planning.replan(problem)
        if plan is None:
            return
        if self._publication.update(problem, plan):
            self._publish()
        self._note(cause, started_ms, problem, plan)

    def _admit(self, started_ms: float) -> None:
        """Answers those who want to join. The plan that makes the best of it comes right after."""
        waiting, self._joins = self._joins, []
        joining = {}
        for one in waiting:
            client = read_client(one.join.stream, self._budget_rule)
            if client is not None:
                joining[client.client_id] = client
        limit_ms = min(one.since_ms for one in waiting) + ANSWER_RATIO * self._period_ms
        problem = self._problem()
        admissions = {
            admission.client.client_id: admission
            for admission in self._planning.admit(problem, list(joining.values()), limit_ms)
        }
        for one in waiting:
            admission = admissions.get(one.join.stream.stream_id)
            if admission is not None and admission.refusal is None:
                self._streams.join(one.endpoint, admission.client, started_ms)
        problem, plan = self._problem(), self._planning.plan
        if plan is not None and plan.devices and self._publication.update(problem, plan):
            self._publish()
        for one in waiting:
            admission = admissions.get(one.join.stream.stream_id)
            refusal = (
                _message(admission.refusal)
                if admission is not None
                else Refusal(reason=Refusal.INFEASIBLE, detail="cannot be planned")
            )
            reply = JoinReply(
                request=one.join.request,
                is_accepted=refusal is None,
                refusal=refusal,
                plan_epoch=self._publication.epoch,
            )
            channel = self._endpoints.get(one.endpoint)
            if channel is not None:
                channel.send(Envelope(join_reply=reply))
        if plan is not None:
            self._note(Cause.JOIN, started_ms, problem, plan)
        self._want(Cause.JOIN)

    def _note(self, cause: Cause, started_ms: float, problem: Problem, plan: Plan) -> None:
        """Logs a plan, whether or not it changed anything."""
        if self._log is None:
            return
        plan_ms = now_ms() - started_ms
        for record in plan_records(
            self._publication.epoch, started_ms, cause, plan_ms, problem, plan
        ):
            self._log.write(record)
        self._log.flush()

    def _problem(self) -> Problem:
        devices, latencies = self._devices.problem_part()
        return Problem(
            devices=devices,
            variants=self._variants,
            latency_ms=latencies,
            clients=self._streams.clients(),
            overhead_ms=self._streams.overhead_ms(),
        )

    def _publish(self) -> None:
        for channel in self._endpoints.values():
            self._tell_endpoint(channel)
        envelope = self._publication.for_executors()
        for channel in self._executors.values():
            channel.send(envelope)

    def _tell_endpoint(self, channel: AsyncChannel) -> None:
        for envelope in self._publication.for_endpoints():
            channel.send(envelope)

    def _want(self, cause: Cause) -> None:
        self._causes.add(cause)
        self._wake.set()

    def _on_control(self, envelope: Envelope, descriptors: tuple[int, ...]) -> None:
        kind = envelope.WhichOneof("message")
        if kind == "drain":
            self._is_draining.set()
        elif kind == "attach":
            channel = Channel.from_descriptor(descriptors[0])
            if envelope.attach.peer in self._device_of:
                self._attach_executor(envelope.attach.peer, channel)
            else:
                self._attach_endpoint(envelope.attach.peer, channel)

    def _attach_executor(self, peer: str, channel: Channel) -> None:
        device_id = self._device_of[peer]
        self._lose_executor(peer)
        self._devices.add(device_id)
        self._executors[peer] = attached = AsyncChannel(
            channel,
            lambda envelope, _: self._on_status(device_id, envelope),
            lambda: self._lose_executor(peer),
        )
        if self._publication.is_out:
            attached.send(self._publication.for_executors())
        self._want(Cause.DEVICE_CHANGE)

    def _lose_executor(self, peer: str) -> None:
        channel = self._executors.pop(peer, None)
        if channel is None:
            return
        channel.close()
        self._devices.lose(self._device_of[peer])
        _log.warning("device %s is gone", self._device_of[peer])
        self._want(Cause.DEVICE_CHANGE)

    def _on_status(self, device_id: str, envelope: Envelope) -> None:
        status = envelope.executor_status
        if envelope.HasField("executor_status") and self._devices.observe(
            device_id, status.slowdown_ratio, now_ms()
        ):
            self._want(Cause.DEVICE_CHANGE)

    def _attach_endpoint(self, peer: str, channel: Channel) -> None:
        self._lose_endpoint(peer)
        self._streams.add_endpoint(peer)
        self._endpoints[peer] = attached = AsyncChannel(
            channel,
            lambda envelope, _: self._on_endpoint(peer, envelope),
            lambda: self._lose_endpoint(peer),
        )
        if self._publication.is_out:
            self._tell_endpoint(attached)

    def _lose_endpoint(self, peer: str) -> None:
        channel = self._endpoints.pop(peer, None)
        if channel is None:
            return
        channel.close()
        if self._streams.lose_endpoint(peer):
            _log.warning("%s is gone with its streams", peer)
            self._want(Cause.LEAVE)

    def _on_endpoint(self, peer: str, envelope: Envelope) -> None:
        kind = envelope.WhichOneof("message")
        if kind == "join":
            self._joins.append(_WaitingJoin(peer, envelope.join, now_ms()))
            self._want(Cause.JOIN)
        elif kind == "snapshot":
            self._on_snapshot(peer, envelope)

    def _on_snapshot(self, peer: str, envelope: Envelope) -> None:
        snapshot = envelope.snapshot
        before = len(self._streams.clients())
        if not self._streams.take(peer, snapshot, now_ms()):
            return
        self._publication.count_from(snapshot.plan_epoch)
        after = len(self._streams.clients())
        if after < before:
            self._want(Cause.LEAVE)
        elif snapshot.is_urgent:
            self._want(Cause.LINK_JUMP)
        elif not self._publication.is_out:
            self._wake.set()


def _message(refusal: rounds.Refusal | None) -> Refusal | None:
    """A refusal as endpoints and clients are told."""
    if refusal is None:
        return None
    is_hopeless = refusal.reason is RefusalReason.INFEASIBLE
    return Refusal(
        reason=Refusal.INFEASIBLE if is_hopeless else Refusal.OVERLOAD,
        detail=refusal.detail,
        counter_offers=[
            CounterOffer(fps=one.fps, slo_ms=one.slo_ms) for one in refusal.counter_offers
        ],
        retry_after_ms=refusal.retry_after_ms,
    )


def now_ms() -> float:
    """The machine's monotonic clock."""
    return time.monotonic_ns() / 1e6


async def run(context: ChildContext) -> None:
    """Runs the scheduler to its end."""
    await SchedulerProcess(context).run()
