"""Simulations that are tried to answer a question, each once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress

from ..files.progress import PERCENT, progress_bar
from .capacity import Trial, try_out
from .scenario import Scenario


@dataclass(slots=True)
class CapacityTrials:
    """The simulations that were made; each is made once."""

    target_ratio: float
    progress: Progress
    by_key: dict[object, Trial] = field(default_factory=dict)

    @property
    def made(self) -> tuple[Trial, ...]:
        """All of them, in the order in which they were made."""
        return tuple(self.by_key.values())

    def is_met(self, key: object, name: str, scenario: Scenario) -> bool:
        """Whether a scenario reaches the target; simulated only if that key was not yet."""
        if key not in self.by_key:
            task = self.progress.add_task(name, total=1.0)

            def update(done: float) -> None:
                self.progress.update(task, completed=done)

            trial = self.by_key[key] = try_out(scenario, self.target_ratio, update)
            verdict = "met" if trial.is_met else "missed"
            self.progress.update(task, completed=1.0, description=f"{name}: {verdict}")
        return self.by_key[key].is_met


@contextmanager
def capacity_trials(target_ratio: float) -> Iterator[CapacityTrials]:
    """Shows trials as they are made."""
    progress = progress_bar(PERCENT, console=Console(stderr=True), is_transient=True)
    with progress:
        yield CapacityTrials(target_ratio, progress)
