"""Integer programs are solved, whatever the solver that comes first makes of them."""

from __future__ import annotations

import warnings
from random import Random

import pulp
import pytest

from moonjelly.scheduling.planning.exact.brute_force import BruteForcePlanner
from moonjelly.scheduling.planning.exact.exact import ExactPlanner
from moonjelly.scheduling.planning.rules import score


class SmallCplex(pulp.LpSolver):
    """Like CPLEX's Community Edition: refuses what is larger than it may be, with a model made."""

    num_refused = 0

    def available(self):
        return True

    def actualSolve(self, lp, **_):  # noqa: N802 - PuLP's name
        type(self).num_refused += 1
        lp.solverModel = object()
        raise RuntimeError("CPLEX Error  1016: Community Edition. Problem size limits exceeded.")


@pytest.fixture
def small_cplex(monkeypatch):
    monkeypatch.setattr(SmallCplex, "num_refused", 0)
    monkeypatch.setattr(pulp, "CPLEX_PY", lambda **_: SmallCplex())
    return SmallCplex


def test_what_cplex_refuses_highs_solves_and_it_is_said_once(small_problem, small_cplex):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for seed in range(40):
            problem = small_problem(seed)
            solution = ExactPlanner().solve(problem)
            truth = score(problem, BruteForcePlanner().plan(problem, None, Random(0)))
            found = score(problem, solution.plan)
            assert solution.is_optimal
            assert found.num_served == truth.num_served
            assert found.accuracy_per_request == pytest.approx(truth.accuracy_per_request)
    assert small_cplex.num_refused > 1
    (said,) = told
    assert str(said.message) == (
        "CPLEX does not solve what HiGHS then does: "
        "CPLEX Error  1016: Community Edition. Problem size limits exceeded."
    )
