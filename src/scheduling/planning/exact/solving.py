"""How integer programs are solved: PuLP with HiGHS, or CPLEX where it is installed."""

from __future__ import annotations

import pulp


def maximise(
    program: pulp.LpProblem,
    objective: pulp.LpAffineExpression,
    least: float,
    time_limit_s: float,
) -> float | None:
    """Solves; returns the proved bound, infinite where none is told, or None if there is nothing."""
    program.setObjective(objective)
    program += objective >= least
    program.solve(_solver(max(time_limit_s, 1e-3)))
    if program.status == pulp.LpStatusInfeasible:
        return None
    return _bound(program)


def has_solution(program: pulp.LpProblem) -> bool:
    """Whether a solver has found one."""
    return program.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)


def _solver(time_limit_s: float) -> pulp.LpSolver:
    """CPLEX if it is installed, else HiGHS."""
    cplex = pulp.CPLEX_PY(msg=False, timeLimit=time_limit_s, gapRel=0.0)
    if cplex.available():
        return cplex
    return pulp.HiGHS(msg=False, timeLimit=time_limit_s, gapRel=0.0)


def _bound(program: pulp.LpProblem) -> float:
    """The bound that the solver proved; infinite where it does not tell."""
    model = program.solverModel
    if hasattr(model, "getInfo"):  # HiGHS minimises the negative
        return -float(model.getInfo().mip_dual_bound)
    return float(model.solution.MIP.get_best_objective())
