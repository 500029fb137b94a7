"""`moonjelly simulate compare` and `moonjelly simulate timings`."""

from __future__ import annotations

import csv

import pytest

from moonjelly.cli import main
from moonjelly.files.tidy_table import read_notes, read_tidy_table
from moonjelly.scheduling.planning.mapping import Mapper
from moonjelly.simulation.studies.compare_command import outcome
from moonjelly.simulation.studies.instances import Size, draw_instance
from moonjelly.simulation.studies.study import StudyTable

SMALL = ["--devices", "2", "--clients", "2", "--instances", "2"]


def test_an_instance_is_fixed_by_its_number_and_counts_as_published():
    size = Size(2, 8)
    drawn = [draw_instance(size, 3, number, 1.0) for number in (0, 1)]
    assert drawn[0] == draw_instance(size, 3, 0, 1.0)
    assert drawn[0] != drawn[1]
    for one in drawn:
        problem, running = one.problem, [device.mode.variant for device in one.first.devices]
        assert len(problem.devices) == 2
        assert len(problem.streams) == 16
        assert {client.fps for client in problem.streams} <= {10, 15, 25}
        assert {client.slo_ms for client in problem.streams} <= {75, 100, 150}
        assert all(7_500 <= client.bandwidth_kbps <= 50_000 for client in problem.streams)
        assert Mapper(problem).evaluate(running).num_served == 16


@pytest.mark.parametrize(
    ("found", "best", "word"),
    [
        ((5, 0.4), (5, 0.4), "equal"),
        ((5, 0.39), (5, 0.4), "worse"),
        ((5, 0.41), (5, 0.4), "better"),
        ((4, 0.5), (5, 0.4), "fewer"),
        ((6, 0.3), (5, 0.4), "more"),
    ],
)
def test_clients_served_come_before_accuracy(found, best, word):
    assert outcome(found, best) == word


def test_compare_writes_a_row_for_each_planner_and_instance(tmp_path, capsys):
    out = tmp_path / "study"
    options = ["simulate", "compare", *SMALL, "--out", str(out), "--planners", "greedy,pricing"]
    assert main(options) == 0
    assert read_notes(out / "compare.csv")["seed"] == "0"
    table = read_tidy_table(out / "compare.csv", {})
    assert table.select("instance", "planner").rows() == [
        (0, "greedy"), (0, "pricing"), (1, "greedy"), (1, "pricing")
    ]  # fmt: skip
    for row in table.iter_rows(named=True):
        assert row["is_proved"] == 1
        assert row["num_served"] <= row["exact_served"]
        if row["planner"] == "pricing":
            assert row["outcome"] == "equal"
    assert "2 x  2 pricing: 2 instances, 2 proved: 2 equal" in capsys.readouterr().out
    assert {path.suffix for path in out.iterdir()} == {".csv", ".pdf", ".png", ".txt"}


def test_a_study_goes_on_where_it_was_stopped(tmp_path, capsys):
    out = tmp_path / "study"
    options = ["simulate", "timings", "--devices", "2", "--clients", "2", "--out", str(out)]
    assert main([*options, "--instances", "1"]) == 0
    first = read_tidy_table(out / "timings.csv", {})
    assert main([*options, "--instances", "2"]) == 0
    both = read_tidy_table(out / "timings.csv", {})
    assert both.head(len(first)).equals(first)
    assert len(both) == 2 * len(first)
    assert {path.suffix for path in out.iterdir()} == {".csv", ".pdf", ".png", ".txt"}


def test_a_table_of_other_options_is_not_continued(tmp_path, capsys):
    out = tmp_path / "study"
    options = ["simulate", "timings", *SMALL, "--out", str(out), "--planners", "fixed"]
    assert main(options) == 0
    capsys.readouterr()
    assert main([*options, "--seed", "5"]) == 2
    assert "was made with seed 0, not 5" in capsys.readouterr().err


def test_a_table_is_whole_after_each_part(tmp_path):
    columns = ("num_devices", "clients_per_device", "instance", "x")
    table = StudyTable(tmp_path / "t.csv", columns, {"command": "test"})
    for instance in (1, 0):
        table.add(
            [{"num_devices": 2, "clients_per_device": 4, "instance": instance, "x": instance / 3}]
        )
        with (tmp_path / "t.csv").open() as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
        assert len(rows) == len(table.rows)
    assert [row["instance"] for row in rows] == ["0", "1"]
    assert StudyTable(tmp_path / "t.csv", columns, {"command": "again"}).parts() == {
        (2, 4, 0), (2, 4, 1)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--planners", "best"], "--planners: planner='best': must be one of"),
        (["--instances", "0"], "--instances 0: must be within 1..100000"),
        (["--workers", "0"], "--workers 0: must be within"),
        (["--devices", "2,x"], "--devices '2,x': must be whole numbers"),
        (["--clients", "0"], "--clients 0: must be within 1..1000"),
        (["--time-limit-s", "nan"], "--time-limit-s nan: must be above 0"),
        (["--out", "/dev/null/x"], "--out /dev/null/x: Not a directory"),
    ],
)
def test_a_wrong_option_is_named(options, words, capsys):
    assert main(["simulate", "compare", *SMALL, *options]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_workers_share_the_instances(tmp_path, capsys):
    options = ["simulate", "compare", *SMALL, "--planners", "greedy"]
    assert main([*options, "--out", str(tmp_path / "one")]) == 0
    assert main([*options, "--out", str(tmp_path / "two"), "--workers", "2"]) == 0
    one, two = (
        read_tidy_table(tmp_path / name / "compare.csv", {}).to_dicts() for name in ("one", "two")
    )
    times = ("plan_ms", "exact_ms")
    kept = [
        [{k: v for k, v in row.items() if k not in times} for row in rows] for rows in (one, two)
    ]
    assert kept[0] == kept[1]
