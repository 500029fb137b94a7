"""What is known about problems, to compare plans with: a table of bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..files.tidy_table import read_tidy_table

COLUMNS = {"name": str, "served_bound": int, "accuracy_bound": float}
PROVED = "proved"


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Bounds of one problem.

    Attributes:
        served_bound: no plan serves more clients.
        accuracy_bound: no plan that serves so many has a higher accuracy per request.
        is_proved: whether both are known to be reached, or nearly; False where the table does not say.
    """

    served_bound: int
    accuracy_bound: float
    is_proved: bool = False


def read_yardsticks(path: Path) -> dict[str, Yardstick]:
    """Reads the columns `name`, `served_bound`, `accuracy_bound` and, if it is there, `proved`.

    Raises:
        UsageError: naming file, row, column and rule.
    """
    return {
        row["name"]: Yardstick(row["served_bound"], row["accuracy_bound"], row.get(PROVED) == 1)
        for row in read_tidy_table(path, COLUMNS).iter_rows(named=True)
    }
