from __future__ import annotations

import asyncio
import json
import math
import time

import pytest
from fake_server import FakeServer, until

from moonjelly.client import ArraySource, Refused
from moonjelly.client.emulation import EmulatedCamera, open_sources, run_cameras
from moonjelly.core.errors import RunError, UsageError
from moonjelly.core.records import FrameRecord
from moonjelly.files.csv_log import read_records
from moonjelly.protos import serving_pb2 as pb


def camera(server, pictures, stream_id="cam-0", fps=50.0, **fields):
    return EmulatedCamera(
        stream_id=stream_id, source=str(pictures), fps=fps, slo_ms=2000, server=server, **fields
    )


async def test_cameras_are_streamed_and_logged(tmp_path, pictures):
    answers = []
    zero_ms = time.monotonic() * 1000
    async with FakeServer() as server:
        cameras = [
            camera(server.address, pictures, "cam-0", fps=20),
            camera(server.address, pictures, "cam-1", fps=50, bandwidth_kbps=5000, zoo="fake"),
        ]
        results = await run_cameras(
            cameras, 0.4, tmp_path, zero_ms=zero_ms, on_answer=answers.append
        )
    assert [result.ledger.captured for result in results] == [8, 20]
    assert [result.problem for result in results] == [None, None]
    assert results[0].class_names == ("car", "bus")
    rows = read_records(tmp_path / "frames.csv", FrameRecord)
    assert len(rows) == len(answers) == 28
    assert {(row.stream_id, row.sequence) for row in rows} == {
        *(("cam-0", k) for k in range(8)),
        *(("cam-1", k) for k in range(20)),
    }
    answered = [row for row in rows if row.verdict == "in_time"]
    assert answered
    assert not {row.reason for row in rows} & {"no_answer", "not_connected", "connection_lost"}
    for row in answered:
        assert 0 < row.captured_ms < row.sent_ms < row.answered_ms < 60_000
        assert row.latency_ms == pytest.approx(row.answered_ms - row.captured_ms, abs=0.01)
        assert row.variant == "fake-320"
    found = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert len(found) == len(answered)
    assert found[0]["boxes"] == [[0.1, 0.2, 0.3, 0.4]]
    assert (found[0]["scores"], found[0]["class_ids"]) == ([0.9], [1])
    by_id = {request.stream_id: request for request in server.registrations}
    assert by_id["cam-1"].link.bandwidth_kbps == 5000
    assert by_id["cam-1"].zoo == "fake"
    info = results[1].stream_info("8 Mbit/s")
    assert (info.captured, info.duplicated, info.link, info.note) == (20, 0, "8 Mbit/s", "")


async def test_a_camera_starts_when_its_time_has_come_and_captures_as_long(tmp_path, pictures):
    async with FakeServer() as server:
        cameras = [camera(server.address, pictures, name, fps=20) for name in ("cam-0", "cam-1")]
        results = await run_cameras(cameras, 0.4, tmp_path, starts_s=[0.0, 0.7])
    assert [result.ledger.captured for result in results] == [8, 8]
    first_ms = {"cam-0": math.inf, "cam-1": math.inf}
    for row in read_records(tmp_path / "frames.csv", FrameRecord):
        first_ms[row.stream_id] = min(first_ms[row.stream_id], row.captured_ms)
    assert first_ms["cam-1"] >= 700.0 > first_ms["cam-0"]


async def test_one_camera_in_trouble_leaves_the_others_alone(tmp_path, pictures):
    refusal = pb.Refusal(
        reason=pb.Refusal.OVERLOAD,
        detail="full",
        counter_offers=[pb.CounterOffer(fps=2, slo_ms=300)],
    )
    async with FakeServer() as server, FakeServer(refusal=refusal) as full:
        results = await run_cameras(
            [
                camera(server.address, pictures, "cam-0"),
                camera(full.address, pictures, "cam-1"),
            ],
            0.2,
            tmp_path,
        )
    assert results[0].ledger.captured == 10
    assert isinstance(results[1].problem, Refused)
    assert results[1].problem.counter_offers[0].fps == 2
    assert results[1].stream_info().note == "refused"
    assert results[1].ledger.captured == 0


async def test_cameras_stop_when_told(tmp_path, pictures):
    stop = asyncio.Event()
    async with FakeServer() as server:
        running = asyncio.create_task(
            run_cameras([camera(server.address, pictures)], None, tmp_path, stop=stop)
        )
        await until(lambda: len(server.frames) >= 5)
        stop.set()
        (result,) = await running
    assert result.ledger.lost == 0
    assert 5 <= result.ledger.captured < 300
    assert server.num_goodbyes == 1


async def test_cameras_end_with_their_sources(tmp_path, pictures):
    async with FakeServer() as server:
        (result,) = await run_cameras([camera(server.address, pictures, fps=200)], None, tmp_path)
    # Where the machine is busy the last pictures may be due before they are read.
    assert 0 < result.ledger.captured <= 300


async def test_a_camera_that_fails_says_why(tmp_path, pictures):
    class Broken(ArraySource):
        def read(self, index):
            raise RunError("the lens fell off")

    async with FakeServer() as server:
        one = camera(server.address, pictures)
        (result,) = await run_cameras([one], 1, tmp_path, sources=[Broken([None])])
    assert str(result.problem) == "the lens fell off"


def test_sources_are_opened_in_order(pictures):
    cameras = [camera("h:1", pictures, f"cam-{k}") for k in range(3)]
    assert len(open_sources(cameras)) == 3
    with pytest.raises(UsageError, match="source='nowhere'"):
        open_sources([camera("h:1", "nowhere")])


async def test_bad_runs_are_refused(tmp_path, pictures):
    twice = [camera("h:1", pictures), camera("h:1", pictures)]
    with pytest.raises(ValueError, match="cam-0 is used twice"):
        await run_cameras(twice, 1, tmp_path)
    with pytest.raises(ValueError, match="seconds=0"):
        await run_cameras(twice[:1], 0, tmp_path)
    with pytest.raises(OSError, match="No such file"):
        await run_cameras(twice[:1], 1, tmp_path / "absent")


@pytest.mark.parametrize(
    "fields",
    [{"stream_id": "a b"}, {"fps": 0}, {"slo_ms": -1}, {"server": "x"}, {"bandwidth_kbps": 0}],
)
def test_bad_cameras_are_refused(fields):
    sound = {"stream_id": "a", "source": "scene:0", "fps": 1, "slo_ms": 100, "server": "h:1"}
    with pytest.raises(ValueError, match=next(iter(fields))):
        EmulatedCamera(**{**sound, **fields})


async def test_a_full_disk_does_not_stop_the_cameras(tmp_path, pictures):
    for name in ("frames.csv", "answers.jsonl"):
        (tmp_path / name).symlink_to("/dev/full")
    async with FakeServer() as server:
        (result,) = await run_cameras([camera(server.address, pictures)], 0.2, tmp_path)
    assert result.problem is None
    assert result.ledger.captured == 10
