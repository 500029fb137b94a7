"""The SDK against a server that does what the test tells it."""

from __future__ import annotations

import asyncio
import time

import grpc
import numpy as np
import pytest
from fake_server import FakeServer, unused_address
from streaming import FLAT, check_account, decided, few, streaming

from moonjelly import client as sdk
from moonjelly.adapting import sender as sender_module
from moonjelly.client import ArraySource, Place, Reason, Verdict
from moonjelly.links.shapers import LinkConfig
from moonjelly.links.shapers.relay import Link
from moonjelly.protos import serving_pb2 as pb
from moonjelly.vision.preprocessing import encode_frame


async def test_ten_lines_are_enough():
    async with (
        FakeServer() as server,
        sdk.connect(server.address) as client,
        client.stream(few(10), fps=20, slo_ms=2000) as stream,
    ):
        answers = [answer async for answer in stream]
    assert {answer.sequence for answer in answers} == set(range(10))
    first = decided(answers)[0]
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
            few(8),
            fps=20,
            slo_ms=2000,
            wire_ms=3.0,
            bandwidth_kbps=5000,
            stream_id="cam.1",
            zoo="x",
            min_score=0.25,
            classes=("car", "bus"),
            max_boxes=3,
        )
        async with stream:
            assert len([answer async for answer in stream]) == 8
    request = server.registrations[0]
    assert (request.stream_id, request.fps, request.slo_ms, request.zoo) == ("cam.1", 20, 2000, "x")
    assert (request.link.bandwidth_kbps, request.link.wire_ms) == (5000, 3)
    wanted = request.options
    assert (wanted.min_score, wanted.classes, wanted.max_boxes) == (0.25, ["car", "bus"], 3)
    sequences = [frame.sequence for frame in server.frames]
    assert sequences == sorted(set(sequences))
    for frame in server.frames:
        assert 0 <= frame.age_ms < 2000
        assert frame.width_px == frame.height_px in {128, 320}
        assert frame.link.wire_ms == 3
        assert frame.link.bandwidth_kbps > 0
    assert server.frames[0].link.bandwidth_kbps == 5000
    assert server.frames[-1].link.bandwidth_kbps != 5000, "the acks tell"


