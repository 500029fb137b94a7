from __future__ import annotations

import asyncio

from moonjelly.protos.serving_pb2 import ANSWERED, Notice
from moonjelly.server.endpoint.outbox import FULL_LENGTH, Outbox


async def test_everything_that_is_due_is_taken_at_once() -> None:
    outbox = Outbox()
    outbox.add_ack(1, 10.0)
    outbox.add_ack(2, 12.0)
    outbox.add_result(1).verdict = ANSWERED
    outbox.add_notice(Notice.DRAINING, "bye")
    assert not outbox.is_empty
    message = outbox.take(15.0)
    assert [(ack.sequence, ack.held_ms) for ack in message.acks] == [(1, 5.0), (2, 3.0)]
    assert [result.sequence for result in message.results] == [1]
    assert message.notice.kind == Notice.DRAINING
    assert outbox.is_empty
    assert not outbox.take(16.0).acks


async def test_one_notice_waits_at_a_time() -> None:
    outbox = Outbox()
    outbox.add_notice(Notice.DRAINING, "first")
    outbox.add_notice(Notice.BAD_MESSAGE, "second")
    assert outbox.take(0.0).notice.detail == "first"
    outbox.add_notice(Notice.BAD_MESSAGE, "third")
    assert outbox.take(0.0).notice.detail == "third"


async def test_the_sender_sleeps_until_there_is_something() -> None:
    outbox = Outbox()
    waiting = asyncio.create_task(outbox.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.add_ack(1, 0.0)
    await asyncio.wait_for(waiting, 5)
    await asyncio.wait_for(outbox.wait(), 5)  # there still is


async def test_closing_wakes_both_sides() -> None:
    outbox = Outbox()
    for sequence in range(FULL_LENGTH):
        outbox.add_ack(sequence, 0.0)
    reader = asyncio.create_task(outbox.wait_for_room())
    await asyncio.sleep(0)
    outbox.close()
    await asyncio.wait_for(reader, 5)
    outbox.take(0.0)
    await asyncio.wait_for(outbox.wait(), 5)
    assert outbox.is_closed
    assert outbox.is_empty


async def test_the_reader_waits_while_it_is_full() -> None:
    outbox = Outbox()
    for sequence in range(FULL_LENGTH):
        assert not outbox.is_full
        outbox.add_ack(sequence, 0.0)
    assert outbox.is_full
    reader = asyncio.create_task(outbox.wait_for_room())
    await asyncio.sleep(0)
    assert not reader.done()
    outbox.take(0.0)
    await asyncio.wait_for(reader, 5)


async def test_a_cancelled_sender_can_wait_again() -> None:
    outbox = Outbox()
    waiting = asyncio.create_task(outbox.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    outbox.add_result(1)
    await asyncio.wait_for(outbox.wait(), 5)


async def test_an_ack_soon_after_a_message_waits_a_millisecond_at_most() -> None:
    outbox = Outbox()
    outbox.add_ack(1, 0.0)
    outbox.take(0.0)
    outbox.add_ack(2, 0.0)
    waiting = asyncio.create_task(outbox.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    await asyncio.wait_for(waiting, 5)
    assert [ack.sequence for ack in outbox.take(0.0).acks] == [2]


async def test_a_result_takes_waiting_acks_along_at_once() -> None:
    outbox = Outbox()
    outbox.add_ack(1, 0.0)
    outbox.take(0.0)
    waiting = asyncio.create_task(outbox.wait())
    await asyncio.sleep(0)
    outbox.add_ack(2, 0.0)
    outbox.add_result(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiting.done()
    message = outbox.take(0.0)
    assert (len(message.acks), len(message.results)) == (1, 1)
    assert outbox._timer is None


async def test_no_message_is_larger_than_one_mebibyte_however_much_was_found() -> None:
    outbox = Outbox()
    for sequence in range(FULL_LENGTH):
        outbox.add_ack(2**64 - 1, 0.0)
        result = outbox.add_result(sequence)
        result.detections.boxes.extend([0.5] * 4000)
        result.detections.scores.extend([0.5] * 1000)
        result.detections.class_ids.extend([1000] * 1000)
        result.drop.detail = "x" * 512
        result.variant = "v" * 64
    sequences: list[int] = []
    while not outbox.is_empty:
        await asyncio.wait_for(outbox.wait(), 5)  # there is something
        message = outbox.take(1.0)
        assert message.ByteSize() <= 2**20
        sequences += [result.sequence for result in message.results]
    assert sequences == list(range(FULL_LENGTH))
