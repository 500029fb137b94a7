"""Reads what is known about problems, to compare plans with."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError


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
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: {error}") from error
    found = {}
    for number, row in enumerate(rows, 2):
        try:
            found[row["name"]] = Yardstick(
                int(row["served_bound"]), float(row["accuracy_bound"]), row.get("proved") == "1"
            )
        except KeyError as error:
            raise UsageError(f"{path}: column {error} is missing") from error
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path}:{number}: served_bound, accuracy_bound: {error}") from error
    return found
