"""Says for each stream of a plan why it is served as it is, and what it would take to see better."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from ...core.mode import ModeTable
from ...core.plan import DevicePlan, Plan
from ...core.problem import Problem
from ...core.stream import Stream
from .capacity import limit_fps
from .counter_offer import CounterOffer, RefusalReason, counter_offers, refusal_reason
from .port import Planner

SLO_STEP_MS = 0.1  # what is asked for is rounded up to these
BANDWIDTH_STEP_KBPS = 1.0


class Binding(StrEnum):
    """What keeps a stream from a more accurate variant."""

    NOTHING = "nothing"  # it has the most accurate one
    NETWORK_RATE = "network rate"  # its link does not carry the next one's frames at its rate
    LATENCY = "latency"  # its budget is below twice the latency, even alone on an idle device
    THROUGHPUT = "throughput"  # it would fit; no device that runs it has room


@dataclass(frozen=True, slots=True)
class Wish:
    """One way to a more accurate variant, while all others stay as they are.

    On `device_id`, as it is planned now, or on one more device of `device_type`, the stream is
    served with `variant` once its link or its SLO is what is named here; either is enough. Where
    neither is named nothing but the device is missing.

    Attributes:
        variant: index into the problem's variants.
        device_id: that would take the stream, or None for a further one.
        device_type: of it.
        bandwidth_kbps: of the uplink, or None if no rate is enough or none is needed.
        slo_ms: or None if none is needed.
    """

    variant: int
    device_id: str | None
    device_type: str
    bandwidth_kbps: float | None
    slo_ms: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one stream is served as it is.

    Attributes:
        device: that serves it, or None if it is refused.
        budget_ms: what the network leaves for its variant, or the smallest if it is refused.
        needed_ms: twice the batch latency of its device; 0 if it is refused.
        binding: what keeps it from the next better variant.
        wishes: ways to a better variant, the one that takes least first.
        refusal: why it is refused, or None if it is served.
        offers: what would be accepted of a refused stream.
    """

    stream_id: str
    device: DevicePlan | None
    budget_ms: float
    needed_ms: float
    binding: Binding
    wishes: tuple[Wish, ...]
    refusal: RefusalReason | None
    offers: tuple[CounterOffer, ...]


def explain(
    problem: Problem, plan: Plan, planner: Planner, max_offers: int = 8
) -> list[Explanation]:
    """Explains a sound plan, stream by stream.

    Args:
        problem: what was planned.
        plan: obeys its rules.
        planner: looks for counter-offers, several plans for each.
        max_offers: for so many refused streams, the first ones.
    """
    running = {device.device_id: device for device in plan.devices}
    members: dict[str, list[Stream]] = {device_id: [] for device_id in running}
    for stream in problem.streams:
        place = plan.placement[stream.stream_id]
        if place is not None:
            members[place].append(stream)
    explanations = []
    offered = 0
    for stream in problem.streams:
        device = running.get(plan.placement[stream.stream_id] or "")
        budgets = problem.budgets_ms(stream)
        refusal = None
        offers: tuple[CounterOffer, ...] = ()
        if device is None:
            refusal = refusal_reason(problem, stream)
            if offered < max_offers:
                offered += 1
                offers = counter_offers(_without(problem, stream), stream, plan, planner)
        explanations.append(
            Explanation(
                stream_id=stream.stream_id,
                device=device,
                budget_ms=budgets[device.mode.variant if device else 0],
                needed_ms=2 * _latency_ms(problem, device) if device else 0.0,
                binding=_binding(problem, stream, device),
                wishes=_wishes(problem, stream, device, running, members),
                refusal=refusal,
                offers=offers,
            )
        )
    return explanations


def _without(problem: Problem, stream: Stream) -> Problem:
    others = tuple(other for other in problem.streams if other.stream_id != stream.stream_id)
    return replace(problem, streams=others)


def _types(problem: Problem) -> dict[str, str]:
    return {device.device_id: device.device_type for device in problem.devices}


def _latency_ms(problem: Problem, device: DevicePlan) -> float:
    table = problem.tables[_types(problem)[device.device_id]]
    return table.p99_ms(device.mode)


