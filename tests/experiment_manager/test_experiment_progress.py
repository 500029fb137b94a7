from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from moonjelly.experiment_manager.listed_cameras import alike
from moonjelly.experiment_manager.matrix import RunConfig
from moonjelly.experiment_manager.progress import TerminalObserver, TimeLeft, duration
from moonjelly.links.traces import constant_trace
from moonjelly.reporting.load import MachineLoad, worst_load, write_load


def test_time_left_is_guessed_at_first_and_then_follows_the_runs() -> None:
    left = TimeLeft(4, 10.0)
    assert left.seconds(0.0) == 40.0
    left.begin(100.0)
    assert left.seconds(104.0) == 36.0
    assert left.seconds(150.0) == 30.0  # a run that takes longer never makes the rest negative
    assert left.end(120.0) == 20.0
    assert left.seconds(120.0) == 60.0
    left.begin(121.0)
    left.end(161.0)
    assert left.seconds(161.0) == 60.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (45, "45 s"), (720, "12 min"), (12600, "3.5 h")]
)
def test_durations_are_written_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("late_ms", "is_told"), [(2.0, False), (25.0, True)])
def test_a_run_on_a_starved_machine_is_told_apart(
    tmp_path: Path, fake_runs: Any, late_ms: float, is_told: bool
) -> None:
    run = RunConfig(1.0, alike(1, 100.0, 10.0), "t", {"t": constant_trace(5.0)}, 0.0, 0, 0, {})
    (tmp_path / "config.json").touch()
    fake_runs(run, tmp_path, lambda _, __: None)
    write_load(
        tmp_path, worst_load([MachineLoad(0.9, 1.0, 1.0, 1.0), MachineLoad(0.5, 0.1, late_ms, 30)])
    )
    shown = io.StringIO()
    with TerminalObserver(Console(file=shown, width=200), 1, 0, 1.0) as observer:
        observer.begin(run)
        observer.end(run, [], tmp_path)
    assert "80.0% in time" in shown.getvalue()
    assert ("STARVED: frames captured up to 25 ms late" in shown.getvalue()) == is_told


@pytest.mark.parametrize(
    ("num_refused", "words"),
    [
        (0, "80.0% in time  ("),
        (3, "50.0% in time; 3 of 8 cameras refused  ("),
        (8, "0.0% in time; 8 of 8 cameras refused  ("),
    ],
)
def test_frames_of_refused_cameras_are_missed(
    tmp_path: Path, fake_runs: Any, num_refused: int, words: str
) -> None:
    run = RunConfig(1.0, alike(8, 100.0, 10.0), "t", {"t": constant_trace(5.0)}, 0.0, 0, 0, {})
    (tmp_path / "config.json").touch()
    fake_runs.num_refused = num_refused
    fake_runs(run, tmp_path, lambda _, __: None)
    shown = io.StringIO()
    with TerminalObserver(Console(file=shown, width=200), 1, 0, 1.0) as observer:
        observer.begin(run)
        observer.end(run, [], tmp_path)
    assert f"  {words}" in shown.getvalue()


def test_what_is_done_after_the_frames_is_shown_in_their_place() -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=200, force_terminal=True)
    with TerminalObserver(console, 1, 0, 1.0) as observer:
        observer.count(4, 3)
        observer.count(0, 0, "found what is in 5 of 9 frames")
    assert "found what is in 5 of 9 frames" in shown.getvalue()
