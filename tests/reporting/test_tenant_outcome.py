from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from moonjelly.core.records import FrameRecord
from moonjelly.core.verdict import Verdict
from moonjelly.reporting.html import write_report
from moonjelly.reporting.run_folder import RunInfo, StreamInfo
from moonjelly.reporting.summary import RunTally, read_summary, summarise, write_summary
from moonjelly.reporting.table import outcome_table
from moonjelly.reporting.tenant_outcome import Fairness, TenantOutcome, jain_index, rows


def answered(stream_id: str, sequence: int, at_ms: float, verdict=Verdict.IN_TIME) -> FrameRecord:
    """Two such frames ran together for 40 ms."""
    facts = {"latency_ms": 50.0, "variant": "n", "batch_size": 2, "inference_ms": 40.0}
    return FrameRecord(stream_id, sequence, at_ms, verdict, energy_mj=500.0, **facts)


def given_up(stream_id: str, sequence: int, at_ms: float) -> FrameRecord:
    return FrameRecord(stream_id, sequence, at_ms, Verdict.DROPPED, "executor", "too_late")


FRAMES = [
    answered("a", 0, 0.0),
    answered("a", 1, 10_000.0),
    answered("b", 0, 100.0),
    answered("c", 0, 0.0, Verdict.LATE),
    answered("c", 1, 9_999.0),
    given_up("c", 2, 10_001.0),
]
INFO = RunInfo(
    "simulation",
    20.0,
    (
        StreamInfo("a", 1.0, 100.0, 2, tenant="north"),
        StreamInfo("b", 1.0, 100.0, 1, tenant="north"),
        StreamInfo("c", 1.0, 100.0, 3, tenant="south"),
    ),
)


def worth(frame: FrameRecord) -> float:
    return 0.4 if frame.verdict == Verdict.IN_TIME else 0.0


def test_each_tenant_and_how_even_it_was_stand_in_the_summary(tmp_path: Path) -> None:
    summary = summarise(INFO, FRAMES, worth_of=worth)
    assert summary.tenants == {
        "north": TenantOutcome(2, 3, 3, 1.0, 1.0, pytest.approx(0.06), 0.06, 1.5),
        "south": TenantOutcome(1, 3, 1, pytest.approx(1 / 3), 0.0, 0.02, 0.04, 1.0),
    }
    in_time, device = (1 + 1 / 3) ** 2 / (2 * (1 + 1 / 9)), 0.1**2 / (2 * (0.06**2 + 0.04**2))
    even = (pytest.approx(one) for one in (1 / 3, 0.0, in_time, device))
    assert summary.fairness == Fairness(*even)
    write_summary(tmp_path, summary)
    kept = read_summary(tmp_path)
    assert kept.tenants["south"].in_time_ratio == 0.3333
    assert kept.fairness == Fairness(0.3333, 0.0, 0.8, 0.9615)


def test_without_a_zoo_or_meters_there_is_no_accuracy_and_no_energy() -> None:
    frames = [frame._replace(energy_mj=None) for frame in FRAMES]
    north = summarise(INFO, frames).tenants["north"]
    assert (north.weighted_goodput_fps, north.energy_j) == (None, None)


def test_one_tenant_is_not_compared_with_anybody() -> None:
    info = replace(INFO, streams=tuple(replace(one, tenant="north") for one in INFO.streams))
    summary = summarise(info, FRAMES)
    assert (summary.tenants, summary.fairness) == ({}, None)


def test_a_row_is_what_a_tenant_had_in_ten_seconds() -> None:
    tally = RunTally(worth)
    for frame in FRAMES:
        tally.add(frame)
    found = rows(tally.windows(INFO), has_worth=True)
    assert [tuple(row)[:4] for row in found] == [
        ("north", 0.0, 2, 2),
        ("north", 10_000.0, 1, 1),
        ("south", 0.0, 2, 1),
        ("south", 10_000.0, 1, 0),
    ]
    assert found[0].weighted_in_time == pytest.approx(0.8)
    assert (found[2].device_s, found[2].energy_j) == (0.04, 1.0)
    assert (found[3].device_s, found[3].energy_j) == (0.0, None)


def test_table_and_report_say_so_of_each_tenant(tmp_path: Path) -> None:
    summary = summarise(INFO, FRAMES, worth_of=worth)
    shown = io.StringIO()
    Console(file=shown, width=200).print(outcome_table(summary))
    page = write_report(tmp_path, INFO, summary, []).read_text()
    for line in (
        "south: 33.3% of 3 frames in time, 0.0% in its worst 10 s, 0.02 frames/s by accuracy, 0.04 s of devices, 1 J",
        "between tenants: 0.333 in time at least; ",
    ):
        assert line in shown.getvalue()
        assert line in page


@given(values=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=20))
def test_jains_index_is_between_one_of_n_and_1(values) -> None:
    index = jain_index(values)
    if index is not None:
        assert 1 / len(values) - 1e-9 <= index <= 1 + 1e-9


def test_jains_index_of_equal_values_is_1_and_of_one_who_has_all_one_of_n() -> None:
    assert jain_index([3.0, 3.0, 3.0]) == pytest.approx(1.0)
    assert jain_index([0.0, 5.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert jain_index([0.0, 0.0]) is None
