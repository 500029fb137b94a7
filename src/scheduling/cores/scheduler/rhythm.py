"""When rounds are due, and whether plan or admission comes first."""

from __future__ import annotations

import math

from ...pacing import LEAST_PLAN_GAP_MS
from ...planning.rounds import Cause, first_cause

FIRST_WORD_MS = 1000.0  # how long a new scheduler waits for the others to say what they have
PLAN_SHARE = 0.4  # of a period, for a plan; with what surrounds it, it keeps to half a period
ADMISSION_SHARE = 0.3  # of a period, for answering those who want to join
LONGEST_ROUND_MS = 1000.0  # nobody else in its process waits longer, however long the period


class Rhythm:
    """Paces the rounds of a scheduler.

    Attributes:
        plan_budget_ms: for a plan.
        admission_budget_ms: for an admission.
        has_begun: whether there was a first round.
    """

    def __init__(self, period_ms: float, now_ms: float) -> None:
        """Starts before the first round.

        Args:
            period_ms: time between plans.
            now_ms: when it starts.
        """
        self.plan_budget_ms = min(PLAN_SHARE * period_ms, LONGEST_ROUND_MS)
        self.admission_budget_ms = min(ADMISSION_SHARE * period_ms, LONGEST_ROUND_MS)
        self.has_begun = False
        self._period_ms = period_ms
        self._gap_ms = min(LEAST_PLAN_GAP_MS, period_ms / 10)
        self._causes: set[Cause] = set()
        self._first_ms = now_ms + FIRST_WORD_MS
        self._planned_ms = -math.inf  # when the newest plan was begun
        self._plan_due_ms = -math.inf  # when the next one is, if nothing asks for it before
        self._rested_ms = -math.inf  # when the newest round was over

    def want(self, cause: Cause) -> None:
        """Something asks for a plan soon."""
        self._causes.add(cause)

    def asked(self, now_ms: float) -> None:
        """Somebody wants to join; a new scheduler does not wait long for others then."""
        self._first_ms = min(self._first_ms, now_ms + self._period_ms / 2)

    def due_ms(self, *, has_heard_all: bool, has_joins: bool, has_streams: bool) -> float:
        """When the next round is due; infinite if none is."""
        if not self.has_begun:
            return -math.inf if has_heard_all else self._first_ms
        rested_ms = self._rested_ms + self._gap_ms
        if has_joins or self._causes:
            return rested_ms
        return max(rested_ms, self._plan_due_ms) if has_streams else math.inf

    def must_plan_first(self, now_ms: float, asked_ms: float) -> bool:
        """Whether a plan is overdue; but nobody who wants to join waits for two in a row.

        Args:
            now_ms: when.
            asked_ms: since when somebody waits to join.
        """
        return now_ms >= self._plan_due_ms and asked_ms > self._planned_ms

    def plan(self, now_ms: float) -> Cause:
        """A plan is begun; returns what it is put down to."""
        cause = first_cause(self._causes)
        self._causes.clear()
        late_ms = now_ms - self._plan_due_ms
        was_held_up = 0 < late_ms < self._period_ms / 2  # which delays no other
        self._plan_due_ms = (self._plan_due_ms if was_held_up else now_ms) + self._period_ms
        self._planned_ms = now_ms
        return cause

    def rest(self, now_ms: float) -> None:
        """A round is over."""
        self.has_begun = True
        self._rested_ms = now_ms
