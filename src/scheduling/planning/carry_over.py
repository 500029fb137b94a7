"""Carries the plan in force over to a new problem, changing no variant."""

from __future__ import annotations

from ...core.plan import Plan
from ...core.problem import Problem
from .seats import Seats


def carry_over(problem: Problem, previous: Plan) -> Plan:
    """Returns a sound plan that keeps variants, and streams on their devices, where that still fits.

    Streams that are placed nowhere are then added, in the problem's order, where there is room on
    the most accurate variant.
    """
    return Seats(problem, previous).plan(problem)
