"""The optimum, by mixed integer programming: PuLP with HiGHS, or CPLEX where it is installed.

Most is known before a solver starts. The default planner's plan is a lower bound, prices give an
upper one, and a mode or a pair of stream and mode that costs more against the prices than the two
bounds are apart is in no better plan (reduced cost fixing). No capacity counts beyond the largest sum
of rates that its streams can make.

For a few devices all choices of their modes that reduced costs leave are listed, and those dropped
that could not beat the plan even if streams could be split (`choices`). Mostly none is left, which
is the proof; each that is left gets a small program of its own. For more devices one program
chooses modes and streams together.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ....core.clock import MonotonicClock
from ....core.plan import Plan
from ....core.problem import Problem
from ..continuity import align
from ..effort import TimeLimit
from ..instance import build
from ..pricing.construct import empty_draft, to_plan
from .proof import Proof, beyond, value_of

DEFAULT_TIME_LIMIT_S = 60.0
FINE_UNITS = 1 << 20  # of rate


@dataclass(frozen=True, slots=True)
class ExactSolution:
    """A plan and what was proved about it.

    Rates without a simple unit in common are rounded up, by at most a millionth of what all streams
    send together; what is proved is proved of the problem with these rates.

    Attributes:
        plan: the best one found.
        is_optimal: whether none is better; False if the time limit came first.
        served_bound: no plan serves more streams.
        value_bound: no plan that serves as many as this one has a higher value per request: accuracy, less the price of
            joules where they count.
    """

    plan: Plan
    is_optimal: bool
    served_bound: int
    value_bound: float


class ExactPlanner:
    """Proves optimal plans for small problems: 4 devices and 24 streams mostly within a second."""

    def __init__(
        self, time_limit_s: float = DEFAULT_TIME_LIMIT_S, limit: TimeLimit | None = None
    ) -> None:
        """Sets how long proving may take, and how long all of planning; a first plan is made in any case."""
        self._time_limit_s = time_limit_s
        self._limit = limit or TimeLimit(MonotonicClock().now_ms)

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns a plan for the problem; see `Planner`."""
        del random  # the solver takes no chances
        return self.solve(problem, previous).plan

    def solve(self, problem: Problem, previous: Plan | None = None) -> ExactSolution:
        """Returns a plan with proofs: first serves as many as can be, then as accurately."""
        elapsed_ms = self._limit.elapsed_ms
        until_ms = elapsed_ms() + 1000 * self._time_limit_s
        limit = TimeLimit(elapsed_ms, min(until_ms, self._limit.until_ms))
        instance = build(problem, FINE_UNITS)
        if not instance.num_streams:
            nothing = to_plan(instance, empty_draft(instance), previous)
            return ExactSolution(nothing, is_optimal=True, served_bound=0, value_bound=0.0)
        draft, served_bound, bound = Proof(instance, limit).solve()
        served = sum(map(len, draft.members))
        is_optimal = served == served_bound and bound <= beyond(value_of(instance, draft))
        if previous is not None:
            align(instance, draft, previous)
        total_fps = sum(stream.fps for stream in problem.streams if problem.is_servable(stream))
        return ExactSolution(
            to_plan(instance, draft, previous),
            is_optimal,
            served_bound,
            bound * instance.unit_fps / total_fps,
        )
