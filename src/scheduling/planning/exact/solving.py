"""How integer programs are solved: PuLP with HiGHS, or CPLEX where it is installed."""

from __future__ import annotations

import warnings

import pulp

# An optimum within a gap is none to PuLP.
CPLEX_OPTIONS = {"mip.tolerances.absmipgap": 0.0}


def maximise(
    program: pulp.LpProblem,
    objective: pulp.LpAffineExpression,
    least: float,
    time_limit_s: float,
) -> float | None:
    """Solves; returns the proved bound, infinite where none is told, or None if there is nothing."""
    program.setObjective(objective)
    program += objective >= least
    _solve(program, {"msg": False, "timeLimit": max(time_limit_s, 1e-3), "gapRel": 0.0})
    if program.status == pulp.LpStatusInfeasible:
        return None
    return _bound(program)


def has_solution(program: pulp.LpProblem) -> bool:
    """Whether a solver has found one."""
    return program.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)


def _solve(program: pulp.LpProblem, options: dict[str, float]) -> None:
    """Solves with CPLEX if it is installed and takes the program, else with HiGHS."""
    cplex = pulp.CPLEX_PY(**options, **CPLEX_OPTIONS)
    if cplex.available():
        try:
            program.solve(cplex)
        except Exception as error:  # noqa: BLE001 - its Community Edition takes small programs alone
            warnings.warn(  # once, as long as nobody says otherwise
                f"CPLEX does not solve what HiGHS then does: {error}", RuntimeWarning, stacklevel=1
            )
        else:
            return
    program.solve(pulp.HiGHS(**options))


def _bound(program: pulp.LpProblem) -> float:
    """The bound that the solver proved; infinite where it does not tell."""
    model = program.solverModel
    if hasattr(model, "getInfo"):  # HiGHS minimises the negative
        return -float(model.getInfo().mip_dual_bound)
    if program.sol_status == pulp.LpSolutionOptimal:  # after which its bound means nothing
        return float(program.objective.value())
    return float(model.solution.MIP.get_best_objective())
