"""What `moonjelly simulate capacity` answers, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from .capacity import Trial


@dataclass(frozen=True, slots=True)
class CapacityAnswer:
    """What was found, and how.

    Attributes:
        question: what was asked, in words.
        found: the same in JSON's terms, with what was found.
        sentence: what was found, in words.
        is_found: whether anything reaches the target.
        trials: all simulations, in the order in which they were made.
    """

    question: str
    found: Mapping[str, object]
    sentence: str
    is_found: bool
    target_ratio: float
    trials: tuple[Trial, ...]

    def as_json(self) -> dict[str, object]:
        """The answer as JSON."""
        return {
            "question": self.question,
            "target_ratio": self.target_ratio,
            **self.found,
            "trials": [asdict(trial) for trial in self.trials],
        }

    def print(self) -> None:
        """Prints the trials, smallest first, and the answer."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        table.add_column("streams", justify="right")
        table.add_column("devices")
        for name in ("refused", "in time %", "worst stream %", "simulated s"):
            table.add_column(name, justify="right")
        table.add_column("target")
        ordered = sorted(self.trials, key=lambda one: (one.num_streams, sum(one.devices.values())))
        for trial in ordered:
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
        console.print(f"{self.question}, {100 * self.target_ratio:g} % of the frames in time:")
        console.print(table)
        console.print(self.sentence)


def in_words(counts: Mapping[str, int]) -> str:
    """Numbers of devices by type."""
    return ", ".join(f"{count} x {name}" for name, count in counts.items() if count)
