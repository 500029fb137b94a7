"""The scheduler process, with endpoints and executors that do as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from moonjelly.core.device import AnnouncedDevice, Device
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.files.shipped import shipped_folder
from moonjelly.files.tidy_table import read_tidy_table
from moonjelly.protos.internal_pb2 import (
    Attach,
    DeviceAnnounced,
    DevicePlan,
    Drain,
    Envelope,
    ExecutorStatus,
    Join,
    JoinReply,
    Leave,
    PlanUpdate,
    Snapshot,
    StreamState,
)
from moonjelly.protos.serving_pb2 import Refusal
from moonjelly.scheduling.cores.scheduler import stimuli
from moonjelly.server.child import ChildContext
from moonjelly.server.config import ServerConfig
from moonjelly.server.scheduler.process import SchedulerProcess
from moonjelly.server.wire.announcing import announcement
from moonjelly.server.wire.channel import AsyncChannel, Channel, socket_pair
from moonjelly.zoos import load_latency_profile

LIMIT_S = 60.0
DEVICES = ("gpu0", "gpu1")
PROFILE = load_latency_profile(shipped_folder("profiles") / "replayed-gpu" / "latency-gpu.csv")


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
        self.superseded: list[str] = []
        self.order: list[str] = []
        self.channel = AsyncChannel(channel, self._on_packet, lambda: None)

    @property
    def newest(self) -> list[PlanUpdate]:
        """The parts of the newest plan that is whole."""
        whole = [one.epoch for one in self.plans if not one.has_more]
        return [one for one in self.plans if whole and one.epoch == whole[-1]]

    @property
    def placement(self) -> dict[str, str]:
        return {one.stream_id: one.device_id for part in self.newest for one in part.placements}

    @property
    def devices(self) -> dict[str, DevicePlan]:
        return {one.device_id: one for part in self.newest for one in part.devices}

    def send(self, **what: Any) -> None:
        self.channel.send(Envelope(**what))

    def join(self, number: int, state: StreamState) -> None:
        self.send(join=Join(request=number, stream=state))

    def snapshot(self, *streams: StreamState, **rest: Any) -> None:
        self.send(snapshot=Snapshot(streams=streams, **({"overhead_ms": 4.0} | rest)))

    def _on_packet(self, envelope: Envelope, _: tuple[int, ...]) -> None:
        self.order.append(str(envelope.WhichOneof("message")))
        if envelope.HasField("plan"):
            self.plans.append(envelope.plan)
        elif envelope.HasField("join_reply"):
            self.replies.append(envelope.join_reply)
        elif envelope.HasField("superseded"):
            self.superseded.append(envelope.superseded.stream_id)


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
            attach = Attach(what=Attach.SOCKET, peer=name)
            self.control.send(Envelope(attach=attach), (theirs.fileno(),))
        return peer

    def attach_device(self, number: int, generation: int = 1) -> Peer:
        """An executor, which says who it is."""
        peer = self.attach(f"executor-{number}")
        device_id = self.config.devices[number].device_id
        for part in announcement(AnnouncedDevice(Device(device_id, "gpu"), generation, PROFILE)):
            peer.channel.send(part)
        return peer

    def start(self) -> tuple[Peer, list[Peer]]:
        executors = [self.attach_device(number) for number in range(len(DEVICES))]
        endpoint = self.attach("endpoint-0")
        endpoint.snapshot()
        return endpoint, executors

    async def stop(self) -> None:
        self.control.send(Envelope(drain=Drain()))
        async with asyncio.timeout(LIMIT_S):
            await self.running
        self.let_go()

    def let_go(self) -> None:
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
    for device_id, executor in zip(DEVICES, executors, strict=True):
        assert [one.device_id for one in executor.plans[0].devices] == [device_id]
    assert [one.device_id for one in endpoint.plans[0].devices] == list(DEVICES)
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
    assert sum(one.arrival_fps for one in endpoint.devices.values()) == 25.0


async def test_epochs_rise_and_unchanged_plans_are_not_published(scheduler) -> None:
    endpoint, _ = scheduler.start()
    endpoint.join(1, stream("a"))
    await until(lambda: endpoint.replies)
    for _ in range(4):
        endpoint.snapshot(stream("a"))
        await asyncio.sleep(0.1)  # a period
    epochs = [one.epoch for one in endpoint.plans if not one.has_more]
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
    assert set(endpoint.devices) == {other}
    again = scheduler.attach_device(DEVICES.index(lost), generation=2)
    await until(lambda: len(endpoint.devices) == 2)
    await until(
        lambda: again.plans and [one.device_id for one in again.plans[-1].devices] == [lost]
    )


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
    assert endpoint.replies[1].refusal.reason == Refusal.NOT_READY
    assert endpoint.replies[1].refusal.retry_after_ms > 0
    assert placement["a"] in DEVICES


async def test_slow_devices_get_lighter_work(scheduler) -> None:
    endpoint, executors = scheduler.start()
    endpoint.join(1, stream("a", fps=30.0, slo_ms=80.0))
    await until(lambda: endpoint.replies)
    endpoint.snapshot(stream("a", fps=30.0, slo_ms=80.0))

    def variant() -> str:
        return endpoint.devices[endpoint.placement["a"]].variant

    smallest = variant()  # whatever runs at the moment
    await until(lambda: variant() > smallest)
    before = variant()
    for device_id, executor in zip(DEVICES, executors, strict=True):
        for _ in range(40):
            executor.send(executor_status=ExecutorStatus(device_id=device_id, slowdown_ratio=3.0))
    await until(lambda: variant() < before)  # names end with their side, all of three digits


async def test_a_restarted_scheduler_counts_on_and_keeps_every_stream(scheduler) -> None:
    endpoint = scheduler.attach("endpoint-0")
    endpoint.snapshot(stream("a"), stream("b"), plan_epoch=41)
    for number in range(len(DEVICES)):
        scheduler.attach_device(number)
    await until(lambda: endpoint.plans)
    assert endpoint.plans[0].epoch == 42
    assert set(endpoint.placement) == {"a", "b"}
    assert all(endpoint.placement.values())


async def test_a_first_plan_waits_for_what_the_endpoints_have(scheduler) -> None:
    for number in range(len(DEVICES)):
        scheduler.attach_device(number)
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
    await until(lambda: len(endpoint.placement) == 1100)
    assert [one.has_more for one in endpoint.newest] == [True, True, True, False]
    assert [len(one.placements) for one in endpoint.newest] == [0, 500, 500, 100]
    assert [len(one.devices) for one in endpoint.newest] == [2, 0, 0, 0]


async def test_an_idle_scheduler_sleeps(scheduler, monkeypatch) -> None:
    endpoint, _ = scheduler.start()
    await until(lambda: endpoint.plans)
    happened: list[object] = []
    monkeypatch.setattr(scheduler.process, "_handle", happened.append)
    for _ in range(20):  # until what belongs to the start is over
        happened.clear()
        await asyncio.sleep(0.35)  # more than three periods
        if not happened:
            break
    assert happened == []


async def test_plans_are_logged(tmp_path) -> None:
    harness = Harness(out_dir=str(tmp_path))
    endpoint, _ = harness.start()
    endpoint.join(1, stream("a"))
    await until(lambda: endpoint.replies)
    await harness.stop()
    rows = read_tidy_table(tmp_path / "plans.csv", {}).to_dicts()
    assert {row["device_id"] for row in rows} == set(DEVICES)
    assert "join" in {row["cause"] for row in rows}
    joined = [row for row in rows if row["cause"] == "join"][:2]
    assert sum(row["num_streams"] for row in joined) == 1
    assert sum(row["arrival_fps"] for row in joined) == 10.0
    assert joined[0]["served_ratio"] == 1.0


async def test_a_join_whose_endpoint_died_meanwhile_is_forgotten() -> None:
    harness = Harness(endpoints=2)
    try:
        endpoint, _ = harness.start()
        other = harness.attach("endpoint-1")
        other.snapshot()
        await until(lambda: other.plans)
        for number in range(20):
            endpoint.join(number, stream(f"s{number}"))
        endpoint.channel.close()  # its packets and its end are read together
        other.join(1, stream("a"))
        await until(lambda: other.replies)
        assert other.replies[0].is_accepted
        await until(lambda: set(other.placement) == {"a"})
    finally:
        await harness.stop()


async def test_an_error_of_the_core_ends_the_process(monkeypatch) -> None:
    harness = Harness()
    endpoint, _ = harness.start()
    await until(lambda: endpoint.plans)

    def fail(*_: Any) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(harness.process._core, "handle", fail)
    endpoint.snapshot()
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(ExceptionGroup) as caught:
            await harness.running
    assert caught.group_contains(RuntimeError, match="a mistake of ours")
    harness.let_go()


async def test_odd_packets_of_a_peer_end_nothing(scheduler) -> None:
    endpoint, executors = scheduler.start()
    await until(lambda: endpoint.plans)
    for odd in (float("nan"), float("inf"), -1.0):
        endpoint.send(snapshot=Snapshot(streams=[stream("a")], overhead_ms=odd))
        endpoint.send(snapshot=Snapshot(streams=[stream("a", fps=odd)], overhead_ms=1.0))
        executors[0].send(
            executor_status=ExecutorStatus(
                device_id="gpu0", slowdown_ratio=odd, broken_variants=["", "none"]
            )
        )
        executors[0].send(executor_status=ExecutorStatus(device_id="gpu1", slowdown_ratio=2.0))
        executors[0].send(device_announced=DeviceAnnounced(device_id="x", reach_ms=odd))
    endpoint.send(snapshot=Snapshot(silent_devices=["", "none"], overhead_ms=1.0))
    endpoint.send(leave=Leave(request=7, stream_id="nobody"))
    endpoint.send(join_reply=JoinReply())
    endpoint.join(8, stream("b", fps=float("nan")))
    endpoint.join(9, stream("c"))
    await until(lambda: len(endpoint.replies) == 2)
    assert {one.request: one.is_accepted for one in endpoint.replies} == {8: False, 9: True}
    assert not scheduler.running.done()


async def test_the_place_of_who_hung_up_is_free_at_once(scheduler) -> None:
    endpoint, _ = scheduler.start()
    endpoint.join(1, stream("a"))
    await until(lambda: endpoint.replies)
    assert set(endpoint.placement) == {"a"}
    endpoint.send(leave=Leave(request=1, stream_id="a"))
    await until(lambda: endpoint.placement == {})


async def test_a_stream_that_registers_at_another_endpoint_is_over_at_the_first() -> None:
    harness = Harness(endpoints=2)
    try:
        endpoint, _ = harness.start()
        other = harness.attach("endpoint-1")
        other.snapshot()
        endpoint.join(1, stream("a"))
        await until(lambda: endpoint.replies)
        endpoint.snapshot(stream("a"))
        other.join(1, stream("a"))
        await until(lambda: other.replies)
        assert endpoint.superseded == []  # nobody has a session there yet
        other.snapshot(stream("a"))
        await until(lambda: endpoint.superseded == ["a"])
        assert other.superseded == []
    finally:
        await harness.stop()


async def test_a_silent_device_gets_no_streams_until_it_says_something(scheduler) -> None:
    endpoint, executors = scheduler.start()
    endpoint.join(1, stream("a"))
    await until(lambda: endpoint.replies)
    silent = endpoint.placement["a"]
    (other,) = set(DEVICES) - {silent}
    endpoint.snapshot(stream("a"), silent_devices=[silent])
    await until(lambda: endpoint.placement == {"a": other})
    status = ExecutorStatus(device_id=silent, slowdown_ratio=1.0)
    executors[DEVICES.index(silent)].send(executor_status=status)
    await until(lambda: set(endpoint.devices) == set(DEVICES))


async def test_broken_variants_are_not_planned(scheduler) -> None:
    endpoint, executors = scheduler.start()
    endpoint.join(1, stream("a"))
    await until(lambda: endpoint.replies)
    endpoint.snapshot(stream("a"))
    await until(lambda: endpoint.devices[endpoint.placement["a"]].arrival_fps == 10.0)

    def variant() -> str:
        return endpoint.devices[endpoint.placement["a"]].variant

    broken: list[str] = []
    for _ in range(3):
        broken.append(variant())
        for device_id, executor in zip(DEVICES, executors, strict=True):
            executor.send(
                executor_status=ExecutorStatus(
                    device_id=device_id, slowdown_ratio=1.0, broken_variants=broken
                )
            )
        await until(lambda: variant() not in broken)


async def test_a_thousand_devices_each_get_their_own_entry() -> None:
    devices = tuple(
        DeviceConfig(f"d{number:04}-{'x' * 50}", "gpu", DeviceKind.REPLAYED)
        for number in range(1000)
    )
    harness = Harness(devices=devices)
    try:
        executor = harness.attach_device(999)
        endpoint = harness.attach("endpoint-0")
        endpoint.snapshot()
        for device in devices[:999]:  # without a thousand sockets
            announced = AnnouncedDevice(Device(device.device_id, "gpu"), 1, PROFILE)
            harness.process._happened(stimuli.DeviceAnnounced(announced))
        await until(lambda: len(endpoint.devices) == 1000)
        await until(lambda: executor.plans)
        (entry,) = executor.plans[-1].devices
        assert entry.device_id == devices[-1].device_id
    finally:
        await harness.stop()
