"""Shows on a terminal how far an experiment is, and about when it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import ProgressColumn, Task
from rich.text import Text

from ..files.progress import progress_bar
from ..reporting.load import starved_words
from ..reporting.summary import read_summary
from .matrix import RunConfig
from .outcome import read_outcome

START_AND_STOP_S = 5.0  # of a run, until one has shown how long it takes here


class TimeLeft:
    """Estimates from the runs so far when the last one will end."""

    def __init__(self, num_runs: int, run_s: float) -> None:
        """Knows how many runs are left, and a first guess of how long each takes."""
        self._num_left = num_runs
        self._guess_s = run_s
        self._spent_s: list[float] = []
        self._begun_s: float | None = None

    def begin(self, now_s: float) -> None:
        """A run starts."""
        self._begun_s = now_s

    def end(self, now_s: float) -> float:
        """A run has ended; returns how long it took."""
        spent_s = 0.0 if self._begun_s is None else now_s - self._begun_s
        self._spent_s.append(spent_s)
        self._num_left -= 1
        self._begun_s = None
        return spent_s

    def seconds(self, now_s: float) -> float:
        """How long the rest takes if each run takes as long as those before, on average."""
        each_s = sum(self._spent_s) / len(self._spent_s) if self._spent_s else self._guess_s
        under_way_s = 0.0 if self._begun_s is None else min(now_s - self._begun_s, each_s)
        return each_s * self._num_left - under_way_s


class _TimeLeftColumn(ProgressColumn):
    def __init__(self, left: TimeLeft) -> None:
        super().__init__()
        self._left = left

    def render(self, task: Task) -> Text:
        return Text(f"{duration(self._left.seconds(time.monotonic()))} left")


class TerminalObserver:
    """A line for each run that has ended, above a progress bar where there is a terminal."""

    def __init__(self, console: Console, num_runs: int, num_finished: int, run_s: float) -> None:
        self.num_done = num_finished
        self._num_runs = num_runs
        self._left = TimeLeft(num_runs - num_finished, run_s)
        self._progress = progress_bar(
            "{task.completed:.0f}/{task.total:.0f} runs  {task.fields[share]}",
            _TimeLeftColumn(self._left),
            console=console,
        )
        self._task = self._progress.add_task(
            "experiment", total=num_runs, completed=num_finished, share=""
        )
        self._num_answers = 0
        self._num_in_time = 0

    def begin(self, run: RunConfig) -> None:
        """Shows the run that starts."""
        self._num_answers = self._num_in_time = 0
        self._left.begin(time.monotonic())
        self._progress.update(self._task, share="starting")

    def count(self, num_answers: int, num_in_time: int, doing: str = "", /) -> None:
        """Counts verdicts; or shows what is done beside."""
        self._num_answers += num_answers
        self._num_in_time += num_in_time
        if not doing:
            doing = f"{self._num_in_time / self._num_answers:.1%} of its answers in time"
        self._progress.update(self._task, share=doing)

    def end(self, run: RunConfig, problems: Sequence[str], folder: Path) -> None:
        """Prints a line about the run."""
        spent_s = self._left.end(time.monotonic())
        self.num_done += 1
        words = " ".join(f"{name}={text}" for name, text in run.factor_texts().items())
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            came = f"FAILED: {problems[0]}{more}; kept in {folder}"
        else:
            came = "; ".join(filter(None, (_outcome_words(folder), starved_words(folder))))
        self._progress.console.print(
            f"{self.num_done}/{self._num_runs}  {words}  {came}  ({spent_s:.0f} s)",
            markup=False,
            highlight=False,
        )
        self._progress.update(self._task, completed=self.num_done, share="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _outcome_words(folder: Path) -> str:
    """The share in time of what all cameras had to send: what a refused one would have captured is missed."""
    summary = read_summary(folder)
    refused = [one.camera for one in read_outcome(folder).cameras if one.refused]
    missing = sum(summary.seconds * summary.streams[camera].fps for camera in refused)
    share = summary.total.in_time / max(1.0, summary.total.captured + missing)
    told = f"; {len(refused)} of {len(summary.streams)} cameras refused" if refused else ""
    return f"{share:.1%} in time{told}"


def duration(seconds: float) -> str:
    """A duration as people write it: 45 s, 12 min, 3.5 h."""
    if seconds < 100:  # noqa: PLR2004
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004
