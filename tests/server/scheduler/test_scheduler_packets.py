"""Whatever its size, what the scheduler says and hears fits into packets."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.device import Device
from moonjelly.core.mode import ModeTable
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.protos.internal_pb2 import (
    DeviceAnnounced,
    Envelope,
    ExecutorStatus,
    Join,
    Leave,
    Snapshot,
    StreamState,
)
from moonjelly.protos.serving_pb2 import Refusal
from moonjelly.scheduling.cores.endpoint.instructions import Report
from moonjelly.scheduling.cores.scheduler.instructions import (
    AnswerJoin,
    DeviceOrder,
    PublishedPlan,
    TellDevice,
)
from moonjelly.scheduling.cores.scheduler.stimuli import (
    DeviceReported,
    JoinAsked,
    JoinLeft,
    Reported,
)
from moonjelly.scheduling.planning import admission
from moonjelly.scheduling.planning.counter_offer import CounterOffer, RefusalReason
from moonjelly.scheduling.planning.effort import TimeLimit
from moonjelly.scheduling.planning.pricing.pricing import PricingPlanner
from moonjelly.scheduling.planning.rounds import Planning
from moonjelly.scheduling.slowness import Slowness
from moonjelly.server.endpoint.scheduler_link import SchedulerLink
from moonjelly.server.scheduler.packets import (
    EndpointReader,
    join_reply,
    plan_for_device,
    plan_for_endpoints,
    read_status,
)
from moonjelly.server.wire.announcing import AnnouncementReader
from moonjelly.server.wire.channel import encode

VARIANTS = tuple(
    Variant(f"{number}{'v' * 63}", 128, 0.1 + 0.1 * number, 50.0) for number in range(3)
)


def state(name: str, **changes: object) -> StreamState:
    values = {"fps": 10.0, "slo_ms": 100.0, "bandwidth_kbps": 1000.0, "frame_size_ratio": 1.0}
    return StreamState(stream_id=name, **(values | changes))


def name_of(number: int) -> str:
    return f"{number:05}".ljust(64, "x")


@pytest.mark.parametrize("num_devices", [0, 1, 1000])
@pytest.mark.parametrize("num_streams", [0, 1, 501, 10_000])
def test_a_plan_of_any_size_comes_in_parts_that_fit(num_devices: int, num_streams: int) -> None:
    orders = tuple(
        DeviceOrder(name_of(number), number % 3, 12, 1 / 3) for number in range(num_devices)
    )
    placement = {
        name_of(number): name_of(number % num_devices) if num_devices else None
        for number in range(num_streams)
    }
    preempted = frozenset(one for one, place in placement.items() if place is None)
    plan = PublishedPlan(2**40, orders, placement, preempted)
    envelopes = list(plan_for_endpoints(plan, VARIANTS))
    for envelope in envelopes:
        encode(envelope)
    parts = [envelope.plan for envelope in envelopes]
    assert [part.has_more for part in parts] == [True] * (len(parts) - 1) + [False]
    assert {part.epoch for part in parts} == {2**40}
    devices = [one for part in parts for one in part.devices]
    assert [one.device_id for one in devices] == [one.device_id for one in orders]
    told = {one.stream_id: one.device_id or None for part in parts for one in part.placements}
    assert told == placement
    assert preempted == {
        one.stream_id for part in parts for one in part.placements if one.is_preempted
    }


def test_a_device_is_told_as_much_however_many_there_are() -> None:
    order = DeviceOrder(name_of(1), 2, 12, 1 / 3)
    (entry,) = plan_for_device(TellDevice(order, 7), VARIANTS).plan.devices
    assert (entry.device_id, entry.variant) == (name_of(1), VARIANTS[2].name)


@pytest.mark.parametrize(("num_streams", "num_silent"), [(0, 0), (1024, 1000), (500, 0), (0, 501)])
def test_a_snapshot_of_any_size_is_read_as_it_was_told(num_streams: int, num_silent: int) -> None:
    sent: list[Envelope] = []

    class Wire:
        def send(self, envelope: Envelope) -> bool:
            sent.append(Envelope.FromString(encode(envelope)))
            return True

    def nobody(*_: object) -> None:
        raise AssertionError

    link = SchedulerLink(
        None,  # type: ignore[arg-type]
        on_reply=nobody,
        on_plan=nobody,
        on_superseded=nobody,
        on_lost=nobody,
    )
    link._channel = Wire()  # type: ignore[assignment]
    streams = [Stream(name_of(number), 10.0, 200.0, 1 / 3) for number in range(num_streams)]
    silent = [name_of(number) for number in range(num_silent)]
    proofs = {one.stream_id: 2**64 - 1 - number for number, one in enumerate(streams)}
    link.report(Report(streams[1::2], streams[::2], 2.5, True, silent, 7, proofs))
    reader = EndpointReader("e0")
    stimuli = [reader.read(envelope) for envelope in sent]
    assert stimuli[:-1] == [None] * (len(stimuli) - 1)
    report = stimuli[-1]
    assert isinstance(report, Reported)
    assert [one.stream_id for one in report.opened] == [
        name_of(n) for n in range(1, num_streams, 2)
    ]
    assert len(report.opened) + len(report.unopened) == num_streams
    assert (report.overhead_ms, report.is_urgent) == (2.5, True)
    assert list(report.silent_devices) == silent
    assert report.proofs == proofs


def test_streams_that_cannot_be_planned_are_left_out_of_a_snapshot() -> None:
    snapshot = Snapshot(streams=[state("bad", fps=float("nan")), state("good")])
    report = EndpointReader("e0").read(Envelope(snapshot=snapshot))
    assert [one.stream_id for one in report.opened] == ["good"]


numbers = st.floats() | st.sampled_from([0.0, -1.0, 1e308, 5e-324])


names = st.sampled_from(["a"]) | st.text()


@settings(max_examples=200, deadline=None)
@given(fps=numbers, slo_ms=numbers, kbps=numbers, wire_ms=numbers, ratio=numbers, name=names)
def test_odd_numbers_are_a_value_error_or_planned_with(
    fps, slo_ms, kbps, wire_ms, ratio, name
) -> None:
    odd = StreamState(
        stream_id=name,
        fps=fps,
        slo_ms=slo_ms,
        bandwidth_kbps=kbps,
        wire_ms=wire_ms,
        frame_size_ratio=ratio,
    )
    reader = EndpointReader("e0")
    try:
        asked = reader.read(Envelope(join=Join(request=1, stream=odd)))
    except ValueError:
        return
    assert isinstance(asked, JoinAsked)
    problem = Problem(
        (Device("d0", "gpu"),),
        VARIANTS,
        {"gpu": ModeTable(((5.0, 6.0),) * 3)},
        tuple(replace(asked.stream, stream_id=f"c{number}") for number in range(3)),
    )
    planning = Planning(PricingPlanner(), Random(0), TimeLimit())
    planning.replan(problem)
    assert planning.mistake is None
    assert len(planning.admit(problem, [asked.stream])) == 1
    assert planning.mistake is None


def test_a_leave_names_its_request() -> None:
    reader = EndpointReader("e0")
    left = reader.read(Envelope(leave=Leave(request=3, stream_id="a")))
    assert left == JoinLeft("e0", 3, "a")
    assert reader.read(Envelope()) is None


def test_variants_that_are_broken_are_known_by_their_names() -> None:
    names = [VARIANTS[1].name, "unknown"]
    status = ExecutorStatus(device_id="d0", slowdown_ratio=2.0, broken_variants=names)
    devices = AnnouncementReader()
    with pytest.raises(ValueError, match="'d0': was not announced"):
        read_status(status, devices, VARIANTS)
    devices.read(DeviceAnnounced(device_id="d0", device_type="gpu", generation=4))
    assert read_status(status, devices, VARIANTS) == DeviceReported(
        "d0", 4, Slowness(2.0), frozenset({1})
    )


@pytest.mark.parametrize("reason", list(RefusalReason))
def test_every_refusal_has_a_word_on_the_wire(reason: RefusalReason) -> None:
    refusal = admission.Refusal(reason, "why", (CounterOffer(2.0, 100.0),), 700.0)
    reply = join_reply(AnswerJoin("e0", 5, refusal, 9)).join_reply
    assert (reply.request, reply.is_accepted, reply.plan_epoch) == (5, False, 9)
    assert Refusal.Reason.Name(reply.refusal.reason) == reason.name
    assert reply.refusal.retry_after_ms == 700.0
