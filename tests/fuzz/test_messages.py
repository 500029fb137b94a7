"""Messages of clients, and of peers inside, that say what nobody should say."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any

import google_crc32c
import grpc
import pytest
from endpoint_under_fire import EndpointUnderFire, harness_module
from hypothesis import strategies as st

from moonjelly.protos import internal_pb2, serving_pb2

LIMIT_S = 10.0
DOUBLES = (0.0, -0.0, 1.0, -1.0, 1e-300, 5e-324, 0.999, 1e8, 1e9, 1.79e308, -1.79e308)
DOUBLES += (float("nan"), float("inf"), float("-inf"), 0.001, 240.0, 6e4, 1e4, 2.0**63, 33.3)
WHOLES = (0, 1, 2, 15, 16, 127, 128, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
TEXTS = ("", "a", "cam", "../x", "a\nb", "\0", "é", "x" * 65, "y" * 5000, "executor-0", "gpu0")
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
}
ENDS = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
}
NOT_OURS = (
    "Traceback",
    ".py",
    ".cpp",
    "/usr",
    "/home",
    "/tmp",
    "packages",
    "object at",
    "Error",
    "Errno",
)


def fill(message: Any, rng: random.Random, share: float = 0.6, depth: int = 0) -> Any:
    """Gives some of a message's fields values, the odd ones first of all."""
    for field in message.DESCRIPTOR.fields:
        if rng.random() > share:
            continue
        count = rng.choice((0, 1, 1, 2, 5)) if field.is_repeated else 1
        for _ in range(count):
            if field.message_type is not None:
                if depth < 4:
                    part = getattr(message, field.name)
                    fill(part.add() if field.is_repeated else part, rng, share, depth + 1)
                continue
            value = _value(field, rng)
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


def _value(field: Any, rng: random.Random) -> Any:
    kind = field.cpp_type
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        value = rng.choice(DOUBLES)
        return max(-3e38, min(value, 3e38)) if kind == field.CPPTYPE_FLOAT else value
    if kind == field.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if kind == field.CPPTYPE_STRING:
        is_bytes = field.type == field.TYPE_BYTES
        return rng.randbytes(rng.randrange(64)) if is_bytes else rng.choice(TEXTS)
    if kind == field.CPPTYPE_ENUM:
        return rng.choice([one.number for one in field.enum_type.values])
    most = {field.CPPTYPE_UINT32: 2**32, field.CPPTYPE_INT32: 2**31}.get(kind, 2**64)
    return rng.choice([one for one in WHOLES if one < most])


