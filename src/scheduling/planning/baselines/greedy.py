"""A baseline: one stream after the other, each where it is seen most accurately."""

from __future__ import annotations

import math
from random import Random

from ....core.plan import Plan
from ....core.problem import Problem
from ..capacity import largest_batch
from ..effort import TimeLimit
from ..instance import budgets_table_ms
from ..mapping import assemble


class GreedyPlanner:
    """Places streams in the order they come, until the time is up; what is placed stays."""

    def __init__(self, limit: TimeLimit | None = None) -> None:
        self._limit = limit or TimeLimit()

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns a plan for the problem; see `Planner`."""
        del previous, random  # neither looks back nor chooses
        variants: list[int | None] = [None] * len(problem.devices)
        members: list[list[int]] = [[] for _ in problem.devices]
        budgets: list[list[float]] = budgets_table_ms(problem).tolist()
        best_first = sorted(
            range(len(problem.variants)), key=lambda variant: -problem.variants[variant].accuracy
        )

        def place(stream: int) -> None:
            for variant in best_first:
                for device, running in enumerate(variants):
                    together = [*members[device], stream]
                    if running in (None, variant) and largest_batch(
                        problem.tables[problem.devices[device].device_type],
                        variant,
                        min(budgets[one][variant] for one in together),
                        math.fsum(problem.streams[one].fps for one in together),
                    ):
                        variants[device], members[device] = variant, together
                        return

        for stream in range(len(problem.streams)):
            if budgets[stream][0] > 0 and not self._limit.is_up:
                place(stream)
        return assemble(problem, [variant or 0 for variant in variants], members)
