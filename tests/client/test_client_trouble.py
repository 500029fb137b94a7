"""The SDK on bad links, with servers that misbehave, and in trouble of its own."""

from __future__ import annotations

import asyncio
import time

import grpc
import numpy as np
import pytest
from fake_server import FakeServer, until
from streaming import FLAT, IMAGE, SOFT, check_account, collect, few, reasons, streaming

from moonjelly import client as sdk
from moonjelly.client import ArraySource, Place, Reason, Verdict
from moonjelly.client import stream as stream_module
from moonjelly.core.errors import RunError
from moonjelly.links.shapers import FaultKind, LinkConfig, Way
from moonjelly.links.shapers.relay import Link
from moonjelly.links.traces import constant_trace
from moonjelly.protos import serving_pb2 as pb
from moonjelly.vision.preprocessing import encode_frame


async def test_a_slow_link_gets_the_newest_frames_and_no_stale_ones():
    # A frame of noise of side 128 has about 100 kbit: 10 frames a second go through.
    async with (
        FakeServer(advised_px=128) as server,
        Link(LinkConfig("slow", server.address, constant_trace(1.0))) as link,
        streaming(
            f"127.0.0.1:{link.port}", few(90, IMAGE), fps=30, slo_ms=1000, bandwidth_kbps=1000
        ) as stream,
    ):
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    counts = reasons(answers)
    assert counts["superseded"] > 30, counts
    assert counts["in_time"] > 10, counts
    assert counts["late"] <= 2, counts
    assert np.median([frame.age_ms for frame in server.frames]) < 100, "frames are sent young"
    captured = [a.record.captured_ms for a in answers if a.verdict is Verdict.IN_TIME]
    assert np.diff(captured).max() < 1000, "and all the time"
    assert stream.bandwidth_kbps == pytest.approx(1000, rel=0.5)


async def test_a_frame_that_cannot_arrive_in_time_is_not_sent():
    async with (
        FakeServer(advised_px=128) as server,
        streaming(
            server.address, few(20, IMAGE), fps=50, slo_ms=300, bandwidth_kbps=100, wire_ms=0
        ) as stream,
    ):
        server.is_mute = True  # no ack tells that the link is faster
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    assert len(server.frames) == 1, "one is sent all the same, to measure the link"
    assert reasons(answers).keys() <= {"superseded", "link_too_slow", "no_answer"}


async def test_a_client_that_encodes_too_slowly_does_not_blame_the_link(monkeypatch):
    def encode_slowly(image, side_px, quality, fit):
        time.sleep(0.2)
        return encode_frame(image, side_px, quality, fit)

    monkeypatch.setattr(stream_module, "encode_frame", encode_slowly)
    async with (
        FakeServer() as server,
        streaming(server.address, few(10), fps=20, slo_ms=100) as stream,
    ):
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    counts = reasons(answers)
    assert counts["client_too_slow"] >= 1, counts
    assert set(counts) == {"client_too_slow", "superseded"}, counts
    assert server.frames == []


