"""The scheduler process, with endpoints and executors that do as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from moonjelly.protos.internal_pb2 import (
    Attach,
    Drain,
    Envelope,
    ExecutorStatus,
    Join,
    JoinReply,
    PlanUpdate,
    Snapshot,
    StreamState,
)
from moonjelly.reporting.csv_log import read_csv
from moonjelly.server.channel import AsyncChannel, Channel, socket_pair
from moonjelly.server.child import ChildContext
from moonjelly.server.config import DeviceConfig, DeviceKind, ServerConfig
from moonjelly.server.scheduler.process import SchedulerProcess

LIMIT_S = 60.0
DEVICES = ("gpu0", "gpu1")


async def until(condition: Any) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 conditions of many kinds
            await asyncio.sleep(0.002)


def stream(stream_id: str, fps: float = 10.0, **changes: Any) -> StreamState:
    values: dict[str, Any] = {
        "slo_ms": 200.0,
        "bandwidth_kbps": 50_000.0,
        "wire_ms": 0.5,
        "response_kbits": 2.4,
        "frame_size_ratio": 1.0,
    }
    return StreamState(stream_id=stream_id, fps=fps, **(values | changes))


class Peer:
    """An endpoint or an executor: gathers what the scheduler says."""

    def __init__(self, channel: Channel) -> None:
        self.plans: list[PlanUpdate] = []
        self.replies: list[JoinReply] = []
        self.order: list[str] = []
        self.channel = AsyncChannel(channel, self._on_packet, lambda: None)

    @property
    def placement(self) -> dict[str, str]:
        return {one.stream_id: one.device_id for one in self.plans[-1].placements}

    def send(self, **what: Any) -> None:
        self.channel.send(Envelope(**what))

    def join(self, number: int, state: StreamState) -> None:
        self.send(join=Join(request=number, stream=state))

    def snapshot(self, *streams: StreamState, **rest: Any) -> None:
        self.send(snapshot=Snapshot(streams=streams, overhead_ms=4.0, **rest))

    def _on_packet(self, envelope: Envelope, _: tuple[int, ...]) -> None:
        self.order.append(str(envelope.WhichOneof("message")))
        if envelope.HasField("plan"):
            self.plans.append(envelope.plan)
        elif envelope.HasField("join_reply"):
            self.replies.append(envelope.join_reply)


class Harness:
    """A scheduler in this process."""

    def __init__(self, **changes: Any) -> None:
        values: dict[str, Any] = {
            "zoo": "replayed-gpu",
            "devices": tuple(DeviceConfig(one, "gpu", DeviceKind.REPLAYED) for one in DEVICES),
            "plan_period_ms": 100.0,
        }
        self.config = ServerConfig(**(values | changes))
        ours, theirs = socket_pair()
        self.said: list[Envelope] = []
        self.control = AsyncChannel(
            Channel(ours), lambda envelope, _: self.said.append(envelope), lambda: None
        )
        context = ChildContext("scheduler", 0, self.config, Channel(theirs))
        self.process = SchedulerProcess(context)
        self.running = asyncio.create_task(self.process.run())
        self.peers: list[Peer] = []

    def attach(self, name: str) -> Peer:
        ours, theirs = socket_pair()
        peer = Peer(Channel(ours))
        self.peers.append(peer)
        with theirs:
            attach = Attach(what=Attach.SOCKET, peer=name, peer_generation=1)
            self.control.send(Envelope(attach=attach), (theirs.fileno(),))
        return peer

    def start(self) -> tuple[Peer, list[Peer]]:
        executors = [self.attach(f"executor-{number}") for number in range(len(DEVICES))]
        endpoint = self.attach("endpoint-0")
        endpoint.snapshot()
        return endpoint, executors

    async def stop(self) -> None:
        self.control.send(Envelope(drain=Drain()))
        async with asyncio.timeout(LIMIT_S):
            await self.running
        for peer in self.peers:
            peer.channel.close()
        self.control.close()


@pytest.fixture
async def scheduler() -> AsyncIterator[Harness]:
    harness = Harness()
    yield harness
    await harness.stop()


async def test_it_says_ready_and_plans_for_nobody_first(scheduler) -> None:
    endpoint, executors = scheduler.start()
    await until(lambda: endpoint.plans and all(one.plans for one in executors))
    assert scheduler.said[0].HasField("ready")
    assert [one.device_id for one in executors[0].plans[0].devices] == list(DEVICES)
    assert list(endpoint.plans[0].placements) == []


async def test_a_join_is_answered_after_the_plan_that_serves_it(scheduler) -> None:
    endpoint, executors = scheduler.start()
    await until(lambda: endpoint.plans)
    endpoint.join(7, stream("a"))
    await until(lambda: endpoint.replies)
    reply = endpoint.replies[0]
    assert (reply.request, reply.is_accepted) == (7, True)
    serving = next(one for one in endpoint.plans if one.placements)
    before = endpoint.order[: endpoint.order.index("join_reply")]
    assert before.count("plan") == endpoint.plans.index(serving) + 1
    assert serving.placements[0].device_id in DEVICES
    await until(lambda: executors[0].plans[-1].epoch == endpoint.plans[-1].epoch)
    assert list(executors[0].plans[-1].placements) == []  # executors need not know who


async def test_the_plan_in_force_knows_the_rates(scheduler) -> None:
    endpoint, _ = scheduler.start()
    endpoint.join(1, stream("a", 10.0))
    endpoint.join(2, stream("b", 15.0))
    await until(lambda: len(endpoint.replies) == 2)
    assert sum(one.arrival_fps for one in endpoint.plans[-1].devices) == 25.0


async def test_epochs_rise_and_unchanged_plans_are_not_published(scheduler) -> None:
    endpoint, _ = scheduler.start()
    endpoint.join(1, stream("a"))
    await until(lambda: endpoint.replies)
    for _ in range(4):
        endpoint.snapshot(stream("a"))
        await asyncio.sleep(0.1)  # a period
    epochs = [one.epoch for one in endpoint.plans]
    assert epochs == sorted(set(epochs))
    assert len(epochs) <= 4


async def test_a_leave_is_planned_at_once(scheduler) -> None:
    endpoint, _ = scheduler.start()
    for number, name in enumerate("ab"):
        endpoint.join(number, stream(name))
    await until(lambda: len(endpoint.replies) == 2)
    endpoint.snapshot(stream("a"), stream("b"))
    endpoint.snapshot(stream("a"), is_urgent=True)
    await until(lambda: set(endpoint.placement) == {"a"})


async def test_a_lost_device_is_planned_around_and_taken_back(scheduler) -> None:
    endpoint, executors = scheduler.start()
    endpoint.join(1, stream("a"))
    await until(lambda: endpoint.replies)
    endpoint.snapshot(stream("a"))
    lost = endpoint.placement["a"]
    (other,) = set(DEVICES) - {lost}
    executors[DEVICES.index(lost)].channel.close()
    await until(lambda: endpoint.placement == {"a": other})
    assert [one.device_id for one in endpoint.plans[-1].devices] == [other]
    again = scheduler.attach(f"executor-{DEVICES.index(lost)}")
    await until(lambda: len(endpoint.plans[-1].devices) == 2)
    await until(lambda: again.plans and len(again.plans[-1].devices) == 2)


async def test_without_any_device_the_last_plan_stays(scheduler) -> None:
    endpoint, executors = scheduler.start()
    endpoint.join(1, stream("a"))
    await until(lambda: endpoint.replies)
    placement = endpoint.placement
    for executor in executors:
        executor.channel.close()
    endpoint.join(2, stream("b"))
    await until(lambda: len(endpoint.replies) == 2)
    assert not endpoint.replies[1].is_accepted
    assert "no device" in endpoint.replies[1].refusal.detail
    assert placement["a"] in DEVICES


async def test_slow_devices_get_lighter_work(scheduler) -> None:
    endpoint, executors = scheduler.start()
    endpoint.join(1, stream("a", fps=30.0, slo_ms=80.0))
    await until(lambda: endpoint.replies)
    endpoint.snapshot(stream("a", fps=30.0, slo_ms=80.0))

    def variant() -> str:
        serving = {one.device_id: one.variant for one in endpoint.plans[-1].devices}
        return serving[endpoint.placement["a"]]

    before = variant()
    for device_id, executor in zip(DEVICES, executors, strict=True):
        for _ in range(40):
            executor.send(executor_status=ExecutorStatus(device_id=device_id, slowdown_ratio=3.0))
    await until(lambda: variant() < before)  # names end with their side, all of three digits


async def test_a_restarted_scheduler_counts_on_and_keeps_every_stream(scheduler) -> None:
    endpoint = scheduler.attach("endpoint-0")
    endpoint.snapshot(stream("a"), stream("b"), plan_epoch=41)
    for number in range(len(DEVICES)):
        scheduler.attach(f"executor-{number}")
    await until(lambda: endpoint.plans)
    assert endpoint.plans[0].epoch == 42
    assert set(endpoint.placement) == {"a", "b"}
    assert all(endpoint.placement.values())


async def test_a_first_plan_waits_for_what_the_endpoints_have(scheduler) -> None:
    for number in range(len(DEVICES)):
        scheduler.attach(f"executor-{number}")
    endpoint = scheduler.attach("endpoint-0")
    await asyncio.sleep(0.1)
    assert endpoint.plans == []
    endpoint.snapshot(stream("a"))
    await until(lambda: endpoint.plans)
    assert set(endpoint.placement) == {"a"}


async def test_a_lost_endpoint_takes_its_streams_with_it() -> None:
    harness = Harness(endpoints=2)
    try:
        endpoint, _ = harness.start()
        other = harness.attach("endpoint-1")
        other.snapshot(stream("b"))
        endpoint.snapshot(stream("a"))
        await until(lambda: other.plans and set(other.placement) == {"a", "b"})
        endpoint.channel.close()
        await until(lambda: set(other.placement) == {"b"})
    finally:
        await harness.stop()


async def test_a_large_plan_comes_in_parts(scheduler) -> None:
    endpoint, _ = scheduler.start()
    await until(lambda: endpoint.plans)
    states = [stream(f"s{number:04}", fps=0.1) for number in range(1100)]
    for start in (0, 500, 1000):
        endpoint.snapshot(*states[start : start + 500], has_more=start < 1000, is_urgent=True)
    await until(lambda: [one.has_more for one in endpoint.plans[-3:]] == [True, True, False])
    parts = endpoint.plans[-3:]
    assert len({one.epoch for one in parts}) == 1
    assert sum(len(one.placements) for one in parts) == 1100
    assert [len(one.devices) for one in parts] == [2, 0, 0]


async def test_an_idle_scheduler_sleeps(scheduler, monkeypatch) -> None:
    endpoint, _ = scheduler.start()
    await until(lambda: endpoint.plans)
    rounds: list[float] = []
    monkeypatch.setattr(scheduler.process, "_plan_once", lambda: rounds.append(0.0))
    for _ in range(20):  # until what belongs to the start is over
        rounds.clear()
        await asyncio.sleep(0.35)  # more than three periods
        if not rounds:
            break
    assert rounds == []


async def test_plans_are_logged(tmp_path) -> None:
    harness = Harness(out_dir=str(tmp_path))
    endpoint, _ = harness.start()
    endpoint.join(1, stream("a"))
    await until(lambda: endpoint.replies)
    await harness.stop()
    rows = read_csv(tmp_path / "plans.csv")
    assert {row["device_id"] for row in rows} == set(DEVICES)
    assert "join" in {row["cause"] for row in rows}
    joined = [row for row in rows if row["cause"] == "join"][:2]
    assert sum(row["num_streams"] for row in joined) == 1
    assert sum(row["arrival_fps"] for row in joined) == 10.0
    assert joined[0]["served_ratio"] == 1.0