def bent(data: bytes, rng: random.Random) -> bytes:
    """Serialised bytes, changed a little."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(3)
        if what == 0:
            data = data[:at] + rng.randbytes(rng.randint(1, 4)) + data[at:]
        elif what == 1:
            data = data[:at] + data[at + rng.randint(1, 4) :]
        elif data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    return data


def assert_words_are_ours(text: str) -> None:
    for word in NOT_OURS:
        assert word not in text, text


def odd_registration(rng: random.Random) -> bytes:
    """A registration with a field or two of its own, bent or not."""
    request = harness_module.registration("odd")
    for _ in range(rng.randint(1, 2)):
        request.MergeFrom(fill(serving_pb2.RegisterRequest(), rng, 0.25))
    data = request.SerializeToString()
    return bent(data, rng) if rng.random() < 0.3 else bytes(data)


def odd_frame(rng: random.Random, sequence: int) -> bytes:
    """A message of a client: mostly a frame with a field or two of its own."""
    message = harness_module.frame(sequence)
    what = rng.random()
    if what < 0.6:
        odd = fill(serving_pb2.Frame(), rng, 0.15)
        odd.ClearField("jpeg" if rng.random() < 0.8 else "link")
        message.frame.MergeFrom(odd)
        if odd.jpeg and rng.random() < 0.7:
            message.frame.jpeg_crc32c = google_crc32c.value(odd.jpeg)
            message.frame.jpeg_bytes = len(odd.jpeg)
    elif what < 0.65:
        message = fill(serving_pb2.ClientMessage(), rng, 0.3)
    data = message.SerializeToString()
    return bent(data, rng) if what > 0.9 else bytes(data)


async def register(harness: Any, data: bytes) -> str:
    """Registers with raw bytes; returns the session, or nothing where it was refused."""
    call = harness.channel().unary_unary(
        "/moonjelly.v1.Serving/Register", response_deserializer=serving_pb2.RegisterReply.FromString
    )
    try:
        return str((await call(data, timeout=LIMIT_S)).session)
    except grpc.aio.AioRpcError as error:
        assert error.code() in REFUSALS, error
        assert_words_are_ours(error.details() or "")
        if error.code() is grpc.StatusCode.INTERNAL:
            assert error.details() == "a message cannot be parsed"
        return ""


async def stream(harness: Any, session: str, messages: list[bytes]) -> None:
    """Sends raw messages; whatever was acked must have ended, if the call was not cut off."""
    call = harness.channel().stream_stream(
        "/moonjelly.v1.Serving/Stream", response_deserializer=serving_pb2.ServerMessage.FromString
    )()
    client = harness_module.FakeClient(call)
    opening = harness_module.open_of(session)
    goodbye = serving_pb2.ClientMessage(goodbye=serving_pb2.Goodbye())
    with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError, grpc.aio.UsageError):
        for data in (opening.SerializeToString(), *messages, goodbye.SerializeToString()):
            await call.write(data)
    code, detail = await client.end()
    assert code in ENDS, (code, detail)
    assert_words_are_ours(detail or "")
    for result in client.results:
        assert_words_are_ours(result.drop.detail)
    if code is grpc.StatusCode.OK:
        acked = Counter(ack.sequence for ack in client.acks)
        assert acked == Counter(result.sequence for result in client.results)


def test_odd_messages_of_clients_end_in_an_answer(fuzz) -> None:
    async def shot(harness: Any) -> None:
        session = await register(harness, odd_registration(rng))
        if not session:
            session = await harness.register("odd")
        messages = [odd_frame(rng, number) for number in range(rng.randint(1, 12))]
        await stream(harness, session, messages)

    rng = random.Random()
    with EndpointUnderFire.running() as under_fire:

        def check(number: int) -> None:
            rng.seed(number)
            under_fire.shoot(shot)

        fuzz(check, st.integers(0, 2**64 - 1), examples=20)


def odd_envelope(rng: random.Random, kinds: tuple[str, ...]) -> internal_pb2.Envelope:
    """What a peer might say if it had gone mad."""
    envelope = internal_pb2.Envelope()
    part = getattr(envelope, rng.choice(kinds))
    part.SetInParent()
    fill(part, rng, 0.7)
    return envelope


@pytest.mark.parametrize(
    ("peer", "kinds"),
    [
        ("executor", ("results", "executor_status", "frame", "cancel", "plan", "join_reply")),
        ("scheduler", ("plan", "join_reply", "results", "snapshot", "superseded", "heartbeat")),
    ],
)
def test_a_peer_that_has_gone_mad_harms_no_camera(fuzz, peer, kinds) -> None:
    async def shot(harness: Any) -> None:
        client = await harness.stream("victim")
        executor = harness.executors["gpu0"]
        executor.is_holding = True
        await client.send(harness.frame(0))
        await harness.until(lambda: bool(executor.frames))
        held = executor.frames[-1].ticket
        talker = executor if peer == "executor" else harness.scheduler
        for _ in range(rng.randint(1, 8)):
            envelope = odd_envelope(rng, kinds)
            for result in envelope.results.frames:
                if rng.random() < 0.5:
                    result.ticket = held
            talker.channel.send(envelope)
        executor.is_holding = False
        executor.answer(*executor.frames)
        executor.frames.clear()
        await client.results_of(1)
        harness.scheduler.epoch = max(harness.scheduler.epoch, 2**40)
        harness.scheduler.publish()
        await client.goodbye()

    rng = random.Random()
    with EndpointUnderFire.running() as under_fire:

        def check(number: int) -> None:
            rng.seed(number)
            under_fire.shoot(shot)

        fuzz(check, st.integers(0, 2**64 - 1), examples=20)
