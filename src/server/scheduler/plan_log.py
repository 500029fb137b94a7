"""`plans.csv`: what each plan gives each device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...core.plan import Plan
from ...core.problem import Problem
from ...core.records import PlanRecord
from ...reporting.csv_log import CsvLog
from ...scheduling.planning.rules import score

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
        rated = score(problem, plan)
        fps = arrival_fps(problem, plan)
        for device in plan.devices:
            self._csv.write(
                PlanRecord(
                    epoch=epoch,
                    at_ms=at_ms,
                    cause=cause,
                    plan_ms=plan_ms,
                    device_id=device.device_id,
                    variant=problem.variants[device.variant].name,
                    batch_size=device.batch_size,
                    arrival_fps=fps.get(device.device_id, 0.0),
                    num_streams=sum(where == device.device_id for where in plan.placement.values()),
                    served_ratio=rated.served_ratio,
                    accuracy_per_request=rated.accuracy_per_request,
                )
            )
        self._csv.flush()

    def close(self) -> None:
        """Closes the file."""
        self._csv.close()


def arrival_fps(problem: Problem, plan: Plan) -> Mapping[str, float]:
    """The rates of each device's streams, added up (frame/s)."""
    totals: dict[str, float] = {}
    for client in problem.clients:
        device_id = plan.placement.get(client.client_id)
        if device_id is not None:
            totals[device_id] = totals.get(device_id, 0.0) + client.fps
    return totals
