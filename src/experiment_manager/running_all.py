"""Runs what is left of an experiment, one run after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..core.errors import MoonjellyError, RunError
from .folder import ExperimentFolder
from .matrix import RunConfig
from .progress import TerminalObserver
from .tables import write_tables


class OnProgress(Protocol):
    """Is told how many more frames have their verdicts, and how many of these were in time; or what else is done."""

    def __call__(self, num_answers: int, num_in_time: int, doing: str = "", /) -> None:
        """Shows it."""
        ...


RunOne = Callable[[RunConfig, Path, OnProgress], list[str]]
"""Makes a run in a folder; returns what is wrong with it. `MoonjellyError` and `OSError` fail it too."""


class CannotGoOnError(RunError):
    """No run can be made any more."""


def run_missing(
    runs: Sequence[RunConfig], folder: ExperimentFolder, run_one: RunOne, observer: TerminalObserver
) -> int:
    """Makes every run that is not finished, and keeps the tables up to date.

    A run that fails is kept apart and the next one begins; one that is interrupted leaves nothing.

    Returns:
        How many runs failed.

    Raises:
        CannotGoOnError: if the rest would fail too; the run that was under way is forgotten.
        OSError: if the folder cannot be written.
    """
    num_failed = 0
    write_tables(folder, runs)
    for run in runs:
        if folder.finished(run) is not None:
            continue
        observer.begin(run)
        draft = folder.begin(run)
        try:
            problems = run_one(run, draft, observer.count)
        except CannotGoOnError:
            raise
        except (MoonjellyError, OSError) as error:
            text = str(error) or type(error).__name__
            problems = [text.replace(f"{draft}/", "")]  # the folder is about to move
        path = folder.end(run, problems)
        num_failed += bool(problems)
        observer.end(run, problems, path)
        write_tables(folder, runs)
    return num_failed
