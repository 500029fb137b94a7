"""Streams from their registration to their end, polite or not."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from moonjelly.core.errors import RunError
from moonjelly.files.tidy_table import read_tidy_table
from moonjelly.protos import internal_pb2, serving_pb2
from moonjelly.server.child import ChildContext
from moonjelly.server.endpoint.process import EndpointProcess
from moonjelly.server.wire.channel import Channel, socket_pair

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
GOODBYE = serving_pb2.ClientMessage(goodbye=serving_pb2.Goodbye())


async def health_of(harness, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(harness.channel())
    return (await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)).status


async def test_a_frame_is_acknowledged_and_answered(harness) -> None:
    client = await harness.stream()
    await harness.replan()
    result = await client.result_of(harness.frame(7))
    assert [ack.sequence for ack in client.acks] == [7]
    assert client.acks[0].held_ms >= 0
    assert result.sequence == 7
    assert result.verdict == serving_pb2.ANSWERED
    assert list(result.detections.class_ids) == [1]
    assert result.variant == "yolov4-128"
    assert result.advised_side_px == 128
    assert result.timings.inference_ms == 3.0
    assert result.timings.server_ms > result.timings.endpoint_ms > 0
    assert await client.goodbye() == (grpc.StatusCode.OK, "")


SEVERAL = serving_pb2.Detections(
    boxes=[*[0.1] * 4, *[0.2] * 4, *[0.3] * 4, *[0.4] * 4],
    scores=[0.9, 0.8, 0.7, 0.2],
    class_ids=[2, 0, 2, 2],
)
LIKELY = serving_pb2.Labels(class_ids=[2, 0], scores=[0.75, 0.25])


@pytest.mark.parametrize(
    ("options", "answer", "field", "left"),
    [
        ({}, SEVERAL, "detections", [2, 0, 2, 2]),
        ({"min_score": 0.5}, SEVERAL, "detections", [2, 0, 2]),
        ({"classes": ["car"]}, SEVERAL, "detections", [2, 2, 2]),
        ({"classes": ["car"], "max_boxes": 2}, SEVERAL, "detections", [2, 2]),
        ({"classes": ["bus"]}, SEVERAL, "detections", []),
        ({}, LIKELY, "labels", [2, 0]),
        ({"min_score": 0.5}, LIKELY, "labels", [2]),
        ({"min_score": 0.8}, LIKELY, "labels", []),
    ],
)
async def test_a_client_gets_what_it_wants_of_an_answer(
    harness, options, answer, field, left
) -> None:
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    client = await harness.stream(options=serving_pb2.AnswerOptions(**options))
    await client.send(harness.frame(0))
    await harness.until(lambda: executor.frames)
    result = internal_pb2.FrameResult(ticket=executor.frames[0].ticket, **{field: answer})
    executor.send(internal_pb2.FrameResults(frames=[result], batch_size=1))
    (told,) = await client.results_of(1)
    assert told.WhichOneof("answer") == field
    found = getattr(told, field)
    assert list(found.class_ids) == left
    if field == "detections":
        tenths = [round(10 * x) for x in found.boxes[::4]]
        assert (
            tenths == [k for k, one in enumerate(answer.class_ids, 1) if one in left][: len(left)]
        )


async def test_the_executor_gets_the_very_bytes_a_deadline_and_the_tenant(harness) -> None:
    harness.executors["gpu0"].is_holding = True
    client = await harness.stream(slo_ms=1000.0)
    await client.send(harness.frame(0, age_ms=100.0))
    await harness.until(lambda: harness.executors["gpu0"].frames)
    (frame,) = harness.executors["gpu0"].frames
    assert harness.executors["gpu0"].picture(frame) == harness.jpeg
    assert frame.tenant == "local"
    left_ms = frame.deadline_ms - frame.handed_ms
    network_ms = len(harness.jpeg) * 8 / 100_000 + 0.5
    assert left_ms < 1000 - 100 - network_ms - 0.5
    assert left_ms > 500


async def test_the_ack_does_not_wait_for_the_result(harness) -> None:
    harness.executors["gpu0"].is_holding = True
    client = await harness.stream()
    await client.send(harness.frame(0))
    while not client.acks:
        await client.read()
    assert client.results == []


async def test_what_is_due_together_goes_into_one_message(harness) -> None:
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    client = await harness.stream()
    await client.send(*(harness.frame(sequence) for sequence in range(8)))
    await harness.until(lambda: len(executor.frames) == 8)
    while len(client.acks) < 8:
        await client.read()
    before = client.num_messages
    executor.answer(*executor.frames)
    await client.results_of(8)
    assert client.num_messages == before + 1
    assert {one.batch_size for one in client.results} == {8}


async def test_goodbye_with_frames_under_way_delivers_them_first(harness) -> None:
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    client = await harness.stream()
    await client.send(harness.frame(0), harness.frame(1), GOODBYE)
    await harness.until(lambda: len(executor.frames) == 2)
    executor.answer(executor.frames[0])
    await client.results_of(1)
    executor.answer(executor.frames[1])
    assert await client.end() == (grpc.StatusCode.OK, "")
    assert [one.sequence for one in client.results] == [0, 1]


@pytest.mark.parametrize("how", ["cancel", "half-close", "connection"])
async def test_a_client_that_vanishes_frees_all_it_held_at_once(harness, how: str) -> None:
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    channel = harness.channel()
    session = await harness.register()
    call = channel.stream_stream(
        "/moonjelly.v1.Serving/Stream",
        request_serializer=serving_pb2.ClientMessage.SerializeToString,
        response_deserializer=serving_pb2.ServerMessage.FromString,
    )()
    await call.write(harness.open_of(session))
    await call.write(harness.frame(0))
    await harness.until(lambda: executor.frames)
    slots = harness.num_free_slots
    harness.scheduler.snapshots.clear()
    if how == "cancel":
        call.cancel()
    elif how == "half-close":
        await call.done_writing()
    else:
        await channel.close()
    await harness.until(lambda: executor.cancelled)
    assert executor.cancelled == [executor.frames[0].ticket]
    assert harness.num_free_slots == slots + 1
    assert len(harness.endpoint.sessions) == 0
    await harness.until(
        lambda: any(one.is_urgent and not one.streams for one in harness.scheduler.snapshots)
    )
    executor.answer(*executor.frames)  # a late result disturbs nobody
    if how == "half-close":
        with pytest.raises(grpc.aio.AioRpcError, match="without Goodbye") as caught:
            async for _ in call:
                pass
        assert caught.value.code() is grpc.StatusCode.ABORTED


async def test_a_client_that_vanishes_leaves_the_others_alone(harness) -> None:
    one, other = await harness.stream("one"), await harness.stream("other")
    await one.result_of(harness.frame(0))
    one.call.cancel()
    await harness.until(lambda: len(harness.endpoint.sessions) == 1)
    result = await other.result_of(harness.frame(0))
    assert result.verdict == serving_pb2.ANSWERED


def newest_state(harness) -> internal_pb2.StreamState:
    told = [one.streams[0] for one in harness.scheduler.snapshots if one.streams]
    return told[-1] if told else internal_pb2.StreamState()


async def test_snapshots_tell_how_streams_fare(make_harness) -> None:
    harness = await make_harness(plan_period_ms=50.0)
    client = await harness.stream(fps=20.0, slo_ms=300.0)
    for sequence, kbps in enumerate((10_000, 11_000, 12_000)):
        slower = serving_pb2.LinkEstimate(bandwidth_kbps=kbps, wire_ms=sequence + 2.0)
        await client.result_of(harness.frame(sequence, link=slower))
    await harness.until(lambda: newest_state(harness).wire_ms == 4.0)
    newest = newest_state(harness)
    assert newest.stream_id == "cam"
    assert (newest.fps, newest.slo_ms) == (20.0, 300.0)
    assert newest.bandwidth_kbps == pytest.approx(2 / (1 / 11_000 + 1 / 12_000))
    assert newest.frame_size_ratio != 1.0
    assert newest.response_kbits > 0
    assert harness.scheduler.snapshots[-1].overhead_ms > 0


async def test_an_idle_endpoint_sends_no_snapshots(harness) -> None:
    await harness.until(lambda: harness.scheduler.snapshots)
    for _ in range(20):  # until what belongs to the start is over
        count = len(harness.scheduler.snapshots)
        await asyncio.sleep(0.5)  # two and a half periods
        if len(harness.scheduler.snapshots) == count:
            break
    assert len(harness.scheduler.snapshots) == count


async def test_frames_go_where_the_newest_plan_says(harness) -> None:
    client = await harness.stream()
    await client.result_of(harness.frame(0))
    harness.scheduler.placements["cam"] = "gpu1"
    harness.scheduler.publish()
    await harness.until(lambda: harness.endpoint.core.plan.epoch == 2)
    await client.result_of(harness.frame(1))
    assert len(harness.executors["gpu0"].frames) == 1
    assert len(harness.executors["gpu1"].frames) == 1


async def test_frames_of_a_dead_executor_are_answered_by_another(harness) -> None:
    dying, other = harness.executors["gpu0"], harness.executors["gpu1"]
    dying.is_holding = True
    client = await harness.stream()
    await client.send(harness.frame(0), harness.frame(1))
    await harness.until(lambda: len(dying.frames) == 2)
    dying.channel.close()
    results = await client.results_of(2)
    assert {one.verdict for one in results} == {serving_pb2.ANSWERED}
    assert len(other.frames) == 2
    assert harness.num_free_slots == 16
    await client.result_of(harness.frame(2))  # new frames go there too, before a new plan
    assert len(other.frames) == 3


async def test_a_frame_is_moved_once_at_most(harness) -> None:
    for executor in harness.executors.values():
        executor.is_holding = True
    client = await harness.stream()
    await client.send(harness.frame(0))
    await harness.until(lambda: harness.executors["gpu0"].frames)
    harness.executors["gpu0"].channel.close()
    await harness.until(lambda: harness.executors["gpu1"].frames)
    again = harness.attach_executor("gpu0")
    await harness.until(lambda: "gpu0" in harness.endpoint.core.devices)
    harness.executors["gpu1"].channel.close()
    (result,) = await client.results_of(1)
    assert (result.drop.reason, result.drop.code) == ("executor_lost", "UNAVAILABLE")
    assert again.frames == []


async def test_frames_that_no_executor_can_make_any_more_are_told_so(harness) -> None:
    harness.executors["gpu0"].is_holding = True
    client = await harness.stream(slo_ms=60.0)
    await client.send(harness.frame(0))
    await harness.until(lambda: harness.executors["gpu0"].frames)
    await asyncio.sleep(0.06)  # until its deadline is past
    harness.executors["gpu0"].channel.close()
    (result,) = await client.results_of(1)
    assert result.drop.reason == "executor_lost"


async def test_a_restarted_executor_serves_again(harness) -> None:
    client = await harness.stream()
    for executor in harness.executors.values():
        executor.channel.close()
    await harness.until(lambda: harness.health[-1] is False)
    result = await client.result_of(harness.frame(0))
    assert result.drop.reason == "executor_lost"
    harness.attach_executor("gpu0")
    await harness.until(lambda: harness.health[-1] is True)
    result = await client.result_of(harness.frame(1))
    assert result.verdict == serving_pb2.ANSWERED


async def test_what_an_executor_drops_is_passed_on_in_words_of_ours(harness) -> None:
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    client = await harness.stream()
    await client.send(harness.frame(0))
    await harness.until(lambda: executor.frames)
    executor.send(
        internal_pb2.FrameResults(
            frames=[
                internal_pb2.FrameResult(
                    ticket=executor.frames[0].ticket,
                    drop_reason="too_late",
                    drop_code="DEADLINE_EXCEEDED",
                    drop_detail="OpenCV(5.0.0) /io/opencv/modules/imgcodecs/src/loadsave.cpp:798",
                )
            ]
        )
    )
    (result,) = await client.results_of(1)
    assert result.verdict == serving_pb2.DROPPED
    assert result.drop.place == serving_pb2.EXECUTOR
    assert result.drop.reason == "too_late"
    assert result.drop.detail == "could not be answered in time any more"


async def test_a_second_result_for_a_frame_is_ignored(harness) -> None:
    executor = harness.executors["gpu0"]
    client = await harness.stream()
    await client.result_of(harness.frame(0))
    executor.answer(executor.frames[0], executor.frames[0])
    await client.result_of(harness.frame(1))
    assert [one.sequence for one in client.results] == [0, 1]
    assert harness.num_free_slots == 16


async def test_streams_outlive_the_scheduler_and_are_told_to_its_successor(harness) -> None:
    client = await harness.stream()
    harness.scheduler.channel.close()
    await harness.until(lambda: harness.health[-1] is False)
    result = await client.result_of(harness.frame(0))
    assert result.verdict == serving_pb2.ANSWERED
    harness.scheduler.snapshots.clear()
    harness.attach_scheduler()
    await harness.until(lambda: harness.scheduler.snapshots)
    snapshot = harness.scheduler.snapshots[0]
    assert [one.stream_id for one in snapshot.streams] == ["cam"]
    assert snapshot.plan_epoch == 1
    await harness.until(lambda: harness.health[-1] is True)


async def test_a_silent_stream_gives_its_capacity_back_until_it_speaks(make_harness) -> None:
    harness = await make_harness(plan_period_ms=50.0)
    client = await harness.stream()
    await client.result_of(harness.frame(0))
    session = harness.session("cam")
    await harness.until(lambda: newest_state(harness).bandwidth_kbps > 0)
    harness.scheduler.snapshots.clear()
    session.gate.observed.last_frame_ms -= 3000
    await harness.until(
        lambda: any(
            one.is_urgent and one.streams[0].bandwidth_kbps == 0
            for one in harness.scheduler.snapshots
        )
    )
    await client.result_of(harness.frame(1))
    await harness.until(lambda: newest_state(harness).bandwidth_kbps > 0)


async def test_a_stall_of_our_own_makes_nobody_silent(harness) -> None:
    client = await harness.stream()
    await client.result_of(harness.frame(0))
    session = harness.session("cam")
    assert not session.gate.observed.is_silent(harness.endpoint.now_ms())
    harness.scheduler.snapshots.clear()
    time.sleep(3.0)  # noqa: ASYNC251 the loop that serves stands still
    assert session.gate.observed.is_silent(harness.endpoint.now_ms())
    await harness.until(lambda: len(harness.scheduler.snapshots) > 1)
    assert all(one.streams[0].bandwidth_kbps > 0 for one in harness.scheduler.snapshots)


async def test_a_client_that_reads_nothing_is_cut_off(harness) -> None:
    client = await harness.stream()
    await client.result_of(harness.frame(0))
    session = harness.session("cam")
    await harness.until(lambda: session.gate.writing_since_ms is None)
    session.gate.writing_since_ms = harness.endpoint.now_ms() - 11_000
    code, detail = await client.end()
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "not read" in detail
    assert len(harness.endpoint.sessions) == 0


async def test_a_client_that_reads_nothing_is_not_read_either(harness) -> None:
    session_token = await harness.register(fps=240.0)
    channel = harness.channel(("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0))
    call = type(harness.stub())(channel).Stream()
    await call.write(harness.open_of(session_token))
    session = harness.session("cam")
    session.gate.policer._burst = session.gate.policer._tokens = 1e9

    async def flood() -> None:
        for sequence in range(10**6):
            await call.write(harness.frame(sequence, b"x", age_ms=3000.0))

    flooding = asyncio.create_task(flood())
    await harness.until(lambda: session.outbox.is_full)
    arrived = -1
    while arrived != session.gate.num_arrived:  # until it stands still
        arrived = session.gate.num_arrived
        await asyncio.sleep(0.1)
    assert session.outbox.is_full
    assert len(session.outbox._read_ms) <= 256
    await harness.until(lambda: session.gate.writing_since_ms is not None)
    session.gate.writing_since_ms -= 11_000
    await harness.until(lambda: len(harness.endpoint.sessions) == 0)
    flooding.cancel()
    harness.drain()
    await asyncio.wait_for(harness.running, 10)  # although that write is still stuck


async def test_a_stream_that_joined_at_another_endpoint_is_over_here(harness) -> None:
    client = await harness.stream()
    other = await harness.stream("other")
    await client.result_of(harness.frame(0))
    harness.scheduler.supersede("nobody")
    harness.scheduler.supersede("cam")
    code, detail = await client.end()
    assert code is grpc.StatusCode.ABORTED
    assert detail == "the stream was registered again"
    assert (await other.result_of(harness.frame(0))).verdict == serving_pb2.ANSWERED


async def test_the_scheduler_hears_at_once_that_a_stream_is_open(harness) -> None:
    session = await harness.register()
    await harness.until(lambda: harness.scheduler.snapshots and newest_state(harness).is_unopened)
    harness.scheduler.snapshots.clear()
    await harness.stub().Stream().write(harness.open_of(session))
    await harness.until(
        lambda: any(
            one.is_urgent and not one.streams[0].is_unopened for one in harness.scheduler.snapshots
        )
    )


async def test_draining_answers_what_is_under_way_and_ends_every_stream(harness) -> None:
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    client = await harness.stream()
    await client.send(harness.frame(0))
    await harness.until(lambda: executor.frames)
    harness.drain(5000)
    while not client.notices:
        await client.read()
    assert client.notices[0].kind == serving_pb2.Notice.DRAINING
    assert await health_of(harness) == NOT_SERVING
    await client.send(harness.frame(1))
    (late,) = await client.results_of(1)
    assert (late.sequence, late.drop.reason, late.drop.code) == (1, "draining", "UNAVAILABLE")
    executor.answer(*executor.frames)
    code, _ = await client.end()
    assert code is grpc.StatusCode.UNAVAILABLE
    assert [one.sequence for one in client.results] == [1, 0]
    await asyncio.wait_for(harness.running, 10)


async def test_draining_gives_up_what_takes_longer_than_its_grace(harness) -> None:
    harness.executors["gpu0"].is_holding = True
    client = await harness.stream()
    await client.send(harness.frame(0))
    await harness.until(lambda: harness.executors["gpu0"].frames)
    harness.drain(300)
    code, _ = await client.end()
    assert code is grpc.StatusCode.UNAVAILABLE
    assert client.results == []
    await asyncio.wait_for(harness.running, 10)


async def test_health_is_true_to_what_is_there(make_harness) -> None:
    harness = await make_harness(with_peers=False)
    assert await health_of(harness) == NOT_SERVING
    harness.attach_executor("gpu0")
    await harness.until(lambda: list(harness.endpoint.core.devices) == ["gpu0"])
    assert await health_of(harness) == NOT_SERVING
    harness.attach_scheduler()
    await harness.until(lambda: harness.health == [True])
    assert await health_of(harness) == SERVING
    assert await health_of(harness, "moonjelly.v1.Serving") == SERVING
    harness.executors["gpu0"].channel.close()
    await harness.until(lambda: harness.health == [True, False])
    assert await health_of(harness) == NOT_SERVING


async def test_health_of_an_unknown_service_is_not_found(harness) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_of(harness, "fish")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_can_be_watched(harness) -> None:
    stub = health_pb2_grpc.HealthStub(harness.channel())
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    harness.scheduler.channel.close()
    assert (await watch.read()).status == NOT_SERVING
    watch.cancel()


async def test_a_port_that_another_program_has_is_refused(harness) -> None:
    ours, theirs = socket_pair()
    with ours, socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = dataclasses.replace(harness.config, port=port)
        process = EndpointProcess(ChildContext("endpoint", 0, config, Channel(theirs)))
        with pytest.raises(RunError, match=f"port={port}"):
            await process.run()


async def test_an_exception_leaks_nothing(harness, monkeypatch, caplog) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("secret /etc/shadow token")

    monkeypatch.setattr(harness.endpoint, "register", explode)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.stub().Register(harness.registration(), timeout=10)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in caught.value.details()
    number = caught.value.details().split()[-1]
    assert number in caplog.text
    assert "secret" in caplog.text


async def test_an_exception_while_reading_ends_the_stream_and_leaks_nothing(
    harness, monkeypatch
) -> None:
    client = await harness.stream()

    def explode(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(harness.endpoint, "take_frame", explode)
    await client.send(harness.frame(0))
    code, detail = await client.end()
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in detail
    assert len(harness.endpoint.sessions) == 0


async def test_every_frame_is_logged_once(make_harness, tmp_path) -> None:
    harness = await make_harness(out_dir=str(tmp_path))
    client = await harness.stream()
    await client.result_of(harness.frame(0))
    await client.result_of(harness.frame(1, age_ms=5000.0))
    harness.executors["gpu0"].is_holding = True
    await client.send(harness.frame(2))
    await harness.until(lambda: len(harness.executors["gpu0"].frames) == 2)
    client.call.cancel()
    await harness.until(lambda: len(harness.endpoint.sessions) == 0)
    harness.drain()
    await harness.running
    rows = read_tidy_table(tmp_path / "server_frames.csv", {}).to_dicts()
    assert [(row["sequence"], row["verdict"], row["reason"]) for row in rows] == [
        (0, "answered", ""),
        (1, "dropped", "too_late"),
        (2, "dropped", "connection_lost"),
    ]
    assert rows[0]["device_id"] == "gpu0"
    assert rows[0]["jpeg_bytes"] == len(harness.jpeg)
    assert rows[0]["planned_kbps"] == pytest.approx(100_000, rel=1e-3)


async def test_nothing_is_left_after_many_streams(harness) -> None:
    await asyncio.gather(*(run_one(harness, f"cam-{number}") for number in range(20)))
    await harness.until(lambda: len(harness.endpoint.sessions) == 0)
    assert harness.num_free_slots == 16
    assert harness.endpoint.core.num_held == 0
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert not [name for name in names if name.startswith("read ")]


async def run_one(harness, stream_id: str) -> None:
    client = await harness.stream(stream_id)
    for sequence in range(3):
        await client.result_of(harness.frame(sequence))
    if int(stream_id[4:]) % 2:
        assert await client.goodbye() == (grpc.StatusCode.OK, "")
    else:
        client.call.cancel()


async def test_large_pictures_cost_the_budget_of_their_stream_alone(harness) -> None:
    heavy, light = await harness.stream("heavy"), await harness.stream("light")
    executor = harness.executors["gpu0"]
    executor.is_holding = True
    for sequence in range(40):
        for client, decode_ms in ((heavy, 80.0), (light, 0.0)):
            await client.send(harness.frame(sequence))
            await harness.until(lambda: executor.frames)
            ticket = executor.frames.pop().ticket
            part = internal_pb2.FrameResult(ticket=ticket, decode_ms=decode_ms, queue_ms=decode_ms)
            if sequence % 2:
                part.drop_reason = "too_late"  # what was decoded in vain is charged as well
            else:
                part.detections.SetInParent()
            executor.send(internal_pb2.FrameResults(frames=[part], batch_size=1))
            await client.results_of(sequence + 1)
    harness.scheduler.snapshots.clear()
    await harness.until(lambda: harness.scheduler.snapshots)
    snapshot = harness.scheduler.snapshots[-1]
    charged = {one.stream_id: one.decode_ms for one in snapshot.streams}
    assert charged["heavy"] > 10.0
    assert charged["light"] == 0.0