def _better(problem: Problem, device: DevicePlan | None) -> list[int]:
    """Variants more accurate than what the device runs, the next one first."""
    now = problem.variants[device.mode.variant].accuracy if device else -1.0
    better = [n for n, variant in enumerate(problem.variants) if variant.accuracy > now]
    return sorted(better, key=lambda number: problem.variants[number].accuracy)


def _binding(problem: Problem, stream: Stream, device: DevicePlan | None) -> Binding:
    better = _better(problem, device)
    if not better:
        return Binding.NOTHING
    if not stream.is_carried(problem.variants[better[0]].frame_kbits):
        return Binding.NETWORK_RATE
    budget = problem.budget_ms(stream, better[0])
    for device_type in set(_types(problem).values()):
        if _least_ms(problem.tables[device_type], better[0], stream.fps, budget) <= budget:
            return Binding.THROUGHPUT
    return Binding.LATENCY


def _least_ms(table: ModeTable, variant: int, rate_fps: float, most_ms: float) -> float:
    """Twice the shortest latency at which a device carries the rate; infinite if beyond `most_ms`.

    Args:
        table: of the device's type.
        variant: that it runs.
        rate_fps: of all streams of the device together.
        most_ms: the least budget of those that are there already.
    """
    possible = [
        2 * cost.p99_ms
        for cost in table.costs(variant)
        if rate_fps <= limit_fps(cost) and 2 * cost.p99_ms <= most_ms
    ]
    return min(possible, default=math.inf)


def _wishes(
    problem: Problem,
    stream: Stream,
    device: DevicePlan | None,
    running: dict[str, DevicePlan],
    members: dict[str, list[Stream]],
) -> tuple[Wish, ...]:
    """The way that takes least on devices as they are, and the one with a further device."""
    types = _types(problem)
    better = set(_better(problem, device))
    found: list[tuple[float, Wish]] = []
    for device_id, other in running.items():
        if other.mode.variant not in better:
            continue
        there = members[device_id]
        needed = _least_ms(
            problem.tables[types[device_id]],
            other.mode.variant,
            math.fsum(one.fps for one in (*there, stream)),
            min((problem.budget_ms(one, other.mode.variant) for one in there), default=math.inf),
        )
        if needed < math.inf:
            short = needed - problem.budget_ms(stream, other.mode.variant)
            found.append(
                (
                    short,
                    _wish(problem, stream, other.mode.variant, device_id, types[device_id], needed),
                )
            )
    wishes = [min(found, key=lambda pair: pair[0])[1]] if found else []
    further: list[tuple[float, Wish]] = []
    for number in sorted(better):
        for device_type in sorted(set(types.values())):
            needed = _least_ms(problem.tables[device_type], number, stream.fps, math.inf)
            if needed < math.inf:
                short = needed - problem.budget_ms(stream, number)
                further.append(
                    (max(short, 0.0), _wish(problem, stream, number, None, device_type, needed))
                )
    if further:
        wishes.append(min(further, key=lambda pair: pair[0])[1])
    return tuple(wishes)


def _wish(
    problem: Problem,
    stream: Stream,
    variant: int,
    device_id: str | None,
    device_type: str,
    needed_ms: float,
) -> Wish:
    """What the stream has to bring for a budget of that much."""
    if problem.budget_ms(stream, variant) >= needed_ms:
        return Wish(variant, device_id, device_type, None, None)
    frame_kbits = problem.variants[variant].frame_kbits
    kbits = frame_kbits * stream.frame_size_ratio
    spent_ms = problem.overhead_ms + stream.decode_ms
    left_ms = stream.slo_ms - spent_ms - needed_ms - 2 * stream.wire_ms
    bandwidth = None
    if left_ms > 0:
        least = max(1000 * (kbits + stream.response_kbits) / left_ms, stream.fps * kbits)
        bandwidth = (math.floor(least / BANDWIDTH_STEP_KBPS) + 1) * BANDWIDTH_STEP_KBPS
    slo = None
    if stream.is_carried(frame_kbits):
        least = stream.network_ms(frame_kbits) + spent_ms + needed_ms
        slo = (math.floor(least / SLO_STEP_MS) + 1) * SLO_STEP_MS
    return Wish(variant, device_id, device_type, bandwidth, slo)
