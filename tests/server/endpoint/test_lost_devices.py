"""Devices that hang, results that get lost: each frame gets its one end, and others take over."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from moonjelly.protos import internal_pb2, serving_pb2


async def fall_silent(harness, device_id: str = "gpu0") -> None:
    await harness.until(lambda: harness.endpoint.core.silent_devices == [device_id])


async def test_frames_of_a_device_that_hangs_are_answered_by_another(harness) -> None:
    hung, other = harness.executors["gpu0"], harness.executors["gpu1"]
    hung.is_holding = True
    hasty, patient = await harness.stream("hasty", slo_ms=100.0), await harness.stream("patient")
    await patient.send(harness.frame(0))
    await harness.until(lambda: hung.frames)
    await hasty.send(harness.frame(0))
    (moved,) = await patient.results_of(1)
    assert moved.verdict == serving_pb2.ANSWERED
    (late,) = await hasty.results_of(1)
    assert (late.drop.reason, late.drop.place) == ("executor_lost", serving_pb2.ENDPOINT)
    assert harness.endpoint.core.silent_devices == ["gpu0"]
    result = await hasty.result_of(harness.frame(1))  # new frames go there at once
    assert result.verdict == serving_pb2.ANSWERED
    assert len(other.frames) == 2
    assert len(hung.frames) == 2
    assert harness.health == [True]
    await harness.until(lambda: harness.scheduler.snapshots[-1].silent_devices == ["gpu0"])
    assert any(one.is_urgent for one in harness.scheduler.snapshots)


async def test_a_device_that_speaks_again_counts_again(harness) -> None:
    hung = harness.executors["gpu0"]
    hung.is_holding = True
    client = await harness.stream(slo_ms=100.0)
    await client.send(harness.frame(0))
    await client.results_of(1)
    await fall_silent(harness)
    hung.is_holding = False
    hung.answer(*hung.frames)  # of a frame that was taken back: nobody waits for it
    await harness.until(lambda: not harness.endpoint.core.silent_devices)
    result = await client.result_of(harness.frame(1))
    assert result.verdict == serving_pb2.ANSWERED
    assert len(hung.frames) == 2
    assert [one.sequence for one in client.results] == [0, 1]
    await harness.until(lambda: not harness.scheduler.snapshots[-1].silent_devices)
    assert harness.num_free_slots == 16


async def test_a_device_whose_executor_is_new_counts_again(harness) -> None:
    harness.executors["gpu0"].is_holding = True
    client = await harness.stream(slo_ms=100.0)
    await client.send(harness.frame(0))
    await client.results_of(1)
    await fall_silent(harness)
    successor = harness.attach_executor("gpu0")
    await harness.until(lambda: not harness.endpoint.core.silent_devices)
    assert (await client.result_of(harness.frame(1))).verdict == serving_pb2.ANSWERED
    assert len(successor.frames) == 1


async def test_health_agrees_when_every_device_hangs_and_frames_still_end(harness) -> None:
    for executor in harness.executors.values():
        executor.is_holding = True
    client = await harness.stream(slo_ms=100.0)
    await client.send(harness.frame(0))
    await fall_silent(harness)
    await client.send(harness.frame(1))  # goes to the other one, which hangs as well
    await harness.until(lambda: harness.health == [True, False])
    await client.send(harness.frame(2))
    results = await client.results_of(3)
    assert {one.drop.reason for one in results} == {"executor_lost"}
    assert harness.num_free_slots == 16
    hung = harness.executors["gpu1"]
    hung.is_holding = False
    hung.answer(*hung.frames)
    await harness.until(lambda: harness.health == [True, False, True])
    assert (await client.result_of(harness.frame(3))).verdict == serving_pb2.ANSWERED


async def test_a_device_that_answers_others_is_not_lost_and_what_it_forgets_ends(harness) -> None:
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    client = await harness.stream(slo_ms=200.0)
    await client.send(harness.frame(0))
    await harness.until(lambda: executor.frames)
    executor.is_holding = False
    sequence = 0
    while not any(one.sequence == 0 for one in client.results):
        sequence += 1
        await client.result_of(harness.frame(sequence))
        assert not harness.endpoint.core.silent_devices
    (forgotten,) = [one for one in client.results if one.sequence == 0]
    assert forgotten.drop.reason == "executor_lost"
    assert forgotten.timings.server_ms >= 350  # its deadline, and its SLO
    await harness.until(lambda: harness.num_free_slots == 16)
    assert harness.endpoint.core.num_held == 0


async def test_a_device_that_waits_with_overdue_frames_and_says_so_is_not_silent(harness) -> None:
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    client = await harness.stream(slo_ms=100.0)
    await client.send(harness.frame(0))
    await harness.until(lambda: executor.frames)

    async def speak() -> None:
        while True:
            executor.send(internal_pb2.FrameResults())
            assert not harness.endpoint.core.silent_devices
            await asyncio.sleep(0.05)

    speaking = asyncio.create_task(speak())
    (result,) = await client.results_of(1)
    speaking.cancel()
    assert result.drop.reason == "executor_lost"  # nothing was said of the frame itself
    assert harness.health == [True]


async def test_what_executors_said_while_this_process_stood_still_is_heard_first(
    harness, caplog
) -> None:
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    client = await harness.stream(slo_ms=100.0)
    await client.send(harness.frame(0))
    await harness.until(lambda: executor.frames)
    time.sleep(0.8)  # noqa: ASYNC251 - the endpoint is in this process, and stands still
    executor.answer(*executor.frames)
    (result,) = await client.results_of(1)
    assert result.verdict == serving_pb2.ANSWERED
    await harness.until(lambda: "stood still" in caplog.text)
    assert "is silent" not in caplog.text


async def test_the_advice_follows_what_devices_run(harness) -> None:
    client = await harness.stream(fps=10.0)
    await harness.replan()
    executor = harness.executors["gpu0"]
    first = await client.result_of(harness.frame(0))
    assert (first.advised_side_px, first.served_side_px) == (128, 128)
    executor.is_holding = True
    await client.send(harness.frame(1))
    await harness.until(lambda: len(executor.frames) == 2)
    executor.send(
        internal_pb2.FrameResults(
            frames=[
                internal_pb2.FrameResult(
                    ticket=executor.frames[1].ticket, detections=serving_pb2.Detections()
                )
            ],
            variant="yolov4-416",
            inference_ms=3.0,
            batch_size=1,
        )
    )
    results = await client.results_of(2)
    assert results[1].served_side_px == 416
    executor.is_holding = False
    again = await client.result_of(harness.frame(2))
    assert again.served_side_px == 128


@pytest.mark.parametrize("num_frames", [3, 40])
async def test_frames_without_a_slot_wait_for_one(make_harness, num_frames: int) -> None:
    harness = await make_harness(frame_slots=2, max_waiting_frames=64)
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    client = await harness.stream(slo_ms=5000.0)
    for sequence in range(num_frames):
        await client.send(harness.frame(sequence))
    session = harness.session("cam")
    await harness.until(lambda: session.gate.num_under_way == num_frames)
    assert len(executor.frames) == 2
    executor.is_holding = False
    executor.answer(*executor.frames)
    results = await client.results_of(num_frames)
    assert {one.verdict for one in results} == {serving_pb2.ANSWERED}
    assert [one.sequence for one in results] == list(range(num_frames))
    assert harness.num_free_slots == 2
    assert harness.endpoint.core.num_held == 0


async def test_the_frame_with_the_earliest_deadline_gets_the_slot(make_harness) -> None:
    harness = await make_harness(frame_slots=2)
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    slow = await harness.stream("slow", fps=20.0, slo_ms=9000.0)
    fast = await harness.stream("fast", fps=20.0)
    await slow.send(*(harness.frame(sequence) for sequence in range(3)))
    await harness.until(lambda: len(executor.frames) == 2)
    await fast.send(harness.frame(0))
    session = harness.session("fast")
    await harness.until(lambda: session.gate.num_under_way == 1)
    executor.answer(executor.frames[0])
    await harness.until(lambda: len(executor.frames) == 3)
    executor.is_holding = False
    executor.answer(executor.frames[2])
    (result,) = await fast.results_of(1)
    assert result.verdict == serving_pb2.ANSWERED


async def test_a_frame_that_waits_in_vain_says_that_there_was_no_slot(make_harness) -> None:
    harness = await make_harness(frame_slots=2)
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    slow = await harness.stream("slow", fps=20.0, slo_ms=9000.0)
    fast = await harness.stream("fast", fps=20.0, slo_ms=300.0)
    await slow.send(harness.frame(0), harness.frame(1))
    await harness.until(lambda: len(executor.frames) == 2)
    result = await fast.result_of(harness.frame(0))
    assert (result.drop.reason, result.drop.place) == ("no_slot", serving_pb2.ENDPOINT)
    await fast.send(harness.frame(1))
    fast.call.cancel()  # what waits goes with its client
    await harness.until(lambda: len(harness.endpoint.sessions) == 1)
    executor.answer(*executor.frames)
    await slow.results_of(2)
    assert harness.num_free_slots == 2
    assert harness.endpoint.core.num_held == 0


async def test_a_stream_for_which_there_are_no_slots_is_refused(make_harness) -> None:
    harness = await make_harness(frame_slots=2)
    await harness.register("one", fps=240.0)  # 1.8 frames of it are run at a time
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.register("two", fps=240.0)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "frame memory" in caught.value.details()
    assert len(harness.endpoint.sessions) == 1
