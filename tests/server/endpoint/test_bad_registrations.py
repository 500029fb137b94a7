"""Registrations that break a rule, each with the exact status that its client gets."""

from __future__ import annotations

import asyncio
import math

import grpc
import pytest
from google.rpc.status_pb2 import Status

from moonjelly.protos import serving_pb2
from moonjelly.protos.serving_pb2_grpc import ServingStub

BAD_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
REGISTER = "/moonjelly.v1.Serving/Register"


def link(bandwidth_kbps: float = 1000.0, wire_ms: float = 1.0) -> serving_pb2.LinkEstimate:
    return serving_pb2.LinkEstimate(bandwidth_kbps=bandwidth_kbps, wire_ms=wire_ms)


def wanted(**values: object) -> serving_pb2.AnswerOptions:
    return serving_pb2.AnswerOptions(**values)


BAD_VALUES = {
    "fps 0": ("fps", {"fps": 0.0}),
    "fps negative": ("fps", {"fps": -5.0}),
    "fps NaN": ("fps", {"fps": math.nan}),
    "fps infinite": ("fps", {"fps": math.inf}),
    "fps 1e308": ("fps", {"fps": 1e308}),
    "fps 5e-324": ("fps", {"fps": 5e-324}),
    "fps 241": ("fps", {"fps": 241.0}),
    "slo 0": ("slo_ms", {"slo_ms": 0.0}),
    "slo negative": ("slo_ms", {"slo_ms": -1.0}),
    "slo NaN": ("slo_ms", {"slo_ms": math.nan}),
    "slo infinite": ("slo_ms", {"slo_ms": math.inf}),
    "slo too long": ("slo_ms", {"slo_ms": 60_001.0}),
    "slo 2^63": ("slo_ms", {"slo_ms": 2.0**63}),
    "slo below 1 ms": ("slo_ms", {"slo_ms": 0.5}),
    "bandwidth 0": ("bandwidth_kbps", {"link": link(0.0)}),
    "bandwidth missing": ("bandwidth_kbps", {"link": serving_pb2.LinkEstimate()}),
    "bandwidth negative": ("bandwidth_kbps", {"link": link(-1.0)}),
    "bandwidth infinite": ("bandwidth_kbps", {"link": link(math.inf)}),
    "bandwidth NaN": ("bandwidth_kbps", {"link": link(math.nan)}),
    "bandwidth 1e-300": ("bandwidth_kbps", {"link": link(1e-300)}),
    "bandwidth 5e-324": ("bandwidth_kbps", {"link": link(5e-324)}),
    "bandwidth below 1 kbit/s": ("bandwidth_kbps", {"link": link(0.999)}),
    "bandwidth 1e308": ("bandwidth_kbps", {"link": link(1e308)}),
    "wire 1e308": ("wire_ms", {"link": link(wire_ms=1e308)}),
    "bandwidth too large": ("bandwidth_kbps", {"link": link(1.1e8)}),
    "wire negative": ("wire_ms", {"link": link(wire_ms=-1.0)}),
    "wire NaN": ("wire_ms", {"link": link(wire_ms=math.nan)}),
    "wire infinite": ("wire_ms", {"link": link(wire_ms=math.inf)}),
    "least score negative": ("options.min_score", {"options": wanted(min_score=-0.1)}),
    "least score above 1": ("options.min_score", {"options": wanted(min_score=1.01)}),
    "least score NaN": ("options.min_score", {"options": wanted(min_score=math.nan)}),
    "unknown class": ("options.classes", {"options": wanted(classes=["car", "tank"])}),
    "class of 1 MiB": ("options.classes", {"options": wanted(classes=["a" * 2**20])}),
    "class empty": ("options.classes", {"options": wanted(classes=[""])}),
    "id empty": ("stream_id", {"stream_id": ""}),
    "id of 65 characters": ("stream_id", {"stream_id": "a" * 65}),
    "id of 1 MiB": ("stream_id", {"stream_id": "a" * 2**20}),
    "id with newline": ("stream_id", {"stream_id": "a\nb"}),
    "id with escape": ("stream_id", {"stream_id": "\x1b[31m"}),
    "id with NUL": ("stream_id", {"stream_id": "a\0b"}),
    "id with path": ("stream_id", {"stream_id": "../../etc/passwd"}),
    "id of dots": ("stream_id", {"stream_id": ".."}),
    "id right to left": ("stream_id", {"stream_id": "a\u202eb"}),
    "id with zero width": ("stream_id", {"stream_id": "a\u200bb"}),
    "id composed": ("stream_id", {"stream_id": "caf\u00e9"}),
    "id decomposed": ("stream_id", {"stream_id": "cafe\u0301"}),
    "id __proto__": ("stream_id", {"stream_id": "__proto__"}),
    "id with braces": ("stream_id", {"stream_id": "{{7*7}}"}),
    "id with format": ("stream_id", {"stream_id": "%s%n"}),
    "id with quote": ("stream_id", {"stream_id": "'; DROP"}),
    "id like an option": ("stream_id", {"stream_id": "--help"}),
    "zoo with path": ("zoo", {"zoo": "../secret"}),
    "zoo as URL": ("zoo", {"zoo": "http://a/b"}),
    "zoo as file": ("zoo", {"zoo": "file:/etc/passwd"}),
    "zoo of 10 kB": ("zoo", {"zoo": "z" * 10_240}),
}


