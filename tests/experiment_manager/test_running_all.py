from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from moonjelly.core.errors import RunError, UsageError
from moonjelly.experiment_manager.folder import open_folder
from moonjelly.experiment_manager.matrix import Experiment, RunConfig
from moonjelly.experiment_manager.running_all import run_missing
from moonjelly.links.traces import constant_trace
from moonjelly.reporting.load import MachineLoad, write_load

MACHINE = {"processor": "abacus", "cores": "2"}
EXPERIMENT = Experiment(
    name="two cells, three seeds",
    seconds=1.0,
    iterations=1,
    wire_ms=0.0,
    server={},
    matrix={
        "clients": (1, 2),
        "slo_ms": (100.0,),
        "fps": (10.0,),
        "trace": ("t",),
        "seed": (0, 1, 2),
    },
    traces={"t": constant_trace(5.0)},
)
RUNS = EXPERIMENT.runs()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_runs_are_made_once_and_tabulated_by_camera_and_by_cell(
    tmp_path: Path, fake_runs: Any, notes: Any
) -> None:
    with open_folder(tmp_path) as folder:
        assert run_missing(RUNS, folder, fake_runs, notes) == 0
    assert fake_runs.made == [run.run_id for run in RUNS]
    assert names(tmp_path / "runs") == {run.run_id for run in RUNS}
    results = rows(tmp_path / "results.csv")
    assert len(results) == 3 * (1 + 2)
    assert {row["in_time"] for row in results} == {"8"}
    assert {row["profile_map"] for row in results} == {"0.32"}  # 8 of 10, of 0.3 and 0.5 in turn
    one, two = rows(tmp_path / "summary.csv")
    assert (one["clients"], one["num_runs"], one["num_missing"]) == ("1", "3", "0")
    assert one["in_time_ratio_mean"] == two["in_time_ratio_mean"] == "0.8"
    assert float(two["goodput_fps_mean"]) == 2 * float(one["goodput_fps_mean"]) == 16
    assert float(one["missed_ratio_mean"]) == pytest.approx(0.2)
    assert one["map_mean"] == one["golden_f1_ci95"] == ""  # nothing was detected


def test_runs_of_a_starved_machine_are_marked_in_both_tables(
    tmp_path: Path, fake_runs: Any, notes: Any
) -> None:
    starved = RUNS[0].run_id

    def make(run: RunConfig, folder: Path, on_progress: Any) -> list[str]:
        late_ms = 25.0 if run.run_id == starved else 2.0
        write_load(folder, MachineLoad(0.5, 0.1, late_ms, 30.0))
        return fake_runs(run, folder, on_progress)

    with open_folder(tmp_path) as folder:
        run_missing(RUNS, folder, make, notes)
    results = rows(tmp_path / "results.csv")
    assert {row["run"] for row in results if row["starved"] == "1"} == {starved}
    assert {row["starved"] for row in results} == {"0", "1"}
    summary = rows(tmp_path / "summary.csv")
    assert [row["num_starved"] for row in summary] == ["1", "0"]


def test_finished_runs_are_skipped_unless_their_configuration_has_changed(
    tmp_path: Path, fake_runs: Any, notes: Any
) -> None:
    with open_folder(tmp_path) as folder:
        run_missing(RUNS[:2], folder, fake_runs, notes)
        run_missing(RUNS, folder, fake_runs, notes)
        assert fake_runs.made == [run.run_id for run in RUNS]
        run_missing(RUNS, folder, fake_runs, notes)
        assert len(fake_runs.made) == len(RUNS)
        longer = dataclasses.replace(EXPERIMENT, seconds=2.0).runs()
        run_missing(longer, folder, fake_runs, notes)
        assert len(fake_runs.made) == 2 * len(RUNS)
    results = rows(tmp_path / "results.csv")
    assert {row["run"] for row in results} == {run.run_id for run in longer}


def test_a_factor_that_is_added_keeps_the_runs_that_it_does_not_change(
    tmp_path: Path, fake_runs: Any, notes: Any
) -> None:
    plain = dataclasses.replace(EXPERIMENT, server={"planner": "sa-dp"})
    matrix = {**EXPERIMENT.matrix, "planner": ("sa-dp", "greedy")}
    wider = dataclasses.replace(EXPERIMENT, matrix=matrix)
    with open_folder(tmp_path) as folder:
        run_missing(plain.runs(), folder, fake_runs, notes)
    with open_folder(tmp_path) as folder:
        run_missing(wider.runs(), folder, fake_runs, notes)
    assert len(fake_runs.made) == len(wider.runs()) == 2 * len(RUNS)
    assert [row["num_runs"] for row in rows(tmp_path / "summary.csv")] == ["3"] * 4