async def test_labels_are_answers_too():
    told = pb.Labels(class_ids=[1, 0, 2, 3, 4, 5], scores=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
    server = FakeServer(results=[pb.Result(verdict=pb.ANSWERED, labels=told)])
    async with server, streaming(server.address, few(2), fps=10, slo_ms=5000) as stream:
        first, second = [answer async for answer in stream]
    assert first.detections is None
    assert first.labels is first.found
    assert first.labels.class_ids.tolist() == [1, 0, 2, 3, 4], "five at most"
    assert first.record.num_detections is None
    assert second.labels is None
    assert second.record.num_detections == 1


async def test_the_wire_delay_is_measured_when_it_is_not_given():
    async with (
        FakeServer() as server,
        Link(LinkConfig("a", server.address, wire_ms=30)) as link,
        streaming(f"127.0.0.1:{link.port}", few(1), fps=10, slo_ms=5000) as stream,
    ):
        assert 30 <= stream.wire_ms < 1000


class SlowAtFirst(FakeServer):
    """Answers its first health checks late, as one that is still busy starting would."""

    num_slow = 3

    async def Check(self, request, context):  # noqa: N802 gRPC's name
        if self.num_slow:
            self.num_slow -= 1
            await asyncio.sleep(0.3)
        return await super().Check(request, context)


async def test_the_wire_delay_is_measured_again_while_frames_go_out():
    async with (
        SlowAtFirst() as server,
        streaming(server.address, few(2000), fps=50, slo_ms=5000) as stream,
    ):
        assert stream.wire_ms >= 150
        async for _ in stream:
            if stream.wire_ms < 150:
                break
        assert stream.wire_ms < 150


def test_without_async_it_is_the_same(threaded_server):
    with sdk.connect_sync(threaded_server.address) as client:  # noqa: SIM117 as in the documentation
        with client.stream(few(10), fps=50, slo_ms=2000) as stream:
            answers = list(stream)
    assert {answer.verdict for answer in decided(answers)} == {Verdict.IN_TIME}
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
        assert time.monotonic() - started >= 0.5


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
        ({"estimator": "kalman"}, "estimator='kalman': must be one of"),
        ({"num_frames": 0}, "num_frames=0"),
        ({"connect_timeout_s": 0}, "connect_timeout_s=0"),
        ({"connect_timeout_s": float("inf")}, "connect_timeout_s=inf"),
        ({"connect_timeout_s": float("nan")}, "connect_timeout_s=nan"),
        ({"max_unread": 0}, "max_unread=0"),
        ({"policy": "worst"}, "policy='worst': must be one of ladder, best"),
        ({"fps": 0.0005}, "fps=0.0005"),
        ({"ladder": ("height",)}, "ladder='height': must be of fps, quality"),
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
    for answer in decided(answers):
        assert answer.verdict is Verdict.DROPPED
        assert answer.drop == sdk.Drop(Place.EXECUTOR, Reason.TOO_LATE)
        assert answer.detail == "3 ms short"
        assert answer.detections is answer.latency_ms is None
    check_account(stream, answers)


async def test_late_answers_are_late_and_not_lost():
    async with (
        FakeServer(answer_s=0.5) as server,
        streaming(server.address, few(4), fps=10, slo_ms=400) as stream,
    ):
        answers = [answer async for answer in stream]
    assert {answer.verdict for answer in decided(answers)} == {Verdict.LATE}
    assert all(answer.latency_ms > 400 and len(answer.detections) for answer in decided(answers))
    check_account(stream, answers)


async def test_second_answers_are_counted_and_not_applied():
    async with (
        FakeServer(num_results=2) as server,
        streaming(server.address, few(6), fps=20, slo_ms=2000) as stream,
    ):
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    num_sent = len(decided(answers))
    # The last one may come after the goodbye.
    assert num_sent - 1 <= stream.ledger.duplicated <= num_sent


async def test_frames_without_an_answer_are_given_up(monkeypatch):
    monkeypatch.setattr(sender_module, "NO_ANSWER_AFTER_MS", 100.0)
    async with (
        FakeServer(num_results=0) as server,
        streaming(server.address, few(4), fps=10, slo_ms=500) as stream,
    ):
        answers = [answer async for answer in stream]
    assert {answer.drop.reason for answer in decided(answers)} == {Reason.NO_ANSWER}
    check_account(stream, answers)


async def test_an_answer_to_a_frame_given_up_is_no_second_verdict(monkeypatch):
    monkeypatch.setattr(sender_module, "NO_ANSWER_AFTER_MS", 20.0)
    async with (
        FakeServer(answer_s=0.6) as server,
        streaming(server.address, few(15), fps=10, slo_ms=400) as stream,
    ):
        answers = [answer async for answer in stream]
    assert {answer.drop.reason for answer in decided(answers)} == {Reason.NO_ANSWER}
    assert stream.num_late_answers >= 1
    assert stream.ledger.duplicated == 0
    check_account(stream, answers)


async def test_the_advised_side_is_followed_down_to_what_the_link_carries():
    async with (
        FakeServer(advised_px=608) as server,
        streaming(
            server.address, few(10), fps=10, slo_ms=5000, bandwidth_kbps=3000, wire_ms=0
        ) as stream,
    ):
        answers = [answer async for answer in stream]
    # At the guess of 3 Mbit/s and 10 fps the 200 kbit of side 320 fit, the 600 of 608 do not.
    sides = [answer.record.side_px for answer in decided(answers)]
    assert sides[0] == 320
    assert 608 in sides, "the acks tell that the link is faster"
    assert decided(answers)[0].record.advised_side_px == 608


async def test_a_lower_quality_is_sent_where_the_server_says_that_it_is_worth_more():
    # At the guess of 60 kbit/s, 200 kbit of side 320 take longer than the 2 s there are; a quarter does not.
    blobs = np.random.default_rng(0).integers(0, 255, (9, 16, 3), np.uint8)
    low = pb.JpegQuality(quality=40, accuracy_ratio=0.9, size_ratio=0.25)
    async with (
        FakeServer(advised_px=320, served_px=320, qualities=(low,)) as server,
        streaming(
            server.address, few(1, blobs), fps=1, slo_ms=2000, bandwidth_kbps=60, wire_ms=0
        ) as stream,
    ):
        (answer,) = [answer async for answer in stream]
    assert (answer.record.side_px, answer.record.jpeg_quality) == (320, 40)
    assert answer.record.jpeg_bytes < len(encode_frame(blobs, 320, 90))


async def test_a_stream_of_fixed_frames_ignores_link_and_advice():
    async with (
        FakeServer(advised_px=608, served_px=608) as server,
        streaming(server.address, few(5), fps=20, slo_ms=2000, policy="fixed:128") as stream,
    ):
        answers = [answer async for answer in stream]
    assert {answer.record.side_px for answer in decided(answers)} == {128}


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
    assert max(a.latency_ms for a in decided(answers)) < 1000
    assert 1 <= len(slow) < 20, "a live source is captured when it has a picture"
    check_account(live, slow)
    assert all(answer.latency_ms < 1000 for answer in slow if answer.latency_ms)