async def refused(stub: ServingStub, request: object) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Register(request, timeout=10)
    return caught.value


async def test_every_bad_value_is_an_invalid_argument_that_names_its_field(harness) -> None:
    stub = harness.stub()
    for name, (field, changes) in BAD_VALUES.items():
        error = await refused(stub, harness.registration(**changes))
        assert error.code() is BAD_ARGUMENT, name
        assert field in error.details(), name
        assert len(error.details().encode()) <= 512, name
        assert error.details().isprintable(), name
    assert harness.scheduler.joins == []  # none of them cost a plan
    reply = await stub.Register(harness.registration(), timeout=10)
    assert reply.session


async def test_an_unknown_zoo_is_not_found(harness) -> None:
    error = await refused(harness.stub(), harness.registration(zoo="fish"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "replayed-gpu" in error.details()


async def test_its_own_zoo_may_be_named(harness) -> None:
    reply = await harness.stub().Register(harness.registration(zoo="replayed-gpu"), timeout=10)
    assert reply.zoo.name == "replayed-gpu"
    sides = [size.side_px for size in reply.zoo.sizes]
    assert sides == sorted(sides)
    assert reply.advised_side_px in sides


@pytest.mark.parametrize(
    "message",
    [b"\x0a\x03\xff\xfe\xfd", b"\xff\xff\xff\xff\x0f", bytes(range(200, 256))],
    ids=["id not UTF-8", "random bytes", "more random bytes"],
)
async def test_bytes_that_are_no_message_are_internal_and_the_connection_lives(
    harness, message: bytes
) -> None:
    channel = harness.channel()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(REGISTER)(message, timeout=10)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "Traceback" not in caught.value.details()
    reply = await ServingStub(channel).Register(harness.registration(), timeout=10)
    assert reply.session


async def test_unknown_fields_of_1_mib_are_ignored(harness) -> None:
    unknown = b"\xfa\x7f" + b"\x80\x80\x40" + b"x" * 2**20  # field 2047, 1 MiB
    message = harness.registration().SerializeToString() + unknown
    reply = await harness.channel().unary_unary(REGISTER)(message, timeout=10)
    assert serving_pb2.RegisterReply.FromString(reply).session


async def test_a_message_above_the_limit_is_resource_exhausted(harness) -> None:
    message = b"\xfa\x7f" + b"\x80\x80\x80\x02" + b"x" * 2**22
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.channel().unary_unary(REGISTER)(message, timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def refusal_of(error: grpc.aio.AioRpcError) -> serving_pb2.Refusal:
    refusal = serving_pb2.Refusal()
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert Status.FromString(packed).details[0].Unpack(refusal)
    return refusal


async def test_a_refusal_is_a_status_with_standard_details(harness) -> None:
    harness.scheduler.refusal = serving_pb2.Refusal(
        reason=serving_pb2.Refusal.OVERLOAD,
        detail="the devices are taken",
        counter_offers=[serving_pb2.CounterOffer(fps=10, slo_ms=100)],
        retry_after_ms=1000,
    )
    error = await refused(harness.stub(), harness.registration())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == "the devices are taken"
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = Status.FromString(packed)
    assert status.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert status.message == "the devices are taken"
    refusal = serving_pb2.Refusal()
    assert status.details[0].Unpack(refusal)
    assert refusal == harness.scheduler.refusal
    assert len(harness.endpoint.sessions) == 0


async def test_the_table_of_sessions_is_bounded(make_harness) -> None:
    harness = await make_harness(max_sessions=2)
    session = await harness.register("a")
    await harness.register("b")
    error = await refused(harness.stub(), harness.registration("c"))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    refusal = refusal_of(error)
    assert refusal.reason == serving_pb2.Refusal.SESSION_LIMIT
    assert refusal.retry_after_ms > 0
    assert await harness.register("a", older_session=session)  # again is no more


async def test_the_same_id_again_supersedes_the_older_session(harness) -> None:
    client = await harness.stream("cam")
    await client.result_of(harness.frame(0))
    older = harness.session("cam").token
    session = await harness.register("cam", older_session=older)
    code, detail = await client.end()
    assert code is grpc.StatusCode.ABORTED
    assert "registered again" in detail
    assert len(harness.endpoint.sessions) == 1
    assert harness.session("cam").token == session


@pytest.mark.parametrize("secret", ["", "a", "0"])
async def test_nobody_takes_the_place_of_a_live_stream_without_its_secret(
    harness, secret: str
) -> None:
    client = await harness.stream("cam")
    await client.result_of(harness.frame(0))
    error = await refused(harness.stub(), harness.registration("cam", older_session=secret))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details().startswith("stream_id: somebody streams under it; must be another")
    assert refusal_of(error).reason == serving_pb2.Refusal.NAME_TAKEN
    assert refusal_of(error).retry_after_ms > 0
    await client.result_of(harness.frame(1))  # it has not noticed


async def test_the_place_of_a_silent_stream_can_be_taken(harness) -> None:
    client = await harness.stream("cam")
    await client.result_of(harness.frame(0))
    harness.gate("cam").observed.last_frame_ms -= 2001.0
    await harness.register("cam")
    assert (await client.end())[0] is grpc.StatusCode.ABORTED


async def test_of_two_that_ask_at_once_for_one_name_one_has_it(make_harness) -> None:
    harness = await make_harness(plan_period_ms=5000.0)
    harness.scheduler.is_mute = True
    asking = [asyncio.create_task(harness.register("cam")) for _ in range(2)]
    await harness.until(lambda: len(harness.scheduler.joins) == 2)
    for join in harness.scheduler.joins:
        harness.scheduler.accept(join)
    ended = await asyncio.gather(*asking, return_exceptions=True)
    (session,) = [one for one in ended if isinstance(one, str)]
    assert harness.session("cam").token == session
    (error,) = [one for one in ended if not isinstance(one, str)]
    assert refusal_of(error).reason == serving_pb2.Refusal.NAME_TAKEN


async def test_a_refused_second_registration_leaves_the_first_alone(harness) -> None:
    client = await harness.stream("cam")
    harness.scheduler.refusal = serving_pb2.Refusal(reason=serving_pb2.Refusal.OVERLOAD)
    await refused(harness.stub(), harness.registration("cam"))
    result = await client.result_of(harness.frame(0))
    assert result.verdict == serving_pb2.ANSWERED


async def test_registering_while_draining_is_unavailable(harness) -> None:
    client = await harness.stream("cam")
    harness.executors["gpu0"].is_holding = True
    await client.send(harness.frame(0))
    await harness.until(lambda: harness.executors["gpu0"].frames)
    stub = harness.stub()
    await stub.Register(harness.registration("other"), timeout=10)  # connects
    harness.drain(5000)
    await client.read()
    while not client.notices:
        await client.read()
    error = await refused(stub, harness.registration("late"))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    harness.executors["gpu0"].answer(*harness.executors["gpu0"].frames)


async def test_registering_without_a_scheduler_is_unavailable(make_harness) -> None:
    harness = await make_harness(with_peers=False)
    harness.attach_executor("gpu0")
    await harness.until(lambda: harness.endpoint.core.devices)
    error = await refused(harness.stub(), harness.registration())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "scheduler" in error.details()


async def test_registering_before_a_device_is_ready_is_answered_with_a_time(make_harness) -> None:
    harness = await make_harness(with_peers=False)
    harness.attach_scheduler()
    error = await refused(harness.stub(), harness.registration())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    refusal = refusal_of(error)
    assert refusal.reason == serving_pb2.Refusal.NOT_READY
    assert refusal.retry_after_ms > 0
    assert harness.health == []  # it has not said that it serves
    harness.attach_executor("gpu0")
    await harness.until(lambda: harness.health == [True])
    assert await harness.register()


async def test_a_scheduler_without_a_device_is_passed_on_as_not_ready(harness) -> None:
    harness.scheduler.refusal = serving_pb2.Refusal(
        reason=serving_pb2.Refusal.NOT_READY, detail="no device", retry_after_ms=700
    )
    error = await refused(harness.stub(), harness.registration())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert refusal_of(error).retry_after_ms == 700


async def test_whoever_hangs_up_leaves_his_place_to_others(harness) -> None:
    harness.scheduler.is_mute = True
    call = harness.stub().Register(harness.registration())
    await harness.until(lambda: harness.scheduler.joins)
    call.cancel()
    await harness.until(lambda: harness.scheduler.leaves)
    (leave,) = harness.scheduler.leaves
    assert leave.request == harness.scheduler.joins[0].request
    assert leave.stream_id == "cam"
    harness.scheduler.accept(harness.scheduler.joins[0])  # too late: nobody is there
    harness.scheduler.is_mute = False
    assert await harness.register("other")
    assert list(harness.endpoint.core.sessions) == ["other"]


async def test_who_gets_no_answer_in_time_leaves_his_place_to_others(make_harness) -> None:
    harness = await make_harness(plan_period_ms=50.0)
    harness.scheduler.is_mute = True
    await refused(harness.stub(), harness.registration())
    await harness.until(lambda: harness.scheduler.leaves)


async def test_a_mute_scheduler_makes_registering_unavailable_in_time(make_harness) -> None:
    harness = await make_harness(plan_period_ms=50.0)
    harness.scheduler.is_mute = True
    error = await refused(harness.stub(), harness.registration())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "in time" in error.details()
    assert len(harness.endpoint.sessions) == 0


async def test_a_scheduler_that_dies_makes_registering_unavailable_at_once(harness) -> None:
    harness.scheduler.is_mute = True
    call = harness.stub().Register(harness.registration(), timeout=10)
    await harness.until(lambda: harness.scheduler.joins)
    harness.scheduler.channel.close()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "lost its scheduler" in caught.value.details()