async def test_a_link_that_slows_down_is_followed():
    async with (
        FakeServer(advised_px=608) as server,
        Link(LinkConfig("a", server.address, constant_trace(40.0))) as link,
        streaming(f"127.0.0.1:{link.port}", ArraySource([SOFT]), fps=10, slo_ms=1000) as stream,
    ):
        answers, followed = [], []
        slow_since = None
        async for answer in stream:
            answers.append(answer)
            newest = answer.record
            if slow_since is None and newest.side_px == 608 and len(answers) > 10:
                link.set_rate_kbps(Way.UP, 1000)
                slow_since = newest.answered_ms
            elif slow_since and answer.is_in_time and newest.captured_ms > slow_since:
                followed.append(newest.side_px)
                is_known = stream.bandwidth_kbps == pytest.approx(1000, rel=0.6)
                if is_known and len(followed) > 5 and max(followed[-5:]) <= 320:
                    stream.stop()
    check_account(stream, answers)
    assert max(followed[-5:]) <= 320


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
            link.set_rate_kbps(Way.BOTH, 0)
            cut = time.monotonic()
            await until(lambda: time.monotonic() - cut > 3)
            assert stream.ledger.captured - len(answers) <= 3, "nothing piles up"
            num_before = len(answers)
            link.set_rate_kbps(Way.UP, 10_000)
            link.set_rate_kbps(Way.DOWN, 10_000)
            await until(lambda: sum(a.is_in_time for a in answers[num_before:]) >= 10)
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
                num_sent, server.num_results = len(server.frames), 0
                await until(lambda n=num_sent: len(server.frames) > n)  # one is under way
                await server.stop()
                server.num_results = 1
            if answer.drop and reasons(answers)["not_connected"] == 10:
                await server.start()
            if len(server.registrations) == 2 and answer.is_in_time:
                break
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
                await link.break_connections(FaultKind.RESET)
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
                await link.break_connections(FaultKind.RESET)
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
            if reasons(answers)["draining"] == 10:
                stream.stop()
    check_account(stream, answers)
    first = min(a.sequence for a in answers if a.drop and a.drop.reason is Reason.DRAINING)
    assert max(frame.sequence for frame in server.frames) < first
    assert {a.drop.place for a in answers if a.drop} == {Place.CLIENT}
    assert reasons(answers)["connection_lost"] == 0, "what was under way is still answered"


async def test_a_stream_that_the_server_ends_for_good_fails():
    end = (grpc.StatusCode.INVALID_ARGUMENT, "too many bad frames")
    async with FakeServer(end_with=end) as server, sdk.connect(server.address) as client:
        stream = client.stream(ArraySource([FLAT]), fps=50, slo_ms=500)
        answers = []
        with pytest.raises(sdk.StreamFailed, match="too many bad frames"):
            await collect(stream, answers)
    check_account(stream, answers)
    # gRPC may hide the status where a frame was being written: then it is asked for again.
    assert len(server.registrations) <= 3


async def test_a_stream_whose_id_another_one_registers_takes_its_place_again():
    async with (
        FakeServer() as server,
        streaming(server.address, ArraySource([FLAT]), fps=50, slo_ms=500) as stream,
    ):
        answers = []
        async for answer in stream:
            answers.append(answer)
            if len(answers) == 5:
                server.end_all(grpc.StatusCode.ABORTED, "the stream was registered again")
            if len(server.registrations) == 2 and answer.is_in_time:
                stream.stop()
    check_account(stream, answers)
    assert stream.num_taken == 1
    older = [one.older_session for one in server.registrations]
    assert older == ["", "s1"], "it proves that it was there before"
    assert reasons(answers)["not_connected"] >= 10, "it gives the other one a second"


@pytest.mark.parametrize(
    "message",
    [
        pb.ServerMessage(results=[pb.Result(sequence=10**9, verdict=pb.ANSWERED)]),
        pb.ServerMessage(
            results=[
                pb.Result(
                    sequence=5, verdict=pb.ANSWERED, detections=pb.Detections(boxes=[1, 2, 3])
                )
            ]
        ),
        pb.ServerMessage(
            results=[
                pb.Result(
                    sequence=5,
                    verdict=pb.ANSWERED,
                    detections=pb.Detections(boxes=[0, 0, 1, 1], scores=[1], class_ids=[2**32 - 1]),
                )
            ]
        ),
        pb.ServerMessage(
            results=[
                pb.Result(
                    sequence=5,
                    verdict=pb.ANSWERED,
                    labels=pb.Labels(class_ids=[1, 2], scores=[1]),
                )
            ]
        ),
    ],
    ids=["unknown frame", "odd boxes", "huge class", "odd labels"],
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
        with pytest.raises(RunError, match="must be uint8 \\[height, width, 3\\]"):
            await collect(stream, [])
    assert stream.ledger.lost == 0
