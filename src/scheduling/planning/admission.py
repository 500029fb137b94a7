"""Admission of several streams at once: each only if nobody who is served loses his place, but for those of later stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from ...core.plan import Plan
from ...core.problem import Problem
from ...core.stream import Stream
from .counter_offer import (
    CounterOffer,
    RefusalReason,
    admits,
    find_offers,
    fits_alone,
    protected_streams,
    refusal_reason,
    with_streams,
)
from .effort import TimeLimit
from .port import Planner
from .seats import Seats
from .stages import PROMISED, Staging, stages_of

PLANS_PER_OFFER = 18  # counter-offers are found by trying
RETRY_AFTER_MS = 1000.0


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

    stream: Stream
    refusal: Refusal | None = None


NOT_READY = Refusal(RefusalReason.NOT_READY, "no device can run frames", (), RETRY_AFTER_MS)
NAME_TAKEN = Refusal(
    RefusalReason.NAME_TAKEN,
    "stream_id: somebody streams under it; must be another, or come with that session's secret",
    (),
    RETRY_AFTER_MS,
)
NO_PLAN = Refusal(RefusalReason.OVERLOAD, "no plan could be made", (), RETRY_AFTER_MS)
TOO_MANY = Refusal(RefusalReason.OVERLOAD, "too many streams ask at once", (), RETRY_AFTER_MS)


class AdmissionRound:
    """Answers those who ask together.

    First they are seated one by one beside the others, all variants staying, which takes a time that grows with their number
    alone. For those who are left a few plans are made: for all of them, for half of them, and so on. Counter-offers come last.
    What there is no time for is left out, and the answer is no, for now. A stream of an earlier stage may take the places of those of
    later ones.

    Attributes:
        plan: serves everybody, with those who were admitted; None if nobody was.
    """

    def __init__(
        self,
        everybody: Problem,
        plans: Sequence[Plan],
        planner: Planner,
        limit: TimeLimit,
        staging: Staging = lambda problem: stages_of(problem, {}),
        *,
        may_seat: bool = True,
    ) -> None:
        """Prepares a round.

        Args:
            everybody: the streams that are there already, each as it was promised.
            plans: the one in force, whose streams must stay served, and any others that may serve them all.
            planner: keeps to the limit.
            limit: of the time, for everything.
            staging: tells in which stage each stream is planned.
            may_seat: whether somebody may be seated without a plan.
        """
        self._staging = staging
        self.plan: Plan | None = None
        self._problem = everybody
        self._previous = plans[0]
        self._planner = planner
        self._limit = limit
        self._plan_ms = 0.0  # of the newest plan in this round
        self._protected = protected_streams(everybody, plans[0])
        candidates = (Seats(everybody, plan) for plan in plans if may_seat)
        self._seats = next((one for one in candidates if one.has(self._protected)), None)

    def run(self, joining: Sequence[Stream]) -> list[Admission]:
        """Answers each stream, in the order in which they asked."""
        unseen, left, seated = set(), [], []
        for stream in joining:
            if self._limit.is_up:
                unseen.add(stream.stream_id)
            elif not fits_alone(self._problem, stream):
                continue
            elif self._seats is not None and self._seats.add(stream):
                seated.append(stream)
            else:
                left.append(stream)
        if seated and self._seats is not None:
            self._problem = with_streams(self._problem, seated)
            self._protected |= {stream.stream_id for stream in seated}
            self.plan = self._seats.plan(self._problem)
        admitted = {stream.stream_id for stream in seated} | self._by_planner(left)
        return [
            Admission(stream)
            if stream.stream_id in admitted
            else Admission(stream, TOO_MANY if stream.stream_id in unseen else self._refuse(stream))
            for stream in joining
        ]

    def _by_planner(self, left: Sequence[Stream]) -> set[str]:
        """Names those of the streams that a plan serves together with everybody else."""
        while left and not self._limit.is_up:
            wider = with_streams(self._problem, left)
            stages = self._staging(wider)
            left = sorted(left, key=lambda one: stages[one.stream_id])
            started_ms = self._limit.elapsed_ms()
            # A fixed seed, so that an offer holds.
            plan = self._planner.plan(wider, self.plan or self._previous, Random(0))  # noqa: S311
            self._plan_ms = self._limit.elapsed_ms() - started_ms
            served = {one for one, place in plan.placement.items() if place is not None}
            admitted = {one.stream_id for one in left} & served
            last = max((stages[one] for one in admitted), default=PROMISED)
            if admitted and {one for one in self._protected if stages[one] <= last} <= served:
                streams = [one for one in left if one.stream_id in admitted]
                self._problem = with_streams(self._problem, streams)
                refused = {one.stream_id for one in left} - admitted
                self.plan = Plan(
                    plan.devices,
                    {one: place for one, place in plan.placement.items() if one not in refused},
                )
                self._seats = Seats(self._problem, self.plan)
                return admitted
            left = left[: len(left) // 2]
        return set()

    def _refuse(self, stream: Stream) -> Refusal:
        """Says why, and what would fit."""
        asked = (
            f"{stream.fps:g} frames/s within {stream.slo_ms:g} ms "
            f"at {stream.bandwidth_kbps:g} kbit/s"
        )
        reason = refusal_reason(self._problem, stream)
        if reason is RefusalReason.INFEASIBLE:
            detail = f"not even an idle server could do {asked}"
            return Refusal(reason, detail, self._offers(stream))
        detail = f"the devices are taken: there is no room for {asked}"
        return Refusal(reason, detail, self._offers(stream), RETRY_AFTER_MS)

    def _offers(self, stream: Stream) -> tuple[CounterOffer, ...]:
        """What would fit, as far as there is time to find out."""
        if self._limit.is_up:
            return ()
        may_plan = self._limit.left_ms >= PLANS_PER_OFFER * self._plan_ms
        plan = self.plan or self._previous
        served = protected_streams(self._problem, plan)

        def is_taken(changed: Stream) -> bool:
            if self._limit.is_up:
                return False
            if self._seats is not None and self._seats.would_take(changed):
                return True
            if not may_plan:
                return False
            stages = self._staging(with_streams(self._problem, [changed]))
            own = stages[changed.stream_id]
            protected = {one for one in served if stages[one] <= own}
            return admits(self._problem, changed, plan, self._planner, protected)

        return find_offers(self._problem, stream, is_taken)
