"""Simulations that are tried to answer a question, each once, and the answer as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..files.progress import PERCENT, progress_bar
from .capacity import Trial, try_out
from .scenario import Scenario


@dataclass(slots=True)
class CapacityTrials:
    """The simulations that were made, by what was tried, in their order; each is made once."""

    target_ratio: float
    progress: Progress
    made: dict[object, Trial] = field(default_factory=dict)

    def is_met(self, key: object, name: str, scenario: Scenario) -> bool:
        """Whether a scenario reaches the target; simulated only if that key was not yet."""
        if key not in self.made:
            task = self.progress.add_task(name, total=1.0)

            def update(done: float) -> None:
                self.progress.update(task, completed=done)

            trial = self.made[key] = try_out(scenario, self.target_ratio, update)
            verdict = "met" if trial.is_met else "missed"
            self.progress.update(task, completed=1.0, description=f"{name}: {verdict}")
        return self.made[key].is_met


@contextmanager
def capacity_trials(target_ratio: float) -> Iterator[CapacityTrials]:
    """Shows trials as they are made."""
    with progress_bar(PERCENT, console=Console(stderr=True), is_transient=True) as progress:
        yield CapacityTrials(target_ratio, progress)


@dataclass(frozen=True, slots=True)
class CapacityAnswer:
    """What was found, and how.

    Attributes:
        question: what was asked, in words.
        found: the same in JSON's terms, with what was found.
        sentence: what was found, in words.
        is_found: whether anything reaches the target.
        trials: how it was found.
    """

    question: str
    found: Mapping[str, object]
    sentence: str
    is_found: bool
    trials: CapacityTrials

    def as_json(self) -> dict[str, object]:
        """The answer as JSON."""
        return {
            "question": self.question,
            "target_ratio": self.trials.target_ratio,
            **self.found,
            "trials": [asdict(trial) for trial in self.trials.made.values()],
        }

    def print(self) -> None:
        """Prints the trials, smallest first, and the answer."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        table.add_column("streams", justify="right")
        table.add_column("devices")
        for name in ("refused", "in time %", "worst stream %", "simulated s"):
            table.add_column(name, justify="right")
        table.add_column("target")
        trials = self.trials.made.values()
        for trial in sorted(trials, key=lambda one: (one.num_streams, sum(one.devices.values()))):
            table.add_row(
                str(trial.num_streams),
                in_words(trial.devices),
                str(trial.num_refused),
                f"{100 * trial.in_time_ratio:.2f}",
                f"{100 * trial.worst_in_time_ratio:.1f}",
                f"{trial.simulated_s:g}",
                "met" if trial.is_met else "missed",
            )
        console = Console(soft_wrap=True)
        target = f"{100 * self.trials.target_ratio:g} % of the frames in time:"
        console.print(f"{self.question}, {target}")
        console.print(table)
        console.print(self.sentence)


def in_words(counts: Mapping[str, int]) -> str:
    """Numbers of devices by type."""
    return ", ".join(f"{count} x {name}" for name, count in counts.items() if count)
