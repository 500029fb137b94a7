"""What was not measured at its clock, or without its meter, is measured again, and ends the profile when that does not help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from virtual_clock import VirtualClock

from moonjelly.core.errors import RunError
from moonjelly.profiler.measuring import Amount
from moonjelly.profiler.samples import Cell, SampleFile
from moonjelly.profiler.windows import MOST_TRIES, Windows, in_windows

CELL = Cell("a", 1, 800)


class Board:
    """A device and its governor; each window fails as it is told to, or draws 7 W."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.clock = VirtualClock()
        self.problems = iter(problems)  # of the clock, of the meter
        self.clock_problem = self.meter_problem = ""
        self.is_reached = True
        self.asked: list[int] = []
        self.loads: list[float] = []

    def ask(self, mhz: int) -> None:
        self.asked.append(mhz)
        self.clock_problem, self.meter_problem = next(self.problems, ("", ""))

    def hear(self, within_ms: float = 0.0) -> None:
        self.clock.advance_to(self.clock.now_ms() + within_ms)

    def power_w(self, begin_ms: float, end_ms: float) -> tuple[float | None, str]:
        return (None, self.meter_problem) if self.meter_problem else (7.0, "")

    def run(self, cell: Cell, num_batches: int, within_ms: float) -> list[float]:
        self.loads.append(within_ms)
        self.clock.advance_to(self.clock.now_ms() + within_ms)
        return [10.0] * round(within_ms / 10)

    def windows(self, amount: Amount) -> Windows:
        return Windows(self.run, self, amount, self.clock)  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SampleFile]:
    with closing(SampleFile(tmp_path / "samples.csv", [CELL])) as made:
        yield made


def test_a_window_is_five_seconds_after_a_rest_and_gives_at_most_half_of_the_samples(
    file: SampleFile,
) -> None:
    board, amount = Board([]), in_windows(200)
    board.windows(amount).visit(file, CELL, amount.visit_samples)
    assert board.clock.now_ms() == 2000 + 300 + 5000
    assert file.powered[CELL] == [(10.0, 7.0)] * 100


@pytest.mark.parametrize("problem", [("too hot", ""), ("", "the counter stands still")])
def test_a_window_that_failed_is_no_sample_and_is_run_again(
    file: SampleFile, caplog: pytest.LogCaptureFixture, problem: tuple[str, str]
) -> None:
    board = Board([problem, problem])
    board.windows(in_windows(20)).visit(file, CELL, 10)
    assert file.powered[CELL] == [(10.0, 7.0)] * 10
    said = "".join(problem)
    assert [one.getMessage() for one in caplog.records] == [f"{said}; once more"] * 2


@pytest.mark.parametrize("problem", [("too hot", ""), ("", "the counter stands still")])
def test_one_that_fails_each_time_ends_it(file: SampleFile, problem: tuple[str, str]) -> None:
    board = Board([problem] * MOST_TRIES)
    with pytest.raises(RunError, match="".join(problem)):
        board.windows(in_windows(20)).visit(file, CELL, 10)
    assert file.samples[CELL] == []


def test_a_clock_that_is_not_reached_under_load_is_given_up(file: SampleFile) -> None:
    board = Board([("never reached", "")] * MOST_TRIES)
    board.is_reached = False
    with pytest.raises(RunError, match="never reached"):
        board.windows(in_windows(20)).visit(file, CELL, 10)
    assert set(board.loads) == {300.0}  # no window began


def test_idle_power_is_of_a_window_in_which_nothing_runs() -> None:
    board = Board([])
    assert board.windows(in_windows(20)).idle_w(115) == 7.0
    assert (board.asked, board.loads) == ([115], [])
    with pytest.raises(RunError, match="gone"):
        Board([("", "gone")]).windows(in_windows(20)).idle_w(115)
