"""Devices that go and come back while a simulation runs."""

from __future__ import annotations

from collections import Counter

import pytest

from moonjelly.core.verdict import Reason
from moonjelly.simulation.absences import Absences
from tests.simulation.simulation_scenarios import Ran, scenario, stream

PERIOD_MS = 500.0
AWAY_MS, BACK_MS = 4000.0, 8000.0


def ran(text: str = "4-8", num_devices: int = 2, **changes: object) -> Ran:
    streams = [stream(f"cam-{number}", fps=15.0) for number in range(8)]
    absences = {"gpu-0": Absences.parse(text)}
    what = scenario(*streams, num_devices=num_devices, absences=absences, seconds=12.0, **changes)
    return Ran(what).finish()


@pytest.fixture(scope="module")
def run() -> Ran:
    return ran()


def test_a_device_that_is_away_is_in_no_plan_and_runs_nothing(run) -> None:
    away = [row for row in run.plans if AWAY_MS < row.at_ms < BACK_MS]
    assert {row.device_id for row in away} == {"gpu-1"}
    batches = [row for row in run.batches if row.device_id == "gpu-0"]
    assert not [row for row in batches if AWAY_MS <= row.at_ms < BACK_MS]


def test_a_device_that_goes_causes_a_plan_at_once(run) -> None:
    change = next(row for row in run.plans if row.at_ms >= AWAY_MS)
    assert change.cause == "device_change"
    assert change.at_ms - AWAY_MS <= PERIOD_MS / 10


def test_a_device_that_is_back_is_used_within_a_period(run) -> None:
    batches = [row.at_ms for row in run.batches if row.device_id == "gpu-0"]
    assert any(row.device_id == "gpu-0" for row in run.plans if row.at_ms > BACK_MS)
    assert BACK_MS < min(at_ms for at_ms in batches if at_ms >= AWAY_MS) <= BACK_MS + PERIOD_MS


def test_every_frame_ends_once_and_nearly_all_in_time(run) -> None:
    ended = Counter((row.stream_id, row.sequence) for row in run.frames)
    assert set(ended.values()) == {1}
    assert len(ended) == sum(one.num_frames for one in run.results)
    at_server = Counter((row.stream_id, row.sequence) for row in run.server_frames)
    assert set(at_server.values()) == {1}
    assert run.share_in_time() > 0.97


def test_frames_of_a_device_that_goes_run_elsewhere_or_are_lost_with_it() -> None:
    at_s = 4.0
    batch = next(row for row in ran("11-").batches if row.device_id == "gpu-0" and row.at_ms > 4000)
    at_s = (batch.at_ms + batch.inference_ms / 2) / 1000
    moved, lost = ran(f"{at_s}-"), ran(f"{at_s}-", num_devices=1)
    assert not [row for row in moved.frames if row.reason == Reason.EXECUTOR_LOST]
    reasons = [row.reason for row in lost.frames if row.captured_ms < 1000 * at_s]
    assert reasons.count(Reason.EXECUTOR_LOST) >= batch.batch_size
    later = [row.verdict for row in lost.frames if row.captured_ms >= 1000 * at_s]
    assert later
    assert "in_time" not in later


def test_a_device_may_be_away_at_the_start() -> None:
    late = ran("0-6")
    assert min(row.at_ms for row in late.batches if row.device_id == "gpu-0") >= 6000
    assert min(row.at_ms for row in late.batches) < 2000


def test_equal_seeds_give_equal_ledgers(run) -> None:
    assert ran().frames == run.frames


@pytest.mark.parametrize(
    "text", ["", "10", "5-3", "1-2+2-3+", "-3", "a-b", "1-2-3", "nan-3", "4-+5-6"]
)
def test_absences_that_cannot_be_are_refused(text) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        Absences.parse(text)


def test_absences_of_a_device_that_is_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="absences='gpu-9': there is no such device"):
        scenario(absences={"gpu-9": Absences.parse("1-2")})
