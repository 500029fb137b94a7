"""Frames and streams that break a rule, each with the answer that its client gets."""

from __future__ import annotations

import asyncio
import contextlib
import math
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from moonjelly.core.verdict import Reason
from moonjelly.protos import serving_pb2
from moonjelly.protos.serving_pb2_grpc import ServingStub
from moonjelly.server.config import ServerConfig
from moonjelly.server.endpoint.grpc_server import server_options

STREAM = "/moonjelly.v1.Serving/Stream"
GOODBYE = serving_pb2.ClientMessage(goodbye=serving_pb2.Goodbye())


def link(bandwidth_kbps: float = 1000.0, wire_ms: float = 1.0) -> serving_pb2.LinkEstimate:
    return serving_pb2.LinkEstimate(bandwidth_kbps=bandwidth_kbps, wire_ms=wire_ms)


BAD_FIELDS = {
    "age negative": ("INVALID_ARGUMENT", "age_ms", {"age_ms": -1.0}),
    "age NaN": ("INVALID_ARGUMENT", "age_ms", {"age_ms": math.nan}),
    "age infinite": ("INVALID_ARGUMENT", "age_ms", {"age_ms": math.inf}),
    "bandwidth 0": ("INVALID_ARGUMENT", "bandwidth_kbps", {"link": link(0.0)}),
    "bandwidth NaN": ("INVALID_ARGUMENT", "bandwidth_kbps", {"link": link(math.nan)}),
    "bandwidth infinite": ("INVALID_ARGUMENT", "bandwidth_kbps", {"link": link(math.inf)}),
    "bandwidth 1e-300": ("INVALID_ARGUMENT", "bandwidth_kbps", {"link": link(1e-300)}),
    "bandwidth below 1 kbit/s": ("INVALID_ARGUMENT", "bandwidth_kbps", {"link": link(0.999)}),
    "bandwidth 1e308": ("INVALID_ARGUMENT", "bandwidth_kbps", {"link": link(1e308)}),
    "age -1e308": ("INVALID_ARGUMENT", "age_ms", {"age_ms": -1e308}),
    "wire 1e308": ("INVALID_ARGUMENT", "wire_ms", {"link": link(wire_ms=1e308)}),
    "wire negative": ("INVALID_ARGUMENT", "wire_ms", {"link": link(wire_ms=-1.0)}),
    "wire NaN": ("INVALID_ARGUMENT", "wire_ms", {"link": link(wire_ms=math.nan)}),
    "declared length": ("INVALID_ARGUMENT", "jpeg_bytes", {"jpeg_bytes": 7}),
    "checksum": ("INVALID_ARGUMENT", "jpeg_crc32c", {"jpeg_crc32c": 1}),
    "declared width": ("INVALID_ARGUMENT", "width_px", {"width_px": 127}),
    "declared height": ("INVALID_ARGUMENT", "height_px", {"height_px": 2**31}),
    "declared size missing": ("INVALID_ARGUMENT", "width_px", {"width_px": 0, "height_px": 0}),
}


def other_format(extension: str) -> bytes:
    picture = np.zeros((128, 128, 3), dtype=np.uint8)
    return cv2.imencode(extension, picture)[1].tobytes()


