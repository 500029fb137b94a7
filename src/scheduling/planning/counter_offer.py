"""Admission: whether one more stream can be placed, and if not, what would be accepted instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from ...core.limits import FPS, SLO_MS
from ...core.plan import Plan
from ...core.problem import Problem
from ...core.stream import Stream
from .capacity import capacity_fps
from .port import Planner
from .seats import carry_over

LEAST_RATE_RATIO = 1 / 32  # of what was asked for; a stream slower than that is another stream


class RefusalReason(StrEnum):
    """Why a stream cannot be placed."""

    INFEASIBLE = "infeasible"  # not even an idle server could serve it as it asks
    OVERLOAD = "overload"  # the devices are taken
    NOT_READY = "not_ready"  # no device can run frames yet, or any more
    QUOTA = "quota"  # its tenant has as much as it may have
    NAME_TAKEN = "name_taken"  # somebody else streams under its name


@dataclass(frozen=True, slots=True)
class CounterOffer:
    """Asking again with these values would be accepted while nothing else changes."""

    fps: float
    slo_ms: float


def admit(problem: Problem, stream: Stream, plan: Plan | None, planner: Planner) -> Plan | None:
    """Returns a plan that serves one more stream and nobody less, or None if none was found.

    Makes at most one plan. The same arguments give the same answer.

    Args:
        problem: everybody else. If it names the stream already, that entry is replaced.
        stream: who asks.
        plan: the plan in force, if there is one. A stream that it serves must stay served, unless its
            link has become so bad that no device could serve it even alone.
        planner: finds the new plan, if staying with the variants in force is not enough.
    """
    if not fits_alone(problem, stream):
        return None
    return _admit(problem, stream, plan, planner, protected_streams(problem, plan))


def admits(
    problem: Problem, stream: Stream, plan: Plan | None, planner: Planner, protected: set[str]
) -> bool:
    """Whether `admit` finds a plan for a stream that fits alone; `protected` is of `protected_streams`."""
    return _admit(problem, stream, plan, planner, protected) is not None


def refusal_reason(problem: Problem, stream: Stream) -> RefusalReason:
    """Tells why a stream that was not admitted cannot be placed."""
    if fits_alone(problem, stream):
        return RefusalReason.OVERLOAD
    return RefusalReason.INFEASIBLE


def counter_offers(
    problem: Problem, stream: Stream, plan: Plan | None, planner: Planner
) -> tuple[CounterOffer, ...]:
    """Returns what would be admitted in place of a stream that is not.

    At most two offers, each verified with `admit`; see `find_offers`.

    Args:
        problem: everybody else.
        stream: who asks, and cannot be admitted.
        plan: the plan in force, if there is one.
        planner: as for `admit`.
    """
    protected = protected_streams(problem, plan)
    return find_offers(
        problem, stream, lambda changed: admits(problem, changed, plan, planner, protected)
    )


def find_offers(
    problem: Problem, stream: Stream, is_taken: Callable[[Stream], bool]
) -> tuple[CounterOffer, ...]:
    """Returns the highest rate at the same SLO, and the shortest SLO at the same rate, that would be taken.

    Both are round numbers. Halves its choices, so that it asks at most eight times for the rate and nine
    times for the SLO.

    Args:
        problem: everybody else.
        stream: who asks, and cannot be admitted.
        is_taken: whether the stream would be admitted in another form, which some idle device could serve.
    """

    def is_admitted(fps: float, slo_ms: float) -> bool:
        changed = replace(stream, fps=fps, slo_ms=slo_ms)
        return fits_alone(problem, changed) and is_taken(changed)

    rates = _round_numbers(FPS.nearest(stream.fps * LEAST_RATE_RATIO), stream.fps)[::-1]
    fps = _first(rates, lambda rate: is_admitted(rate, stream.slo_ms))
    longest_ms = _longest_useful_slo_ms(problem, stream)
    slos = _round_numbers(stream.slo_ms, longest_ms)
    if longest_ms > stream.slo_ms:
        slos.append(longest_ms)
    slo_ms = _first(slos, lambda slo: is_admitted(stream.fps, slo))
    offers = []
    if fps is not None:
        offers.append(CounterOffer(fps, stream.slo_ms))
    if slo_ms is not None:
        offers.append(CounterOffer(stream.fps, slo_ms))
    return tuple(offers)


def fits_alone(problem: Problem, stream: Stream) -> bool:
    """Whether some idle device could serve the stream with some variant."""
    return _fits_one_of(_device_types(problem), problem, stream)


def protected_streams(problem: Problem, plan: Plan | None) -> set[str]:
    """Names the streams that must stay served: those whom the plan serves, and some device could serve alone."""
    if plan is None:
        return set()
    served = [one for one in problem.streams if plan.placement.get(one.stream_id) is not None]
    device_types = _device_types(problem)
    return {one.stream_id for one in served if _fits_one_of(device_types, problem, one)}


def _admit(
    problem: Problem, stream: Stream, plan: Plan | None, planner: Planner, protected: set[str]
) -> Plan | None:
    """As `admit`, for a stream that fits alone; `protected` names those that must stay served."""
    wider = with_streams(problem, (stream,))
    needed = {stream.stream_id} | protected

    def serves_all(candidate: Plan) -> bool:
        return all(candidate.placement.get(one) is not None for one in needed)

    new = planner.plan(wider, plan, Random(0))  # noqa: S311 - fixed, so that an offer holds
    if serves_all(new):
        return new
    if plan is not None and serves_all(kept := carry_over(wider, plan)):
        return kept
    return None


def _device_types(problem: Problem) -> set[str]:
    return {device.device_type for device in problem.devices}


def _fits_one_of(device_types: set[str], problem: Problem, stream: Stream) -> bool:
    return problem.is_servable(stream) and any(
        stream.fps <= capacity_fps(problem.tables[device_type], number, budget_ms)
        for number in range(len(problem.variants))
        if (budget_ms := problem.budget_ms(stream, number)) > 0
        for device_type in device_types
    )


def with_streams(problem: Problem, streams: Iterable[Stream]) -> Problem:
    """Returns the problem with more streams; each replaces one of the same id before it."""
    more = {stream.stream_id: stream for stream in streams}
    if not more:
        return problem
    others = (other for other in problem.streams if other.stream_id not in more)
    return replace(problem, streams=(*others, *more.values()))


def _longest_useful_slo_ms(problem: Problem, stream: Stream) -> float:
    """The SLO above which no budget rule binds any more; the stream's own if none helps."""
    useful = [
        stream.network_ms(variant.frame_kbits)
        + problem.overhead_ms
        + stream.decode_ms
        + 2 * max(cost.p99_ms for cost in table.costs(number))
        for number, variant in enumerate(problem.variants)
        if stream.is_carried(variant.frame_kbits)
        for table in (problem.tables[device_type] for device_type in _device_types(problem))
    ]
    return float(math.ceil(min(max(useful, default=stream.slo_ms), SLO_MS.most)))


def _round_numbers(above: float, below: float) -> list[float]:
    """Rising numbers strictly between, of about two digits: 9, 9.5, 10, 11, ..., 49, 50, 55, ..."""
    numbers: list[float] = []
    value = above
    while True:
        power = 10.0 ** math.floor(math.log10(value) - 1)
        step = power if value < 50 * power else 5 * power
        value = float(f"{(math.floor(value / step + 1e-9) + 1) * step:.12g}")
        if value >= below:
            return numbers
        numbers.append(value)


def _first(values: Sequence[float], is_accepted: Callable[[float], bool]) -> float | None:
    """The first accepted value, if acceptance, once begun, lasts; in any case an accepted one."""
    if not values or not is_accepted(values[-1]):
        return None
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        if is_accepted(values[middle]):
            high = middle
        else:
            low = middle + 1
    return values[high]
