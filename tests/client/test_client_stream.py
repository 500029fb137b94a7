"""The SDK against a server that does what the test tells it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter

import grpc
import numpy as np
import pytest
from fake_server import FakeServer, until, unused_address

from moonjelly import client as sdk
from moonjelly.client import ArraySource, Place, Reason, Verdict
from moonjelly.client import stream as stream_module
from moonjelly.network.relay import Link, LinkConfig
from moonjelly.network.traces import constant_trace
from moonjelly.protos import serving_pb2 as pb

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
"""Noise: about 60 kB as a JPEG of 320 x 320."""
FLAT = np.full((90, 160, 3), 128, np.uint8)
"""About 3 kB as a JPEG of 320 x 320."""


def few(num_frames, image=FLAT):
    return ArraySource([image], num_frames)


def reasons(answers):
    return Counter(str(a.drop.reason) if a.drop else str(a.verdict) for a in answers)


@contextlib.asynccontextmanager
async def streaming(address, source, **options):
    async with sdk.connect(address) as client, client.stream(source, **options) as stream:
        yield stream


async def collect(stream, answers):
    async with stream:
        async for answer in stream:
            answers.append(answer)


def check_account(stream, answers):
    """Every captured frame has exactly one answer, and the counts say the same."""
    ledger = stream.ledger
    ledger.check_invariants()
    assert ledger.lost == 0
    assert ledger.captured == len(answers)
    assert len({answer.sequence for answer in answers}) == len(answers)
    for verdict in Verdict:
        assert ledger.total(verdict) == sum(a.verdict is verdict for a in answers)


async def test_ten_lines_are_enough():
    async with (
        FakeServer() as server,
        sdk.connect(server.address) as client,
        client.stream(few(10), fps=20, slo_ms=2000) as stream,
    ):
        answers = [answer async for answer in stream]
    assert [answer.sequence for answer in answers] == list(range(10))
    assert {answer.verdict for answer in answers} == {Verdict.IN_TIME}
    first = answers[0]
    assert first.is_in_time
    assert first.detections.boxes == pytest.approx(np.array([[0.1, 0.2, 0.3, 0.4]]))
    assert stream.class_names[first.detections.class_ids[0]] == "bus"
    assert 0 < first.latency_ms < 2000
    assert first.record.side_px == 320
    assert first.record.variant == "fake-320"
    assert first.record.network_ms < first.latency_ms
    assert first.image is None
    assert server.num_goodbyes == 1
    check_account(stream, answers)
    assert stream.ledger.duplicated == stream.num_late_answers == 0


async def test_frames_are_due_at_a_steady_rate():
    async with (
        FakeServer() as server,
        streaming(server.address, few(30), fps=100, slo_ms=2000) as stream,
    ):
        times = sorted([answer.record.captured_ms async for answer in stream])
    assert np.diff(times) == pytest.approx(np.full(29, 10.0)), "late wake-ups must not add up"


async def test_a_frame_says_how_old_it_is_and_what_the_link_is():
    async with FakeServer() as server, sdk.connect(server.address) as client:
        stream = client.stream(
            few(5),
            fps=20,
            slo_ms=2000,
            wire_ms=3.0,
            bandwidth_kbps=5000,
            stream_id="cam.1",
            zoo="x",
        )
        async with stream:
            assert len([answer async for answer in stream]) == 5
    request = server.registrations[0]
    assert (request.stream_id, request.fps, request.slo_ms, request.zoo) == ("cam.1", 20, 2000, "x")
    assert (request.link.bandwidth_kbps, request.link.wire_ms) == (5000, 3)
    assert [frame.sequence for frame in server.frames] == list(range(5))
    for frame in server.frames:
        assert 0 <= frame.age_ms < 2000
        assert (frame.width_px, frame.height_px) == (320, 320)
        assert frame.link.wire_ms == 3
        assert frame.link.bandwidth_kbps > 0
    assert server.frames[0].link.bandwidth_kbps == 5000
    assert server.frames[-1].link.bandwidth_kbps != 5000, "the acks tell"


async def test_the_wire_delay_is_measured_when_it_is_not_given():
    async with (
        FakeServer() as server,
        Link(LinkConfig("a", server.address, wire_ms=30)) as link,
        streaming(f"127.0.0.1:{link.port}", few(1), fps=10, slo_ms=5000) as stream,
    ):
        assert 30 <= stream.wire_ms < 200


def test_without_async_it_is_the_same(threaded_server):
    with sdk.connect_sync(threaded_server.address) as client:  # noqa: SIM117 as in the documentation
        with client.stream(few(10), fps=50, slo_ms=2000) as stream:
            answers = list(stream)
    assert {answer.verdict for answer in answers} == {Verdict.IN_TIME}
    check_account(stream.stream, answers)


def test_without_async_a_stream_can_be_stopped_and_refused(threaded_server):
    with sdk.connect_sync(threaded_server.address) as client:
        with client.stream(ArraySource([FLAT]), fps=100, slo_ms=2000) as stream:
            for answer in stream:
                if answer.sequence == 3:
                    stream.stop()
        assert stream.stream.ledger.captured >= 4
        assert stream.stream.ledger.lost == 0
        threaded_server.refusal = pb.Refusal(reason=pb.Refusal.SESSION_LIMIT, detail="too many")
        with pytest.raises(sdk.Refused, match="session_limit"):
            client.stream(few(1), fps=10, slo_ms=200).__enter__()
        with pytest.raises(ValueError, match="fps=0"):
            client.stream(few(1), fps=0, slo_ms=200)


async def test_a_refusal_holds_what_would_fit():
    offers = [pb.CounterOffer(fps=5, slo_ms=200), pb.CounterOffer(fps=10, slo_ms=400)]
    refusal = pb.Refusal(
        reason=pb.Refusal.OVERLOAD, detail="full", counter_offers=offers, retry_after_ms=500
    )
    async with FakeServer(refusal=refusal) as server, sdk.connect(server.address) as client:
        with pytest.raises(sdk.Refused) as caught:
            await client.stream(few(1), fps=10, slo_ms=200, stream_id="me").__aenter__()
    refused = caught.value
    assert (refused.stream_id, refused.reason, refused.detail) == ("me", "overload", "full")
    assert refused.counter_offers == (sdk.CounterOffer(5, 200), sdk.CounterOffer(10, 400))
    assert refused.retry_after_ms == 500
    assert "5 frames/s with an SLO of 200 ms or 10 frames/s" in str(refused)


async def test_a_refusal_without_details_is_one_too():
    error = (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls")
    async with FakeServer(register_error=error) as server, sdk.connect(server.address) as client:
        with pytest.raises(sdk.Refused, match=r"unspecified.*too many calls.*nothing"):
            await client.stream(few(1), fps=10, slo_ms=200).__aenter__()


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED"])
async def test_a_registration_that_can_never_be_is_not_repeated(code):
    error = (grpc.StatusCode[code], "never")
    async with FakeServer(register_error=error) as server, sdk.connect(server.address) as client:
        with pytest.raises(sdk.StreamFailed, match="never"):
            await client.stream(few(1), fps=10, slo_ms=200).__aenter__()
    assert len(server.registrations) == 1


async def test_a_server_that_is_not_there_is_said_so_in_time():
    async with unused_address() as address, sdk.connect(address) as client:
        stream = client.stream(few(1), fps=10, slo_ms=200, connect_timeout_s=0.5)
        started = time.monotonic()
        with pytest.raises(sdk.Unavailable, match=f"no server at {address}: Connection refused"):
            await stream.__aenter__()
        assert 0.5 <= time.monotonic() - started < 5


async def test_a_server_that_comes_a_little_later_is_waited_for():
    async with unused_address() as address, sdk.connect(address) as client:
        server = FakeServer(port=int(address.rpartition(":")[2]))
        later = asyncio.get_running_loop().call_later(
            0.3, lambda: starting.append(asyncio.ensure_future(server.start()))
        )
        starting = []
        async with client.stream(few(3), fps=50, slo_ms=2000, connect_timeout_s=20) as stream:
            answers = [answer async for answer in stream]
        later.cancel()
        await server.stop()
    assert len(answers) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0}, "fps=0"),
        ({"fps": -1}, "fps=-1"),
        ({"fps": float("nan")}, "fps=nan"),
        ({"fps": float("inf")}, "fps=inf"),
        ({"fps": 241}, "fps=241"),
        ({"slo_ms": 0}, "slo_ms=0"),
        ({"slo_ms": 0.5}, "slo_ms=0.5"),
        ({"slo_ms": 60_001}, "slo_ms=60001"),
        ({"stream_id": ""}, "stream_id=''"),
        ({"stream_id": "a b"}, "stream_id='a b'"),
        ({"stream_id": "-a"}, "stream_id=-a"),
        ({"stream_id": "x" * 65}, "stream_id="),
        ({"zoo": "../x"}, "zoo="),
        ({"bandwidth_kbps": 0}, "bandwidth_kbps=0"),
        ({"wire_ms": -1}, "wire_ms=-1"),
        ({"num_frames": 0}, "num_frames=0"),
        ({"connect_timeout_s": 0}, "connect_timeout_s=0"),
        ({"connect_timeout_s": float("inf")}, "connect_timeout_s=inf"),
        ({"connect_timeout_s": float("nan")}, "connect_timeout_s=nan"),
        ({"max_unread": 0}, "max_unread=0"),
    ],
)
async def test_bad_options_are_refused_before_anything_is_sent(options, message):
    async with sdk.connect("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match=message):
            client.stream(few(1), **{"fps": 10, "slo_ms": 100, **options})


@pytest.mark.parametrize(
    "address", ["", "localhost", "localhost:0", "localhost:65536", "a b:1", ":1"]
)
def test_bad_addresses_are_refused(address):
    with pytest.raises(ValueError, match="must be HOST:PORT"):
        sdk.connect(address)


async def test_a_client_that_is_not_entered_says_so():
    with pytest.raises(RuntimeError, match="async with"):
        sdk.connect().stream(few(1), fps=1, slo_ms=100)


async def test_what_the_server_drops_is_reported_with_place_and_reason():
    drop = pb.Drop(place=pb.EXECUTOR, reason="too_late", detail="3 ms short")
    async with (
        FakeServer(drop=drop) as server,
        streaming(server.address, few(4), fps=50, slo_ms=2000) as stream,
    ):
        answers = [answer async for answer in stream]
    for answer in answers:
        assert answer.verdict is Verdict.DROPPED
        assert answer.drop == sdk.Drop(Place.EXECUTOR, Reason.TOO_LATE)
        assert answer.detail == "3 ms short"
        assert answer.detections is answer.latency_ms is None
    check_account(stream, answers)


async def test_late_answers_are_late_and_not_lost():
    async with (
        FakeServer(answer_s=0.1) as server,
        streaming(server.address, few(4), fps=50, slo_ms=50) as stream,
    ):
        answers = [answer async for answer in stream]
    assert {answer.verdict for answer in answers} == {Verdict.LATE}
    assert all(answer.latency_ms > 50 and len(answer.detections) for answer in answers)
    check_account(stream, answers)


async def test_second_answers_are_counted_and_not_applied():
    async with (
        FakeServer(num_results=2) as server,
        streaming(server.address, few(6), fps=50, slo_ms=2000) as stream,
    ):
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    assert 5 <= stream.ledger.duplicated <= 6, "the last one may come after the goodbye"


async def test_frames_without_an_answer_are_given_up(monkeypatch):
    monkeypatch.setattr(stream_module, "NO_ANSWER_AFTER_MS", 100.0)
    async with (
        FakeServer(num_results=0) as server,
        streaming(server.address, few(4), fps=50, slo_ms=50) as stream,
    ):
        answers = [answer async for answer in stream]
    assert reasons(answers) == {"no_answer": 4}
    check_account(stream, answers)


async def test_an_answer_to_a_frame_given_up_is_no_second_verdict(monkeypatch):
    monkeypatch.setattr(stream_module, "NO_ANSWER_AFTER_MS", 20.0)
    async with (
        FakeServer(answer_s=0.15) as server,
        streaming(server.address, few(20), fps=50, slo_ms=20) as stream,
    ):
        answers = [answer async for answer in stream]
    assert reasons(answers) == {"no_answer": 20}
    assert stream.num_late_answers > 5
    assert stream.ledger.duplicated == 0
    check_account(stream, answers)


async def test_the_advised_side_is_followed_down_to_what_the_link_carries():
    async with (
        FakeServer(advised_px=608) as server,
        streaming(
            server.address, few(8), fps=10, slo_ms=5000, bandwidth_kbps=3000, wire_ms=0
        ) as stream,
    ):
        answers = [answer async for answer in stream]
    # At the guess of 3 Mbit/s and 10 fps the 200 kbit of side 320 fit, the 600 of 608 do not.
    assert answers[0].record.side_px == 320
    assert answers[-1].record.side_px == 608, "the acks tell that the link is faster"
    assert answers[0].record.advised_side_px == 608


async def test_a_slow_link_gets_the_newest_frames_and_no_stale_ones():
    slo_ms = 1000
    # A frame of noise of side 128 has about 100 kbit: 10 frames a second go through.
    async with (
        FakeServer(advised_px=128) as server,
        Link(LinkConfig("slow", server.address, constant_trace(1.0))) as link,
        streaming(
            f"127.0.0.1:{link.port}", few(90, IMAGE), fps=30, slo_ms=slo_ms, bandwidth_kbps=1000
        ) as stream,
    ):
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    counts = reasons(answers)
    assert counts["superseded"] > 30, counts
    assert counts["in_time"] > 10, counts
    assert counts["late"] == 0, counts
    ages = [frame.age_ms for frame in server.frames]
    assert np.median(ages) < 100, "frames are sent young"
    captured = [a.record.captured_ms for a in answers if a.verdict is Verdict.IN_TIME]
    assert np.diff(captured).max() < 600, "and all the time"
    assert stream.bandwidth_kbps == pytest.approx(1000, rel=0.3)


async def test_a_frame_that_cannot_arrive_in_time_is_not_sent():
    async with (
        FakeServer(advised_px=128) as server,
        streaming(
            server.address, few(10, IMAGE), fps=100, slo_ms=50, bandwidth_kbps=100, wire_ms=0
        ) as stream,
    ):
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    assert answers[0].drop is None, "the first one is sent all the same, to measure the link"
    assert {a.drop.reason for a in answers if a.drop} <= {Reason.SUPERSEDED, Reason.LINK_TOO_SLOW}


async def test_an_outage_is_survived_in_the_same_session():
    async with FakeServer(advised_px=128) as server:
        config = LinkConfig("a", server.address, constant_trace(10.0))
        async with (
            Link(config) as link,
            streaming(f"127.0.0.1:{link.port}", ArraySource([FLAT]), fps=20, slo_ms=200) as stream,
        ):
            answers = []

            async def take():
                async for answer in stream:
                    answers.append(answer)  # noqa: PERF401 looked at while it grows

            taking = asyncio.create_task(take())
            await until(lambda: sum(a.is_in_time for a in answers) >= 10)
            link.cut()
            cut = time.monotonic()
            await until(lambda: time.monotonic() - cut > 3)
            assert stream.ledger.captured - len(answers) <= 3, "nothing piles up"
            num_before = len(answers)
            link.set_uplink_kbps(10_000)
            link.set_downlink_kbps(10_000)
            restored = time.monotonic()
            await until(lambda: sum(a.is_in_time for a in answers[num_before:]) >= 10)
            assert time.monotonic() - restored < 3
            stream.stop()
            await taking
    check_account(stream, answers)
    assert len(server.registrations) == 1
    fresh = next(a for a in answers[num_before:] if a.is_in_time)
    assert fresh.latency_ms < 200
    counts = reasons(answers)
    assert counts["superseded"] > 40, counts
    assert counts["no_answer"] + counts["late"] <= 2, "at most two frames were in the socket"
    assert stream.ledger.duplicated == 0


async def test_a_server_that_dies_and_comes_back_is_found_again():
    server = FakeServer(answer_s=0.05)
    async with server, streaming(server.address, ArraySource([FLAT]), fps=50, slo_ms=500) as stream:
        answers = []
        async for answer in stream:
            answers.append(answer)
            if len(answers) == 20:
                await server.stop()
            if answer.drop and reasons(answers)["not_connected"] == 10:
                await server.start()
                started = time.monotonic()
            if len(server.registrations) == 2 and answer.is_in_time:
                break
        assert time.monotonic() - started < 5
        stream.stop()
        answers += [answer async for answer in stream]
    check_account(stream, answers)
    counts = reasons(answers)
    assert counts["connection_lost"] >= 1, counts
    assert counts["not_connected"] >= 10, counts
    sequences = [frame.sequence for frame in server.frames]
    assert sequences == sorted(set(sequences)), "they rise over sessions"
    assert server.registrations[1].link.bandwidth_kbps != 10_000, "what was learned is kept"


async def test_a_reset_costs_the_frames_under_way_and_little_more():
    async with (
        FakeServer(answer_s=0.05) as server,
        Link(LinkConfig("a", server.address)) as link,
        streaming(f"127.0.0.1:{link.port}", ArraySource([FLAT]), fps=50, slo_ms=500) as stream,
    ):
        answers = []
        async for answer in stream:
            answers.append(answer)
            if len(answers) in {20, 80}:
                link.reset()
            if len(answers) == 140:
                stream.stop()
    check_account(stream, answers)
    counts = reasons(answers)
    assert len(server.registrations) == 3
    assert 2 <= counts["connection_lost"] <= 12, counts
    assert counts["in_time"] > 40, counts


async def test_a_refusal_on_reconnecting_is_not_the_end():
    refusal = pb.Refusal(reason=pb.Refusal.OVERLOAD, detail="full")
    async with (
        FakeServer() as server,
        Link(LinkConfig("a", server.address)) as link,
        streaming(f"127.0.0.1:{link.port}", ArraySource([FLAT]), fps=50, slo_ms=500) as stream,
    ):
        answers = []
        async for answer in stream:
            answers.append(answer)
            if len(answers) == 10:
                server.refusal = refusal
                link.reset()
            if len(server.registrations) == 3:
                server.refusal = None
            if len(server.registrations) > 3 and answer.is_in_time:
                stream.stop()
    check_account(stream, answers)
    assert reasons(answers)["not_connected"] > 5


async def test_a_draining_server_gets_no_new_frames():
    async with (
        FakeServer(answer_s=0.05) as server,
        streaming(server.address, ArraySource([FLAT]), fps=50, slo_ms=500) as stream,
    ):
        answers = []
        async for answer in stream:
            answers.append(answer)
            if len(answers) == 10:
                notice = pb.Notice(kind=pb.Notice.DRAINING, detail="bye")
                server.say(pb.ServerMessage(notice=notice))
            if reasons(answers)["draining"] == 1:
                num_sent = len(server.frames)
            if reasons(answers)["draining"] == 10:
                stream.stop()
    check_account(stream, answers)
    assert len(server.frames) == num_sent
    assert {a.drop.place for a in answers if a.drop} == {Place.CLIENT}
    assert reasons(answers)["connection_lost"] == 0, "what was under way is still answered"


@pytest.mark.parametrize("code", ["ABORTED", "INVALID_ARGUMENT"])
async def test_a_stream_that_the_server_ends_for_good_fails(code):
    end = (grpc.StatusCode[code], "the stream was registered again")
    async with FakeServer(end_with=end) as server, sdk.connect(server.address) as client:
        stream = client.stream(ArraySource([FLAT]), fps=50, slo_ms=500)
        answers = []
        with pytest.raises(sdk.StreamFailed, match="registered again"):
            await collect(stream, answers)
    check_account(stream, answers)
    # gRPC may hide the status where a frame was being written: then it is asked for again.
    assert len(server.registrations) <= 3


@pytest.mark.parametrize(
    "message",
    [
        pb.ServerMessage(results=[pb.Result(sequence=10**9, verdict=pb.ANSWERED)]),
        pb.ServerMessage(results=[pb.Result(sequence=5)]),
        pb.ServerMessage(
            results=[
                pb.Result(
                    sequence=5, verdict=pb.DROPPED, drop=pb.Drop(place=pb.EXECUTOR, reason="mood")
                )
            ]
        ),
        pb.ServerMessage(
            results=[
                pb.Result(
                    sequence=5, verdict=pb.ANSWERED, detections=pb.Detections(boxes=[1, 2, 3])
                )
            ]
        ),
    ],
    ids=["unknown frame", "no verdict", "unknown reason", "odd boxes"],
)
async def test_a_server_that_says_what_cannot_be_ends_the_stream(message):
    async with FakeServer(num_results=0) as server, sdk.connect(server.address) as client:
        stream = client.stream(ArraySource([FLAT]), fps=50, slo_ms=500)
        answers = []
        telling = asyncio.create_task(until(lambda: len(server.frames) > 5))
        telling.add_done_callback(lambda _: server.say(message))
        with pytest.raises(sdk.StreamFailed, match=f"{server.address} says"):
            await collect(stream, answers)
    check_account(stream, answers)


async def test_unread_answers_are_bounded_and_the_account_stays_right():
    async with (
        FakeServer() as server,
        streaming(server.address, few(40), fps=200, slo_ms=2000, max_unread=8) as stream,
    ):
        await until(lambda: stream.ledger.captured == 40 and stream.ledger.lost == 0)
        unread = [answer.sequence async for answer in stream]
    assert len(unread) == 8
    assert min(unread) > 25, "the newest are kept"
    assert stream.num_unread == 32
    stream.ledger.check_invariants()


async def test_an_exception_in_the_block_ends_the_stream_at_once():
    async with FakeServer(num_results=0) as server, sdk.connect(server.address) as client:
        stream = client.stream(ArraySource([FLAT]), fps=50, slo_ms=60_000)

        async def divide():
            async with stream:
                await until(lambda: len(server.frames) > 2)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await divide()
        await until(lambda: server.num_open == 0)
    assert stream.ledger.lost == 0
    stream.ledger.check_invariants()


async def test_a_source_that_fails_ends_the_stream_with_its_error():
    class Broken(ArraySource):
        def read(self, index):
            if index == 5:
                raise sdk.ClientError("the lens fell off")
            return super().read(index)

    async with FakeServer() as server, sdk.connect(server.address) as client:
        stream = client.stream(Broken([FLAT]), fps=50, slo_ms=500)
        answers = []
        with pytest.raises(sdk.ClientError, match="lens"):
            await collect(stream, answers)
    assert len(answers) == 5
    check_account(stream, answers)


async def test_a_picture_that_cannot_be_encoded_ends_the_stream_with_its_error():
    grey = np.zeros((90, 160), np.uint8)
    async with FakeServer() as server, sdk.connect(server.address) as client:
        stream = client.stream(few(5, grey), fps=50, slo_ms=500)
        with pytest.raises(ValueError, match="must be \\[height, width, 3\\]"):
            await collect(stream, [])
    assert stream.ledger.lost == 0


async def test_answers_come_with_their_pictures_if_wanted():
    async with (
        FakeServer() as server,
        streaming(server.address, few(3), fps=50, slo_ms=2000, keep_images=True) as stream,
    ):
        async for answer in stream:
            assert answer.image is FLAT


async def test_a_slow_reader_does_not_slow_others():
    class Slow(ArraySource):
        is_live = True

        def read(self, index):
            time.sleep(0.1)
            return super().read(index)

    async with FakeServer() as server, sdk.connect(server.address) as client:
        live = client.stream(Slow([FLAT]), fps=100, slo_ms=2000, num_frames=50)
        file = client.stream(few(20), fps=50, slo_ms=2000)
        async with live, file:
            answers = [answer async for answer in file]
            live.stop()
            slow = [answer async for answer in live]
    assert max(a.latency_ms for a in answers) < 1000
    assert 1 <= len(slow) < 20, "a live source is captured when it has a picture"
    check_account(live, slow)
    assert all(answer.latency_ms < 1000 for answer in slow if answer.latency_ms)