BAD_PICTURES = {
    "empty": ("INVALID_ARGUMENT", lambda _: b""),
    "random bytes": ("INVALID_ARGUMENT", lambda _: bytes(range(256)) * 9),
    "PNG": ("INVALID_ARGUMENT", lambda _: other_format(".png")),
    "WEBP": ("INVALID_ARGUMENT", lambda _: other_format(".webp")),
    "truncated": ("INVALID_ARGUMENT", lambda jpeg: jpeg[: len(jpeg) // 2]),
    "no end marker": ("INVALID_ARGUMENT", lambda jpeg: jpeg[:-2]),
    "scan header of two bytes": (
        "INVALID_ARGUMENT",
        lambda jpeg: jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xda\x00\x02",
    ),
    "trailing junk": ("INVALID_ARGUMENT", lambda jpeg: jpeg + b"\0" * 70_000),
    "bomb": ("RESOURCE_EXHAUSTED", lambda jpeg: resized(jpeg, 4096)),
    "65535 x 65535": ("INVALID_ARGUMENT", lambda jpeg: resized(jpeg, 65_535)),
    "over 2 MiB": ("RESOURCE_EXHAUSTED", lambda jpeg: jpeg + b"\0" * 2**21),
}


def resized(jpeg: bytes, side_px: int) -> bytes:
    """The same bytes with another size in the header."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + side_px.to_bytes(2, "big") * 2 + jpeg[at + 4 :]


def drop_of(result: serving_pb2.Result) -> serving_pb2.Drop:
    assert result.verdict == serving_pb2.DROPPED
    assert result.drop.place == serving_pb2.ENDPOINT
    return result.drop


async def assert_lives(harness, client, sequence: int) -> None:
    result = await client.result_of(harness.frame(sequence))
    assert result.verdict == serving_pb2.ANSWERED


async def test_every_bad_field_is_answered_in_band_and_the_stream_lives(harness) -> None:
    client = await harness.stream()
    for sequence, (name, (code, field, changes)) in enumerate(BAD_FIELDS.items()):
        drop = drop_of(await client.result_of(harness.frame(sequence, **changes)))
        assert (drop.reason, drop.code) == ("bad_frame", code), name
        assert field in drop.detail, name
    await assert_lives(harness, client, 100)
    assert len(client.acks) == len(BAD_FIELDS) + 1


async def test_every_bad_picture_is_answered_in_band_and_the_stream_lives(harness) -> None:
    client = await harness.stream()
    for sequence, (name, (code, spoil)) in enumerate(BAD_PICTURES.items()):
        frame = harness.frame(sequence, spoil(harness.jpeg))
        drop = drop_of(await client.result_of(frame))
        assert (drop.reason, drop.code) == ("bad_frame", code), name
    await assert_lives(harness, client, 100)
    assert [one.frames for one in harness.executors.values()][1] == []
    assert len(harness.executors["gpu0"].frames) == 1  # none of them reached a device


async def test_a_picture_far_above_what_is_served_is_refused_by_field_value_and_rule(
    harness,
) -> None:
    client = await harness.stream()
    served_px = harness.endpoint._served_px
    for sequence, (side_px, is_taken) in enumerate(
        ((4 * served_px, True), (4 * served_px + 1, False))
    ):
        jpeg = resized(harness.jpeg, side_px)
        result = await client.result_of(
            harness.frame(sequence, jpeg, width_px=side_px, height_px=side_px)
        )
        assert (result.verdict == serving_pb2.ANSWERED) is is_taken
    drop = drop_of(result)
    assert (drop.reason, drop.code) == ("bad_frame", "RESOURCE_EXHAUSTED")
    assert drop.detail == (
        f"width_px={side_px}, height_px={side_px}: must be at most {4 * served_px}, "
        "4 times the largest side that is served"
    )


WHAT_MAY_FAIL = {
    "the order": "moonjelly.scheduling.cores.endpoint.gate.StreamGate.check_order",
    "the fields": "moonjelly.server.endpoint.intake.link_problem",
    "the picture": "moonjelly.server.endpoint.intake.check_jpeg",
    "learning": "moonjelly.scheduling.streams.observed_stream.ObservedStream.take_frame",
    "dispatching": "moonjelly.scheduling.cores.endpoint.dispatching.start",
    "sending to the device": "moonjelly.server.endpoint.device_side.DeviceSide.send",
}


@pytest.mark.parametrize("target", WHAT_MAY_FAIL.values(), ids=WHAT_MAY_FAIL)
async def test_whatever_fails_ends_its_frame_alone_and_is_logged_once(
    harness, monkeypatch, caplog, target: str
) -> None:
    client = await harness.stream()

    def explode(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret /etc/passwd")

    with monkeypatch.context() as patch:
        patch.setattr(target, explode)
        for sequence in range(20):
            drop = drop_of(await client.result_of(harness.frame(sequence)))
            assert (drop.reason, drop.code) == ("bad_frame", "INTERNAL")
            assert drop.detail == "the server failed on it"
    await assert_lives(harness, client, 100)
    assert len(client.acks) == len(client.results) == 21
    assert harness.num_free_slots == 16
    assert caplog.text.count("Traceback") == 1


async def test_a_frame_is_answered_and_dropped_even_where_advice_fails(
    harness, monkeypatch, caplog
) -> None:
    client = await harness.stream()

    def explode(*_: object) -> None:
        raise OverflowError("secret")

    for method in ("sides", "first_sides"):
        monkeypatch.setattr(f"moonjelly.scheduling.streams.adviser.Adviser.{method}", explode)
    await assert_lives(harness, client, 0)
    drop_of(await client.result_of(harness.frame(1, age_ms=-1.0)))
    await assert_lives(harness, client, 2)
    assert caplog.text.count("Traceback") == 1


@pytest.mark.parametrize(
    ("sequence", "code"), [(5, "ALREADY_EXISTS"), (4, "INVALID_ARGUMENT"), (0, "INVALID_ARGUMENT")]
)
async def test_a_sequence_that_does_not_rise_runs_nothing(harness, sequence, code) -> None:
    client = await harness.stream()
    await client.result_of(harness.frame(5))
    drop = drop_of(await client.result_of(harness.frame(sequence)))
    assert (drop.reason, drop.code) == ("bad_frame", code)
    assert len(harness.executors["gpu0"].frames) == 1
    await assert_lives(harness, client, 6)


async def test_the_largest_sequence_does_not_wrap(harness) -> None:
    client = await harness.stream()
    await assert_lives(harness, client, 2**64 - 1)
    drop = drop_of(await client.result_of(harness.frame(0)))
    assert drop.code == "INVALID_ARGUMENT"


async def test_a_gap_in_the_sequence_is_fine(harness) -> None:
    client = await harness.stream()
    await assert_lives(harness, client, 0)
    await assert_lives(harness, client, 10**9)


@pytest.mark.parametrize("age_ms", [2001.0, 59_000.0, 1e300, 1.79e308])
async def test_a_frame_older_than_its_slo_is_dropped_before_anything_else(harness, age_ms) -> None:
    client = await harness.stream()
    drop = drop_of(await client.result_of(harness.frame(0, b"no picture", age_ms=age_ms)))
    assert (drop.reason, drop.code) == ("too_late", "DEADLINE_EXCEEDED")
    assert harness.executors["gpu0"].frames == []


async def test_a_deadline_below_any_latency_is_dropped_at_once(harness) -> None:
    client = await harness.stream(slo_ms=5.0)  # the variant takes 5.9 ms
    drop = drop_of(await client.result_of(harness.frame(0)))
    assert (drop.reason, drop.code) == ("too_late", "DEADLINE_EXCEEDED")


async def test_a_stream_that_is_served_nowhere_is_told_so(harness) -> None:
    client = await harness.stream()
    harness.scheduler.placements["cam"] = ""
    harness.scheduler.publish()
    await harness.until(lambda: harness.endpoint.core.plan.epoch == 2)
    drop = drop_of(await client.result_of(harness.frame(0)))
    assert (drop.reason, drop.code) == ("not_placed", "RESOURCE_EXHAUSTED")
    harness.scheduler.preempted = {"cam"}
    harness.scheduler.publish()
    await harness.until(lambda: harness.endpoint.core.plan.epoch == 3)
    drop = drop_of(await client.result_of(harness.frame(1)))
    assert (drop.reason, drop.code) == ("preempted", "RESOURCE_EXHAUSTED")


async def test_too_many_frames_under_way_are_refused(make_harness) -> None:
    harness = await make_harness(max_waiting_frames=3)
    harness.executors["gpu0"].is_holding = True
    client = await harness.stream()
    await client.send(*(harness.frame(sequence) for sequence in range(4)))
    drop = drop_of((await client.results_of(1))[0])
    assert (drop.reason, drop.code) == ("queue_full", "RESOURCE_EXHAUSTED")
    assert client.results[0].sequence == 3


async def test_a_stream_may_have_under_way_what_its_rate_makes_within_its_slo(harness) -> None:
    harness.executors["gpu0"].is_holding = True
    client = await harness.stream(fps=10.0, slo_ms=300.0)
    await client.send(*(harness.frame(sequence) for sequence in range(6)))
    await client.results_of(1)
    assert [one.sequence for one in client.results] == [5]  # 10/s within 0.3 s, and 2 more


async def test_a_full_frame_memory_is_said(make_harness) -> None:
    harness = await make_harness(frame_slots=2)
    harness.executors["gpu0"].is_holding = True
    client = await harness.stream()
    await client.send(*(harness.frame(sequence) for sequence in range(3)))
    drop = drop_of((await client.results_of(1))[0])
    assert (drop.reason, drop.code) == ("no_slot", "RESOURCE_EXHAUSTED")
    harness.executors["gpu0"].answer(*harness.executors["gpu0"].frames)
    await client.results_of(3)
    assert harness.num_free_slots == 2


async def test_more_frames_than_declared_are_dropped(harness) -> None:
    client = await harness.stream(fps=1.0)
    await client.send(*(harness.frame(sequence) for sequence in range(20)))
    results = await client.results_of(20)
    reasons = [one.drop.reason for one in results if one.verdict == serving_pb2.DROPPED]
    assert reasons.count("rate_exceeded") >= 11  # 8 may come at once
    assert {one.drop.code for one in results if one.drop.reason == "rate_exceeded"} == {
        "RESOURCE_EXHAUSTED"
    }


async def test_more_than_50_bad_frames_end_the_stream(harness) -> None:
    client = await harness.stream()
    await client.send(*(harness.frame(sequence, age_ms=-1.0) for sequence in range(51)))
    code, detail = await client.end()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "too many bad frames" in detail
    assert len(client.results) == 51
    assert len(harness.endpoint.sessions) == 0


async def test_a_message_with_nothing_known_is_noticed_and_the_stream_lives(harness) -> None:
    client = await harness.stream()
    await client.send(serving_pb2.ClientMessage())
    while not client.notices:
        await client.read()
    assert client.notices[0].kind == serving_pb2.Notice.BAD_MESSAGE
    await assert_lives(harness, client, 0)


async def test_unknown_fields_of_a_frame_are_ignored(harness) -> None:
    channel = harness.channel()
    session = await harness.register()
    call = channel.stream_stream(STREAM)()
    await call.write(harness.open_of(session).SerializeToString())
    inner = harness.frame(0).frame.SerializeToString() + b"\xfa\x7f\x05/name"  # field 2047
    size = len(inner)
    length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
    await call.write(b"\x12" + length + inner)
    results = []
    while not results:
        results = serving_pb2.ServerMessage.FromString(await call.read()).results
    assert results[0].verdict == serving_pb2.ANSWERED


async def test_bytes_that_are_no_message_end_the_stream(harness) -> None:
    session = await harness.register()
    call = harness.channel().stream_stream(STREAM)()
    await call.write(harness.open_of(session).SerializeToString())
    await call.write(b"\xff" * 40)
    assert await call.code() is grpc.StatusCode.INTERNAL
    assert await call.details() == "a message cannot be parsed"


async def first_message(harness, message: serving_pb2.ClientMessage) -> tuple:
    call = harness.stub().Stream()
    await call.write(message)
    return await call.code(), await call.details()


async def test_a_frame_before_open_ends_the_call(harness) -> None:
    code, detail = await first_message(harness, harness.frame(0))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "Open" in detail


@pytest.mark.parametrize("message", [GOODBYE, serving_pb2.ClientMessage()], ids=["goodbye", "none"])
async def test_anything_else_before_open_ends_the_call(harness, message) -> None:
    code, _ = await first_message(harness, message)
    assert code is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("session", ["", "guess", "x" * 10_000])
async def test_an_unknown_session_is_not_found(harness, session) -> None:
    await harness.register()
    code, detail = await first_message(harness, harness.open_of(session))
    assert code is grpc.StatusCode.NOT_FOUND
    assert session not in detail or not session


async def test_a_session_that_is_over_is_not_found(harness) -> None:
    session = await harness.register()
    call = harness.stub().Stream()
    await call.write(harness.open_of(session))
    await call.write(GOODBYE)
    assert await call.code() is grpc.StatusCode.OK
    code, _ = await first_message(harness, harness.open_of(session))
    assert code is grpc.StatusCode.NOT_FOUND


async def test_a_session_that_was_not_opened_in_time_is_not_found(make_harness) -> None:
    harness = await make_harness(session_grace_ms=100.0)
    session = await harness.register()
    await harness.until(lambda: len(harness.endpoint.sessions) == 0)
    code, _ = await first_message(harness, harness.open_of(session))
    assert code is grpc.StatusCode.NOT_FOUND
    await harness.until(lambda: not harness.scheduler.snapshots[-1].streams)


@pytest.mark.parametrize("noise", ["joins", "leaves", "jumping links"])
async def test_a_session_that_is_never_opened_expires_whatever_else_happens(
    make_harness, noise: str
) -> None:
    harness = await make_harness(session_grace_ms=100.0, address_registers_per_s=1e6)
    await harness.register("silent")
    sessions = dict.fromkeys(range(3), "")
    honest = await harness.stream("honest")
    stub = harness.stub()

    async def make_noise() -> None:
        for number in range(10**6):
            if noise == "joins":
                older = sessions[number % 3]
                again = harness.registration(f"s{number % 3}", older_session=older)
                sessions[number % 3] = (await stub.Register(again)).session
            elif noise == "leaves":
                now_ms = harness.endpoint.now_ms()
                harness.endpoint.core.report_soon(now_ms, is_urgent=True)
                await asyncio.sleep(0)
            else:
                kbps = 100_000 if number % 2 else 1000
                link = serving_pb2.LinkEstimate(bandwidth_kbps=kbps, wire_ms=0.5)
                await honest.result_of(harness.frame(number, link=link))

    making = asyncio.create_task(make_noise())
    await harness.until(lambda: harness.gate("silent") is None)
    assert not making.done()
    making.cancel()
    await asyncio.wait([making])
    assert harness.gate("honest") is not None


async def test_a_session_opens_once(harness) -> None:
    session = await harness.register()
    first = harness.stub().Stream()
    await first.write(harness.open_of(session))
    await harness.until(lambda: harness.gate("cam").is_open)
    code, _ = await first_message(harness, harness.open_of(session))
    assert code is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_second_open_ends_the_stream(harness) -> None:
    client = await harness.stream()
    await client.send(harness.open_of("again"))
    code, _ = await client.end()
    assert code is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_call_that_never_opens_is_ended(make_harness) -> None:
    harness = await make_harness(session_grace_ms=100.0)
    call = harness.stub().Stream()
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_message_over_4_mib_ends_the_call(harness) -> None:
    client = await harness.stream()
    await client.send(harness.frame(0, harness.jpeg + b"\0" * 2**22))
    code, _ = await client.end()
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "metadata", [(("x", "y" * 20_000),), tuple((f"k{n}", "v") for n in range(10_000))]
)
async def test_metadata_over_the_limit_ends_the_call(harness, metadata) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.stub().Register(harness.registration(), metadata=metadata, timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compression_is_not_taken(harness, compression) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.stub().Register(
            harness.registration(stream_id="a" * 64), compression=compression, timeout=10
        )
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "method",
    ["/moonjelly.v1.Serving/Nothing", "/moonjelly.v1.Nothing/Register", "/nothing", "/a/b/c"],
)
async def test_unknown_methods_are_unimplemented(harness, method) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.channel().unary_unary(method)(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_unary_call_of_the_streaming_method_is_refused(harness) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.channel().unary_unary(STREAM)(b"", timeout=10)
    assert caught.value.code() in (
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNIMPLEMENTED,
    )


async def test_no_reflection_is_served(harness) -> None:
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    call = harness.channel().stream_stream(method)()
    assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_server_lives_after_all_of_it(harness) -> None:
    for _ in range(3):
        await first_message(harness, harness.frame(0))
    client = await harness.stream()
    await assert_lives(harness, client, 0)
    assert isinstance(harness.stub(), ServingStub)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + b"\xff" * 64,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff" + b"\x00" * 64,
        bytes.fromhex("160301007a0100007603030000") + b"\x00" * 100,
        b"\x00" * 1000,
    ],
    ids=["HTTP/1.1", "bad preface", "frame of 2^24 bytes", "TLS", "zeros"],
)
async def test_a_connection_that_is_no_grpc_is_closed(harness, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(data)
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass
    writer.close()
    client = await harness.stream()
    await assert_lives(harness, client, 0)


async def test_calls_above_the_limit_are_refused_at_once(make_harness) -> None:
    harness = await make_harness(max_sessions=1, address_health_calls=100)  # so 66 calls
    stub = health_pb2_grpc.HealthStub(harness.channel())
    held = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(66)]
    await asyncio.gather(*(call.read() for call in held))
    with pytest.raises(grpc.aio.AioRpcError, match="limit") as caught:
        await harness.stub().Register(harness.registration(), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for call in held:
        call.cancel()


def test_the_limits_of_the_transport_are_set() -> None:
    options = dict(server_options(ServerConfig(max_connections=100, connection_idle_ms=7000.0)))
    assert options["grpc.max_allowed_incoming_connections"] == 100
    assert options["grpc.max_connection_idle_ms"] == 7000
    assert options["grpc.so_reuseport"] == 1
    assert options["grpc.max_receive_message_length"] == 4 * 1024 * 1024
    assert options["grpc.absolute_max_metadata_size"] == 8192
    assert (
        options["grpc.keepalive_time_ms"] >= 7000
    )  # shorter ends streams that an outage would not
    assert options["grpc.keepalive_timeout_ms"] == 10_000
    assert options["grpc.max_concurrent_streams"] == 128


def test_every_reason_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason}`" not in text] == []
