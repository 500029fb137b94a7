"""Decides on plans: periodically, and for streams that want to join. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from ...core.plan import Plan
from ...core.problem import Client, Problem
from .carry_over import carry_over
from .counter_offer import (
    CounterOffer,
    RefusalReason,
    admit,
    counter_offers,
    refusal_reason,
    with_client,
)
from .port import Planner
from .rules import violations
from .switching import SwitchingCost

PLANS_PER_OFFER = 18  # counter-offers are found by trying
RETRY_AFTER_MS = 1000.0

_log = logging.getLogger(__name__)


class Cause(StrEnum):
    """Why a plan was made; the first one that applies."""

    JOIN = "join"
    LEAVE = "leave"
    DEVICE_CHANGE = "device_change"
    LINK_JUMP = "link_jump"
    PERIOD = "period"


_URGENT = (Cause.JOIN, Cause.LEAVE, Cause.DEVICE_CHANGE, Cause.LINK_JUMP)


def first_cause(causes: Collection[Cause]) -> Cause:
    """What a plan is put down to that was made for several causes, or for none in particular."""
    return next((one for one in _URGENT if one in causes), Cause.PERIOD)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stream may not join, and what would fit.

    Attributes:
        detail: the same as `reason`, for people.
        counter_offers: would be admitted at this moment.
        retry_after_ms: when asking again makes sense; 0 where it does not.
    """

    reason: RefusalReason
    detail: str
    counter_offers: tuple[CounterOffer, ...] = ()
    retry_after_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a stream that wants to join; `refusal` is None if it may."""

    client: Client
    refusal: Refusal | None = None


_TOO_MANY = Refusal(
    reason=RefusalReason.OVERLOAD,
    detail="too many streams ask at once",
    retry_after_ms=RETRY_AFTER_MS,
)


class _KeepVariants:
    """A planner that changes no variant, for quick answers."""

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns the plan in force, carried over."""
        del random
        return carry_over(problem, previous or Plan((), {}))


class Planning:
    """The plan in force, and how the next one comes about.

    Attributes:
        plan: in force; None before the first.
    """

    def __init__(
        self,
        planner: Planner,
        seed: int,
        now_ms: Callable[[], float],
        switching: SwitchingCost | None = None,
    ) -> None:
        self.plan: Plan | None = None
        self._planner = planner
        self._random = Random(seed)  # noqa: S311 plans are no secrets
        self._now_ms = now_ms
        self._switching = switching or SwitchingCost()
        self._plan_ms = 0.0  # of the newest plan

    def replan(self, problem: Problem) -> Plan | None:
        """Plans anew; keeps what is in force unless a change serves more, or gains what it costs.

        A planner that fails leaves the plan as it is.
        """
        started_ms = self._now_ms()
        try:
            new = self._planner.plan(problem, self.plan, self._random)
            broken = violations(problem, new)
            if self.plan is not None:
                kept = carry_over(problem, self.plan)
                if broken or not self._switching.is_worth_it(problem, kept, new, self.plan):
                    new = kept
        except Exception:  # noqa: BLE001 a mistake in a planner must not end the process
            _log.exception("planning failed; the plan stays as it is")
            return self.plan
        if broken:
            _log.error("the planner broke rules: %s", "; ".join(broken[:3]))
            if self.plan is None:
                return None
        self.plan = new
        self._plan_ms = self._now_ms() - started_ms
        return new

    def admit(
        self, problem: Problem, joining: Sequence[Client], limit_ms: float
    ) -> list[Admission]:
        """Lets streams join, each only if nobody who is served loses his place.

        Tries all at once, then one by one while there is time; the rest is asked to come again.

        Args:
            problem: without the streams that want to join.
            joining: in the order in which they asked.
            limit_ms: when the answers are due.
        """
        try:
            return self._admit(problem, joining, limit_ms)
        except Exception:  # noqa: BLE001 as above
            _log.exception("admission failed")
            refusal = Refusal(
                reason=RefusalReason.OVERLOAD,
                detail="no plan could be made",
                retry_after_ms=RETRY_AFTER_MS,
            )
            return [Admission(client, refusal) for client in joining]

    def _admit(
        self, problem: Problem, joining: Sequence[Client], limit_ms: float
    ) -> list[Admission]:
        if not problem.devices:
            refusal = Refusal(
                reason=RefusalReason.OVERLOAD,
                detail="no device is ready",
                retry_after_ms=RETRY_AFTER_MS,
            )
            return [Admission(client, refusal) for client in joining]
        if len(joining) > 1 and self._admit_together(problem, joining):
            return [Admission(client) for client in joining]
        admissions = []
        for client in joining:
            if self._now_ms() > limit_ms:
                admissions.append(Admission(client, _TOO_MANY))
                continue
            plan = self._place(problem, client, limit_ms)
            if plan is None:
                admissions.append(Admission(client, self._refuse(problem, client, limit_ms)))
                continue
            self.plan = plan
            problem = with_client(problem, client)
            admissions.append(Admission(client))
        return admissions

    def _admit_together(self, problem: Problem, joining: Sequence[Client]) -> bool:
        """Places all of them with one plan, if there is one that serves everybody."""
        *others, last = joining
        for client in others:
            problem = with_client(problem, client)
        plan = self._timed_admit(problem, last, self._planner)
        if plan is None or any(plan.placement.get(one.client_id) is None for one in others):
            return False
        self.plan = plan
        return True

    def _place(self, problem: Problem, client: Client, limit_ms: float) -> Plan | None:
        if self.plan is not None:
            plan = self._timed_admit(problem, client, _KeepVariants())
            if plan is not None or self._now_ms() + self._plan_ms > limit_ms:
                return plan  # the next plan makes the best of it
        return self._timed_admit(problem, client, self._planner)

    def _timed_admit(self, problem: Problem, client: Client, planner: Planner) -> Plan | None:
        started_ms = self._now_ms()
        plan = admit(problem, client, self.plan, planner)
        if planner is self._planner:
            self._plan_ms = self._now_ms() - started_ms
        return plan

    def _refuse(self, problem: Problem, client: Client, limit_ms: float) -> Refusal:
        """Says why, and what would fit as far as there is time to find out."""
        reason = refusal_reason(problem, client)
        is_hopeless = reason is RefusalReason.INFEASIBLE
        now_ms = self._now_ms()
        has_time = now_ms + PLANS_PER_OFFER * self._plan_ms <= limit_ms
        offers = (
            counter_offers(
                problem, client, self.plan, self._planner if has_time else _KeepVariants()
            )
            if now_ms <= limit_ms
            else ()
        )
        asked = f"{client.fps:g} frames/s within {client.slo_ms:g} ms at {client.bandwidth_kbps:g} kbit/s"
        return Refusal(
            reason=reason,
            detail=f"not even an idle server could do {asked}"
            if is_hopeless
            else f"the devices are taken: there is no room for {asked}",
            counter_offers=offers,
            retry_after_ms=0.0 if is_hopeless else RETRY_AFTER_MS,
        )
