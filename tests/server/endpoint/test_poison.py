"""Frames that kill executors: they are found, their stream is ended at the second death, and nobody else's."""

from __future__ import annotations

import grpc
import pytest

from moonjelly.protos import serving_pb2
from moonjelly.scheduling import suspicion

ANSWERED = serving_pb2.ANSWERED


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Suspects are tried on the last device at once."""
    monkeypatch.setattr(suspicion, "COME_BACK_MS", 0.0)


async def hold(harness, *device_ids: str) -> None:
    for device_id in device_ids:
        harness.executors[device_id].is_holding = True


def of_stream(harness, executor, stream_id: str) -> list:
    """The frames that an executor was sent of a stream."""
    sent = []
    for one in harness.endpoint.core.devices.values():
        for ticket, handed in (one.held | one.gone).items():
            sent += [
                frame
                for frame in executor.frames
                if frame.ticket == ticket and handed.stream_id == stream_id
            ]
    return sent


def die(harness, device_id: str, *at_work, is_crash: bool = True) -> None:
    """The executor ends at work on those frames."""
    executor = harness.executors[device_id]
    executor.bench.run([frame.ticket for frame in at_work])
    executor.channel.close()
    harness.tell_death(device_id, is_crash=is_crash)


async def two_streams(harness, poison_slo_ms: float = 2000.0):
    """An honest stream, that had answers before, and one with poison; both have a frame at gpu0."""
    honest = await harness.stream("honest")
    poison = await harness.stream("poison", slo_ms=poison_slo_ms)
    await honest.result_of(harness.frame(0))
    await hold(harness, "gpu0", "gpu1")
    await poison.send(harness.frame(0))
    executor = harness.executors["gpu0"]
    await harness.until(lambda: len(executor.frames) == 2)
    await honest.send(harness.frame(1))
    await harness.until(lambda: len(executor.frames) == 3)
    return honest, poison


@pytest.mark.usefixtures("impatient")
async def test_what_kills_is_found_and_its_stream_is_ended_at_the_second_death(harness) -> None:
    honest, poison = await two_streams(harness)
    first, second = harness.executors["gpu0"], harness.executors["gpu1"]
    await honest.send(harness.frame(2))  # waits there, and is not at work
    await harness.until(lambda: len(first.frames) == 4)
    die(harness, "gpu0", *first.frames[1:3])
    await harness.until(lambda: len(second.frames) >= 2)
    (own,) = of_stream(harness, second, "poison")
    assert [frame.is_alone for frame in second.frames] == [True] * len(second.frames)
    assert second.frames[-1] == own  # who never ran well comes last
    for frame in second.frames[:-1]:
        second.answer(frame)
    await harness.until(lambda: len(second.frames) == 3)  # acquitted: the next one is sent
    assert not second.frames[-1].is_alone
    second.answer(second.frames[-1])
    assert {one.verdict for one in await honest.results_of(3)} == {ANSWERED}
    die(harness, "gpu1", own)
    code, detail = await poison.end()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert detail.startswith("POISON: ")
    assert [one.drop.reason for one in poison.results] == ["executor_lost"]
    assert harness.gate("poison") is None
    assert harness.num_free_slots == 16
    harness.attach_executor("gpu0")
    await harness.until(lambda: list(harness.endpoint.core.devices) == ["gpu0"])
    assert (await honest.result_of(harness.frame(3))).verdict == ANSWERED
    assert not harness.executors["gpu0"].frames[0].is_alone


@pytest.mark.usefixtures("impatient")
async def test_a_condemned_stream_is_ended_again_before_it_runs(harness) -> None:
    _, poison = await two_streams(harness)
    first, second = harness.executors["gpu0"], harness.executors["gpu1"]
    die(harness, "gpu0", first.frames[1])
    await harness.until(lambda: of_stream(harness, second, "poison"))
    die(harness, "gpu1", *of_stream(harness, second, "poison"))
    await poison.end()
    executor = harness.attach_executor("gpu0")
    again = await harness.stream("poison")
    await again.send(harness.frame(0))
    code, _ = await again.end()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert not executor.frames


@pytest.mark.usefixtures("impatient")
async def test_whoever_hangs_up_after_sending_poison_is_not_forgotten(harness) -> None:
    _, poison = await two_streams(harness)
    first = harness.executors["gpu0"]
    first.bench.run([first.frames[1].ticket])
    poison.call.cancel()
    await harness.until(lambda: first.cancelled)
    first.channel.close()
    await harness.until(lambda: list(harness.endpoint.core.devices) == ["gpu1"])
    second = harness.executors["gpu1"]
    again = await harness.stream("poison")
    await again.send(harness.frame(0), harness.frame(1))
    await harness.until(lambda: of_stream(harness, second, "poison"))
    (own,) = of_stream(harness, second, "poison")  # one at a time
    assert own.is_alone
    second.bench.run([own.ticket])
    again.call.cancel()
    await harness.until(lambda: own.ticket in second.cancelled)
    harness.tell_death("gpu1", is_crash=True)  # before its end shows, for once
    second.channel.close()
    await harness.until(lambda: not harness.endpoint.core.devices)
    third = harness.attach_executor("gpu0")
    await harness.until(lambda: list(harness.endpoint.core.devices) == ["gpu0"])
    last = await harness.stream("poison")
    await last.send(harness.frame(0))
    code, _ = await last.end()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert not third.frames


@pytest.mark.usefixtures("impatient")
async def test_frames_of_a_suspect_go_one_at_a_time_until_one_ran_well(harness) -> None:
    client = await harness.stream()
    await hold(harness, "gpu0", "gpu1")
    first, second = harness.executors["gpu0"], harness.executors["gpu1"]
    await client.send(*(harness.frame(sequence) for sequence in range(4)))
    await harness.until(lambda: len(first.frames) == 4)
    die(harness, "gpu0", *first.frames[:2])
    await harness.until(lambda: second.frames)
    await client.send(harness.frame(4))
    session = harness.session("cam")
    await harness.until(lambda: session.gate.num_under_way == 5)
    assert [frame.is_alone for frame in second.frames] == [True]
    second.answer(*second.frames)
    await harness.until(lambda: len(second.frames) == 5)
    assert [frame.is_alone for frame in second.frames] == [True] + [False] * 4
    second.answer(*second.frames[1:])
    assert {one.verdict for one in await client.results_of(5)} == {ANSWERED}
    assert harness.num_free_slots == 16


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("is_crash", [False, True])
async def test_somebody_else_may_end_executors_as_often_as_he_likes(harness, is_crash) -> None:
    client = await harness.stream()
    sequence = 0
    for number in range(6):
        device_id, other_id = ("gpu0", "gpu1") if number % 2 else ("gpu1", "gpu0")
        await hold(harness, "gpu0", "gpu1")
        harness.scheduler.placements["cam"] = device_id
        harness.scheduler.publish()
        epoch = harness.scheduler.epoch
        await harness.until(lambda epoch=epoch: harness.endpoint.core.plan.epoch == epoch)
        executor, other = harness.executors[device_id], harness.executors[other_id]
        while harness.endpoint.core.suspicion.is_suspect("cam"):
            executor.is_holding = False
            sequence += 1
            await client.result_of(harness.frame(sequence))
        executor.is_holding = True
        sent = len(executor.frames)
        sequence += 1
        await client.send(harness.frame(sequence))
        await harness.until(lambda e=executor, n=sent: len(e.frames) == n + 1)
        die(harness, device_id, executor.frames[-1], is_crash=is_crash)
        await harness.until(lambda o=other: o.frames and o.frames[-1].is_alone)
        other.answer(other.frames[-1])
        results = await client.results_of(len(client.results) + 1)
        assert results[-1].verdict == ANSWERED
        harness.attach_executor(device_id)
        await harness.until(
            lambda: len(harness.endpoint.core.devices) == 2  # both are there
        )
    assert not client.call.done()


@pytest.mark.usefixtures("impatient")
async def test_what_makes_executors_hang_is_tried_alone_and_ended_when_they_are_killed(
    harness,
) -> None:
    honest, poison = await two_streams(harness, poison_slo_ms=300.0)
    first, second = harness.executors["gpu0"], harness.executors["gpu1"]
    first.bench.run([frame.ticket for frame in first.frames[1:3]])
    core = harness.endpoint.core
    await harness.until(lambda: core.silent_devices == ["gpu0"])
    await harness.until(lambda: second.frames)
    (moved,) = second.frames  # the other one was too late
    assert moved.is_alone
    second.answer(moved)
    assert (await honest.results_of(2))[-1].verdict == ANSWERED
    await poison.results_of(1)
    await poison.send(harness.frame(1), harness.frame(2))
    await harness.until(lambda: len(second.frames) == 2)
    assert second.frames[1].is_alone
    second.bench.run([second.frames[1].ticket])
    await harness.until(lambda: core.silent_devices == ["gpu0", "gpu1"])
    await poison.results_of(3)
    assert {one.drop.reason for one in poison.results} == {"executor_lost"}
    assert len(second.frames) == 2  # the third frame was not tried while the second was
    first.channel.close()  # their watchdogs end them
    harness.tell_death("gpu0", is_crash=True)
    await harness.until(lambda: core.silent_devices == ["gpu1"])
    assert not poison.call.done()
    second.channel.close()
    harness.tell_death("gpu1", is_crash=True)
    code, _ = await poison.end()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert not honest.call.done()
    harness.attach_executor("gpu0")
    await harness.until(lambda: list(harness.endpoint.core.devices) == ["gpu0"])
    assert (await honest.result_of(harness.frame(2))).verdict == ANSWERED


@pytest.mark.usefixtures("impatient")
async def test_a_kill_from_outside_condemns_nobody_unless_it_comes_again_and_again(harness) -> None:
    client = await harness.stream()
    await hold(harness, "gpu0", "gpu1")
    first, second = harness.executors["gpu0"], harness.executors["gpu1"]
    await client.send(harness.frame(0))
    await harness.until(lambda: first.frames)
    die(harness, "gpu0", first.frames[0], is_crash=False)
    await harness.until(lambda: second.frames)
    die(harness, "gpu1", second.frames[0], is_crash=False)
    (lost,) = await client.results_of(1)
    assert lost.drop.reason == "executor_lost"
    third = harness.attach_executor("gpu0")
    await harness.until(lambda: list(harness.endpoint.core.devices) == ["gpu0"])
    assert (await client.result_of(harness.frame(1))).verdict == ANSWERED
    assert third.frames[0].is_alone
    assert (await client.result_of(harness.frame(2))).verdict == ANSWERED
    assert not third.frames[1].is_alone


@pytest.mark.usefixtures("impatient")
async def test_what_is_alone_at_every_kill_is_condemned(harness) -> None:
    client = await harness.stream()
    await hold(harness, "gpu0")
    for number in range(3):
        await harness.until(lambda: "gpu0" in harness.endpoint.core.devices)
        harness.executors["gpu1"].channel.close()
        executor = harness.executors["gpu0"]
        executor.is_holding = True
        await client.send(harness.frame(number))
        await harness.until(lambda e=executor: e.frames)
        die(harness, "gpu0", executor.frames[0], is_crash=False)
        if number < 2:
            await client.results_of(number + 1)
            harness.attach_executor("gpu0")
    code, _ = await client.end()
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_never_ran_is_not_tried_on_the_last_device_while_another_restarts(
    harness,
) -> None:
    honest, poison = await two_streams(harness)
    first, second = harness.executors["gpu0"], harness.executors["gpu1"]
    die(harness, "gpu0", *first.frames[1:3])
    await harness.until(lambda: second.frames)
    second.answer(*second.frames)
    assert {one.verdict for one in await honest.results_of(2)} == {ANSWERED}
    await poison.send(harness.frame(1))
    session = harness.session("poison")
    await harness.until(lambda: session.gate.num_under_way == 2)
    assert len(second.frames) == 1
    await hold(harness, "gpu1")
    successor = harness.attach_executor("gpu0")
    await harness.until(lambda: len(second.frames) == 2)
    assert second.frames[1].is_alone
    assert not successor.frames
    assert not poison.call.done()


@pytest.mark.usefixtures("impatient")
async def test_a_broken_device_is_not_held_against_whoever_runs_there(harness) -> None:
    client = await harness.stream()
    suspicion = harness.endpoint.core.suspicion
    sequence = 0
    for num_crashes in range(1, 4):
        broken = harness.executors["gpu0"]
        broken.is_holding = True
        await client.send(harness.frame(sequence))
        await harness.until(lambda b=broken: b.frames)
        assert not broken.frames[0].is_alone
        die(harness, "gpu0", broken.frames[0])
        await client.results_of(sequence + 1)
        broken = harness.attach_executor("gpu0")
        await harness.until(lambda: "gpu0" in harness.endpoint.core.devices)
        num_alone = 1
        while suspicion.is_suspect("cam"):  # it is acquitted where nothing died
            sequence += 1
            await client.result_of(harness.frame(sequence))
            num_alone += 1
            assert not broken.frames
        assert num_alone == 8 ** (num_crashes - 1)
        sequence += 1
    assert {one.verdict for one in client.results} == {ANSWERED}
