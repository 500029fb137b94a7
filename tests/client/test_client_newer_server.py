"""A server that is newer than the client says words, values and fields that are not known here."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from fake_server import FakeServer, until
from google.protobuf import any_pb2
from google.rpc import code_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from streaming import FLAT, check_account, collect, decided, few, reasons, streaming

from moonjelly import client as sdk
from moonjelly.adapting.client_link import ClientLink
from moonjelly.adapting.estimators import make_estimator
from moonjelly.adapting.frame_sizes import FrameChoices, FrameSize
from moonjelly.adapting.frames import OfferedFrame
from moonjelly.adapting.policies.registry import policy
from moonjelly.adapting.sender import End, Sender
from moonjelly.client import ArraySource, Drop, Place, Reason, Verdict
from moonjelly.client.answers import read_result
from moonjelly.core.advice import NO_ADVICE
from moonjelly.protos import serving_pb2 as pb

UNKNOWN_FIELD = b"\xfa\x3f\x05hello"  # number 1023, five bytes


def dropped(place, reason, detail=""):
    return pb.Result(
        verdict=pb.DROPPED, drop=pb.Drop(place=place, reason=reason, code="X", detail=detail)
    )


@pytest.mark.parametrize(
    ("result", "drop", "detail"),
    [
        (dropped(pb.EXECUTOR, "mood"), Drop(Place.EXECUTOR, Reason.OTHER), "mood"),
        (
            dropped(pb.ENDPOINT, "mood", "it is monday"),
            Drop(Place.ENDPOINT, Reason.OTHER),
            "mood: it is monday",
        ),
        (dropped(pb.ENDPOINT, "a\nb\x1b[2J"), Drop(Place.ENDPOINT, Reason.OTHER), "a b [2J"),
        (dropped(pb.ENDPOINT, ""), Drop(Place.ENDPOINT, Reason.OTHER), ""),
        (dropped(77, "too_late", "late"), Drop(Place.OTHER, Reason.TOO_LATE), "place 77: late"),
        (dropped(0, "too_late"), Drop(Place.OTHER, Reason.TOO_LATE), "place 0"),
        (pb.Result(verdict=9), Drop(Place.OTHER, Reason.OTHER), "verdict 9: place 0"),
        (pb.Result(), Drop(Place.OTHER, Reason.OTHER), "verdict 0: place 0"),
    ],
)
async def test_words_that_are_not_known_become_other_and_the_stream_goes_on(result, drop, detail):
    async with (
        FakeServer(results=[result]) as server,
        streaming(server.address, few(6), fps=20, slo_ms=2000) as stream,
    ):
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    known = decided(answers)
    assert (known[0].verdict, known[0].drop) == (Verdict.DROPPED, drop)
    assert known[0].detail == detail
    assert {answer.verdict for answer in known[1:]} == {Verdict.IN_TIME}
    assert len(server.registrations) == 1


async def test_fields_and_notices_that_are_not_known_are_passed_over():
    message = pb.ServerMessage(notice=pb.Notice(kind=99, detail="rest a while"))
    message.MergeFromString(UNKNOWN_FIELD)
    async with (
        FakeServer() as server,
        streaming(server.address, few(10), fps=20, slo_ms=2000) as stream,
    ):
        await until(lambda: len(server.frames) > 1)
        server.say(message)
        server.say(pb.ServerMessage())
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    assert {answer.verdict for answer in decided(answers)} == {Verdict.IN_TIME}
    assert len(server.registrations) == 1


async def test_offers_that_cannot_be_used_are_left_out():
    class Newer(FakeServer):
        async def Register(self, request, context):  # noqa: N802 gRPC's name
            reply = await super().Register(request, context)
            reply.zoo.sizes.add(side_px=10_000, frame_kbits=1e9)
            reply.zoo.sizes.add(side_px=64, frame_kbits=float("nan"))
            reply.zoo.qualities.add(quality=70, accuracy_ratio=1.5, size_ratio=0.5)
            reply.zoo.qualities.add()
            reply.MergeFromString(UNKNOWN_FIELD)
            return reply

    async with Newer() as server, streaming(server.address, few(3), fps=20, slo_ms=2000) as stream:
        answers = [answer async for answer in stream]
    assert {answer.record.side_px for answer in decided(answers)} <= {128, 320}


async def test_a_refusal_for_a_reason_that_is_not_known_is_one_all_the_same():
    refusal = pb.Refusal(
        reason=42,
        detail="the moon\nis full",
        retry_after_ms=float("nan"),
        counter_offers=[
            pb.CounterOffer(fps=float("nan"), slo_ms=1),
            pb.CounterOffer(fps=-1, slo_ms=1),
            pb.CounterOffer(fps=5, slo_ms=300),
        ],
    )
    async with FakeServer(refusal=refusal) as server, sdk.connect(server.address) as client:
        with pytest.raises(sdk.Refused) as caught:
            await client.stream(few(1), fps=10, slo_ms=200).__aenter__()
    assert caught.value.reason == "other"
    assert caught.value.detail == "reason 42: the moon is full"
    assert caught.value.counter_offers == (sdk.CounterOffer(5, 300),)
    assert caught.value.retry_after_ms == 0


class OtherDetails(FakeServer):
    """Ends a registration with details that are no refusal, or do not fit the status."""

    details = b""

    async def Register(self, request, context):  # noqa: N802 gRPC's name
        self.registrations.append(request)
        if len(self.registrations) < 3:
            context.set_trailing_metadata([("grpc-status-details-bin", self.details)])
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls")
        return await super().Register(request, context)


def packed(message, code=code_pb2.RESOURCE_EXHAUSTED, text="too many calls"):
    from google.rpc import status_pb2

    detail = any_pb2.Any()
    detail.Pack(message)
    return status_pb2.Status(code=code, message=text, details=[detail]).SerializeToString()


@pytest.mark.parametrize(
    "details",
    [
        b"",
        b"\xff\xff\xff",
        packed(pb.CounterOffer()),
        packed(pb.Refusal(reason=pb.Refusal.OVERLOAD), code=code_pb2.ABORTED),
        packed(pb.Refusal(reason=pb.Refusal.OVERLOAD), text="something else"),
    ],
    ids=["none", "broken", "another message", "another code", "another text"],
)
async def test_resource_exhausted_without_a_refusal_is_asked_again(details):
    server = OtherDetails()
    server.details = details
    async with server, streaming(server.address, few(3), fps=50, slo_ms=2000) as stream:
        answers = [answer async for answer in stream]
    assert len(server.registrations) == 4
    check_account(stream, answers)


async def test_resource_exhausted_for_ever_is_said_when_the_time_is_over():
    error = (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls")
    async with FakeServer(register_error=error) as server, sdk.connect(server.address) as client:
        stream = client.stream(few(1), fps=10, slo_ms=200, connect_timeout_s=0.7)
        with pytest.raises(sdk.Unavailable, match="takes no streams now: too many calls"):
            await stream.__aenter__()
    assert len(server.registrations) > 1


@pytest.mark.parametrize("code", [code_pb2.UNAVAILABLE, code_pb2.RESOURCE_EXHAUSTED])
async def test_a_server_that_is_not_ready_is_asked_again_when_it_says(code):
    refusal = pb.Refusal(
        reason=pb.Refusal.NOT_READY, detail="no device is ready", retry_after_ms=700
    )
    async with (
        FakeServer(refusal=refusal, refusal_code=code) as server,
        sdk.connect(server.address) as client,
    ):
        loop = asyncio.get_running_loop()
        asked_s = []

        def ready_at_the_third_time(request):
            asked_s.append(loop.time())
            if len(asked_s) == 3:
                server.refusal = None

        server.registrations = Listening(ready_at_the_third_time)
        stream = client.stream(few(3), fps=50, slo_ms=2000, connect_timeout_s=30)
        answers = []
        await collect(stream, answers)
    check_account(stream, answers)
    assert len(asked_s) == 3
    assert asked_s[1] - asked_s[0] > 0.5, "700 ms and a fifth less, so that not all ask at once"


async def test_a_server_that_never_gets_ready_is_said_so():
    refusal = pb.Refusal(
        reason=pb.Refusal.NOT_READY, detail="no device is ready", retry_after_ms=60_000
    )
    async with (
        FakeServer(refusal=refusal, refusal_code=code_pb2.UNAVAILABLE) as server,
        sdk.connect(server.address) as client,
    ):
        stream = client.stream(few(1), fps=10, slo_ms=200, connect_timeout_s=1.5)
        with pytest.raises(sdk.Unavailable, match="no device is ready"):
            await stream.__aenter__()
    assert len(server.registrations) >= 2, "advice that leads beyond the end is not followed so far"


class Listening(list):
    def __init__(self, tell):
        super().__init__()
        self._tell = tell

    def append(self, request):
        super().append(request)
        self._tell(request)


results = st.builds(
    pb.Result,
    sequence=st.integers(0, 3),
    verdict=st.integers(-(2**31), 2**31 - 1),
    drop=st.builds(
        pb.Drop,
        place=st.integers(-(2**31), 2**31 - 1),
        reason=st.text(max_size=20) | st.sampled_from([str(one) for one in Reason]),
        code=st.text(max_size=5),
        detail=st.text(max_size=20),
    ),
    variant=st.text(max_size=5),
    advised_side_px=st.integers(0, 2**32 - 1),
    plan_epoch=st.integers(0, 2**64 - 1),
)


def sender_with_frames_sent(num_frames):
    link = ClientLink(100.0, 100.0, make_estimator(1e6, 100.0), policy("none"))
    sender = Sender(link)
    sender.connected(FrameChoices([FrameSize(128, 1.0)]), NO_ADVICE)
    for sequence in range(num_frames):
        now_ms = float(sequence)
        sender.offered(OfferedFrame(sequence, now_ms), now_ms)
        sender.tick(now_ms)
        sender.encoded(sequence, 1e-6, now_ms, needs_writing=False)
        sender.tick(now_ms)
    return sender


@given(st.lists(results, max_size=8))
@settings(max_examples=200, deadline=None)
def test_whatever_words_come_each_frame_has_one_answer(found):
    sender = sender_with_frames_sent(4)
    for result in found:
        sender.answered(result.sequence, read_result(result), 50.0)
    sender.disconnected(50.0)
    ends = [one for one in sender.tick(50.0) if isinstance(one, End)]
    assert sorted(end.frame.sequence for end in ends) == [0, 1, 2, 3]
    sender.ledger.check_invariants()
    assert sender.num_open == 0
    assert sender.ledger.duplicated == len(found) - len({one.sequence for one in found})
    for end in ends:
        assert end.outcome.drop is None or "\n" not in end.outcome.drop.reason


async def test_the_reason_of_each_drop_is_counted_by_a_word_that_is_known():
    async with (
        FakeServer(drop=pb.Drop(place=pb.EXECUTOR, reason="mood")) as server,
        streaming(server.address, ArraySource([FLAT], 5), fps=20, slo_ms=2000) as stream,
    ):
        answers = [answer async for answer in stream]
    assert reasons(decided(answers)).keys() == {"other"}
    assert {outcome.drop.reason for outcome in stream.ledger.counts} <= {
        Reason.OTHER,
        Reason.SUPERSEDED,
    }
