"""Whatever happens, every frame that is read ends once: on the wire, in the counts, and in the slots."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from moonjelly.protos import internal_pb2, serving_pb2

NUM_FRAMES = 120


def any_frame(harness, rng: random.Random, sequence: int) -> serving_pb2.ClientMessage:
    kind = rng.randrange(10)
    if kind == 0:
        return harness.frame(sequence, age_ms=rng.choice([-1.0, 1e9, float("nan"), 1990.0]))
    if kind == 1:
        return harness.frame(sequence, rng.randbytes(rng.randrange(300)))
    if kind == 2:
        return harness.frame(sequence, jpeg_crc32c=rng.getrandbits(32))
    if kind == 3:
        link = serving_pb2.LinkEstimate(bandwidth_kbps=rng.choice([0.001, 10.0, 1e9, -1.0]))
        return harness.frame(sequence, link=link)
    return harness.frame(sequence)


async def trouble(harness, rng: random.Random, stop: asyncio.Event) -> None:
    """Kills and restarts executors, and moves streams about, until told to stop."""
    while not stop.is_set():
        device_id = rng.choice(["gpu0", "gpu1"])
        executor = harness.executors[device_id]
        what = rng.randrange(4)
        if what == 0:
            company = [one.ticket for one in executor.frames if not one.is_alone]
            executor.bench.run(company[-rng.randrange(4) :])  # they are suspects from now on
            executor.channel.close()
            harness.tell_death(device_id, is_crash=False)
            await asyncio.sleep(rng.random() * 0.01)
            harness.attach_executor(device_id)
        elif what == 1:
            executor.is_holding = True
        elif what == 2:
            executor.is_holding = False
            held, executor.frames = executor.frames, []
            rng.shuffle(held)
            executor.answer(*held)
        else:
            for stream_id in harness.scheduler.placements:
                harness.scheduler.placements[stream_id] = rng.choice(["gpu0", "gpu1", ""])
            harness.scheduler.publish()
        await asyncio.sleep(rng.random() * 0.01)
    for device_id in ("gpu0", "gpu1"):  # what they hold is answered, or its executor is gone
        harness.executors[device_id].channel.close()


@pytest.mark.parametrize(("seed", "slots"), [(0, 16), (1, 16), (2, 4), (3, 4)])
async def test_every_frame_gets_one_ack_and_one_result(make_harness, seed: int, slots: int) -> None:
    rng = random.Random(seed)
    harness = await make_harness(rate_tolerance_ratio=1e6, frame_slots=slots)
    stop = asyncio.Event()
    troubling = asyncio.create_task(trouble(harness, rng, stop))

    async def stream(stream_id: str) -> None:
        client = await harness.stream(stream_id, slo_ms=500.0)
        for sequence in range(NUM_FRAMES):
            await client.send(any_frame(harness, rng, sequence))
            while sequence + 1 - len(client.results) > 8:
                if not harness.executors["gpu0"].is_holding:
                    await asyncio.wait_for(client.read(), 10)
                else:
                    await asyncio.sleep(0.002)
            if client.call.done():
                break
        finished.append(client)
        if len(finished) == 3:
            stop.set()
        await client.goodbye()

    finished: list = []
    await asyncio.wait_for(asyncio.gather(*(stream(f"cam{n}") for n in range(3))), 60)
    await troubling
    for client in finished:
        acks = Counter(ack.sequence for ack in client.acks)
        results = Counter(result.sequence for result in client.results)
        assert acks == results == Counter(range(len(acks)))
    await harness.until(lambda: len(harness.endpoint.sessions) == 0)
    assert harness.num_free_slots == slots
    assert harness.endpoint.core.num_held == 0


async def test_what_a_mad_executor_says_harms_nobody(harness) -> None:
    client = await harness.stream()
    executor = harness.executors["gpu0"]
    await client.result_of(harness.frame(0))
    empty = internal_pb2.FrameResult(ticket=2**63)
    unknown = internal_pb2.FrameResult(ticket=1, drop_reason="fish", drop_code="CHIPS")
    executor.send(internal_pb2.FrameResults(frames=[empty, unknown, empty], inference_ms=-5.0))
    executor.channel.send(internal_pb2.Envelope(drain=internal_pb2.Drain()))
    executor.is_holding = True
    await client.send(harness.frame(1))
    await harness.until(lambda: len(executor.frames) == 2)
    ticket = executor.frames[1].ticket
    odd = internal_pb2.FrameResult(ticket=ticket, drop_reason="fish", drop_code="CHIPS")
    executor.send(internal_pb2.FrameResults(frames=[odd]))
    results = await client.results_of(2)
    assert (results[1].drop.reason, results[1].drop.code) == ("other", "INTERNAL")
    assert results[1].drop.detail == "fish"