@pytest.mark.parametrize("how", ["problems", "error", "disk"])
def test_a_failed_run_is_kept_apart_not_averaged_and_tried_again(
    tmp_path: Path, fake_runs: Any, notes: Any, how: str
) -> None:
    bad = RUNS[2].run_id
    if how == "problems":
        fake_runs.problems[bad] = ["3 frames have no verdict"]
    else:
        fake_runs.errors[bad] = RunError("no server") if how == "error" else OSError("disk full")
    fake_runs.num_in_time = 5
    with open_folder(tmp_path) as folder:
        assert run_missing(RUNS, folder, fake_runs, notes) == 1
        assert len(fake_runs.made) == len(RUNS)
        assert [run_id for run_id, has_failed in notes.ended if has_failed] == [bad]
        assert names(tmp_path / "failed") == {bad}
        assert bad not in names(tmp_path / "runs")
        assert (tmp_path / "failed" / bad / "problems.txt").read_text().count("\n") == 1
        assert bad not in {row["run"] for row in rows(tmp_path / "results.csv")}
        cell, _ = rows(tmp_path / "summary.csv")
        assert (cell["num_runs"], cell["num_missing"]) == ("2", "1")
        assert cell["in_time_ratio_mean"] == "0.5"

        fake_runs.problems.clear()
        fake_runs.errors.clear()
        assert run_missing(RUNS, folder, fake_runs, notes) == 0
    assert fake_runs.made[len(RUNS) :] == [bad]
    assert names(tmp_path / "failed") == set()
    assert rows(tmp_path / "summary.csv")[0]["num_runs"] == "3"


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupted_run_leaves_nothing_and_is_made_again(
    tmp_path: Path, fake_runs: Any, notes: Any, ending: BaseException
) -> None:
    fake_runs.errors[RUNS[1].run_id] = ending
    with pytest.raises(type(ending)), open_folder(tmp_path) as folder:
        run_missing(RUNS, folder, fake_runs, notes)
    assert names(tmp_path / "runs") == {RUNS[0].run_id}
    assert not (tmp_path / "unfinished").exists()
    assert not (tmp_path / "failed").exists()
    assert len(rows(tmp_path / "results.csv")) == 1
    fake_runs.errors.clear()
    with open_folder(tmp_path) as folder:
        run_missing(RUNS, folder, fake_runs, notes)
    assert fake_runs.made[2:] == [run.run_id for run in RUNS[1:]]


def test_what_a_killed_process_left_is_removed(tmp_path: Path, fake_runs: Any, notes: Any) -> None:
    with open_folder(tmp_path) as folder:
        folder.begin(RUNS[0])
        left = tmp_path / "copy"
        (tmp_path / "unfinished").rename(left)
    left.rename(tmp_path / "unfinished")
    with open_folder(tmp_path) as folder:
        assert run_missing(RUNS[:1], folder, fake_runs, notes) == 0
    assert names(tmp_path / "runs") == {RUNS[0].run_id}


def test_a_folder_takes_one_process_and_one_machine(tmp_path: Path) -> None:
    with (
        open_folder(tmp_path),
        pytest.raises(UsageError, match="another experiment runs there"),
        open_folder(tmp_path),
    ):
        pass
    with open_folder(tmp_path) as folder:
        folder.claim(MACHINE)
        folder.claim(MACHINE | {"commit": "later"})
        with pytest.raises(UsageError, match="made with cores 2, this is 4; choose another folder"):
            folder.claim(MACHINE | {"cores": "4"})
        with pytest.raises(UsageError, match="made with cores 2, this is None"):
            folder.claim({f"edge: {fact}": value for fact, value in MACHINE.items()})


def test_a_folder_has_an_id_of_its_own_that_it_keeps(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "one", "other"):
        with open_folder(tmp_path / name) as folder:
            ids.append(folder.experiment_id)
    assert ids[0] == ids[1] != ids[2]
