"""`plans.csv`: what each plan gives each device."""

from __future__ import annotations

from pathlib import Path

from ...core.plan import Plan
from ...core.problem import Problem
from ...core.records import PlanRecord
from ...reporting.csv_log import CsvLog
from ...scheduling.planning.plan_records import plan_records

FILE_NAME = "plans.csv"


class PlanLog:
    """Writes plans, whether or not they changed anything."""

    def __init__(self, folder: Path) -> None:
        """Creates the file.

        Raises:
            OSError: if it cannot be created.
        """
        self._csv = CsvLog(folder / FILE_NAME, PlanRecord)

    def write(
        self,
        epoch: int,
        at_ms: float,
        cause: str,
        plan_ms: float,
        problem: Problem,
        plan: Plan,
    ) -> None:
        """Logs a plan, a row for each device."""
        for record in plan_records(epoch, at_ms, cause, plan_ms, problem, plan):
            self._csv.write(record)
        self._csv.flush()

    def close(self) -> None:
        """Closes the file."""
        self._csv.close()
