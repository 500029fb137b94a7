"""A client that is newer than the server says more than is known here."""

from __future__ import annotations

import grpc

from moonjelly.protos import serving_pb2
from moonjelly.scheduling.streams.policing import RatePolicer

NEWER = serving_pb2.ClientMessage.FromString(b"\xa2\x01\x05hello")  # a member 20 of the oneof


async def test_many_messages_of_a_newer_kind_do_not_end_the_stream(harness) -> None:
    client = await harness.stream()
    await client.send(*[NEWER] * 200)
    result = await client.result_of(harness.frame(0))
    assert result.sequence == 0
    assert {notice.kind for notice in client.notices} == {serving_pb2.Notice.BAD_MESSAGE}
    assert len(harness.endpoint.sessions) == 1


async def test_a_flood_of_them_does(harness) -> None:
    client = await harness.stream()
    session = harness.session("cam")
    session.gate.newer_messages = RatePolicer(0.001, 1.0, session.gate.registered_ms)
    await client.send(*[NEWER] * (8 + 51))  # the burst, and one bad message too many
    code, detail = await client.end()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "too many bad messages" in detail


async def test_messages_that_say_nothing_at_all_end_it_sooner(harness) -> None:
    client = await harness.stream()
    await client.send(*[serving_pb2.ClientMessage()] * 51)
    code, _ = await client.end()
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_fields_of_a_registration_that_are_not_known_are_passed_over(harness) -> None:
    request = serving_pb2.RegisterRequest.FromString(
        serving_pb2.RegisterRequest(
            stream_id="cam",
            fps=10,
            slo_ms=500,
            link=serving_pb2.LinkEstimate(bandwidth_kbps=10_000),
        ).SerializeToString()
        + b"\xfa\x3f\x05hello"
    )
    reply = await harness.stub().Register(request)
    assert reply.session
