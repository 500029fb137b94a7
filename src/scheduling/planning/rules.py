"""Judges a plan: which rules it breaks, and how good it is. Shares no code with the planners."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from ...core.mode import ModeCost, ModeTable
from ...core.plan import DevicePlan, Plan
from ...core.problem import Problem
from ...core.stream import Stream


@dataclass(frozen=True, slots=True)
class Power:
    """What devices draw under a plan.

    Attributes:
        idle_w: while nothing runs, at their lowest clocks.
        above_idle_w: what their frames add: over all streams, rate x energy of a frame above idle.
    """

    idle_w: float
    above_idle_w: float

    @property
    def total_w(self) -> float:
        """All of it."""
        return self.idle_w + self.above_idle_w


@dataclass(frozen=True, slots=True)
class Score:
    """How good a plan is (docs/architecture.md, "Planning").

    Attributes:
        num_servable: streams whose network leaves a budget for the smallest variant.
        num_served: those of them that the plan places.
        accuracy_per_request: sum of fps x accuracy over the served, over the sum of fps over the
            servable; 0 if nobody is servable.
        accuracy_per_stream: mean accuracy over the servable, 0 for those that are not served.
        value_per_request: accuracy per request, less the price of joules where they count.
        power: what the devices draw; None where that is not known of all of them.

    Source: Jellyfish, effectiveness, accuracy per request and per stream.
    """

    num_servable: int
    num_served: int
    accuracy_per_request: float
    accuracy_per_stream: float
    value_per_request: float
    power: Power | None

    @property
    def served_ratio(self) -> float:
        """The share of the servable that is served; 0 if nobody is servable, as published."""
        return self.num_served / self.num_servable if self.num_servable else 0.0


def score(problem: Problem, plan: Plan) -> Score:
    """Returns how good the plan is, whether or not it obeys the rules."""
    servable = [stream for stream in problem.streams if problem.is_servable(stream)]
    costs = _costs(problem, plan)
    served = [
        (stream.fps, problem.variants[costs[device_id].mode.variant].accuracy, costs[device_id])
        for stream in servable
        if (device_id := plan.placement.get(stream.stream_id)) is not None
    ]
    power = device_power(problem, plan)
    fleet = None
    if power is not None:
        fleet = Power(
            math.fsum(one.idle_w for one in power.values()),
            math.fsum(one.above_idle_w for one in power.values()),
        )
    if not servable:
        return Score(0, 0, 0.0, 0.0, 0.0, fleet)
    total_fps = math.fsum(stream.fps for stream in servable)
    return Score(
        num_servable=len(servable),
        num_served=len(served),
        accuracy_per_request=math.fsum(fps * accuracy for fps, accuracy, _ in served) / total_fps,
        accuracy_per_stream=math.fsum(accuracy for _, accuracy, _ in served) / len(servable),
        value_per_request=math.fsum(fps * problem.frame_value(cost) for fps, _, cost in served)
        / total_fps,
        power=fleet,
    )


def device_power(problem: Problem, plan: Plan) -> dict[str, Power] | None:
    """Returns what each device draws under the plan; None where a table does not tell.

    That is idle power at the lowest clock, and for each stream its rate by what a frame takes above that in the mode that runs.
    """
    tables = {device.device_id: problem.tables[device.device_type] for device in problem.devices}
    if not all(table.knows_joules for table in tables.values()):
        return None
    rates: dict[str | None, list[float]] = {}
    for stream in problem.streams:
        rates.setdefault(plan.placement.get(stream.stream_id), []).append(stream.fps)
    return {
        device_id: Power(
            tables[device_id].idle_w or 0.0,
            math.fsum(rates.get(device_id, ())) * (cost.above_idle_mj or 0.0) / 1000,
        )
        for device_id, cost in _costs(problem, plan).items()
    }


def _costs(problem: Problem, plan: Plan) -> dict[str, ModeCost]:
    """What the mode of each device costs."""
    types = {device.device_id: device.device_type for device in problem.devices}
    return {
        one.device_id: problem.tables[types[one.device_id]].cost(one.mode) for one in plan.devices
    }


def violations(problem: Problem, plan: Plan) -> list[str]:
    """Returns one sentence for each rule that the plan breaks; empty for a sound plan."""
    found = _structure(problem, plan)
    if found:
        return found  # the rest would stumble over unknown names
    types = {device.device_id: device.device_type for device in problem.devices}
    streams: dict[str | None, list[Stream]] = {}
    for stream in problem.streams:
        streams.setdefault(plan.placement[stream.stream_id], []).append(stream)
    for device in plan.devices:
        table = problem.tables[types[device.device_id]]
        most = len(table.costs(device.mode.variant))
        if device.mode.clock_mhz not in (None, *(one.clock_mhz for one in table.by_clock)):
            found.append(f"{device.device_id}: no clock of {device.mode.clock_mhz:g} MHz")
            continue
        if not 1 <= device.mode.batch_size <= most:
            found.append(
                f"{device.device_id}: batch size {device.mode.batch_size} is not within 1..{most}"
            )
            continue
        found += _load(problem, device, table, streams.get(device.device_id, []))
    return found


def _structure(problem: Problem, plan: Plan) -> list[str]:
    found = []
    planned = [device.device_id for device in plan.devices]
    known = [device.device_id for device in problem.devices]
    for device_id, count in Counter(planned).items():
        if device_id not in known:
            found.append(f"{device_id}: not a device of the problem")
        if count > 1:
            found.append(f"{device_id}: has {count} variants and batch sizes")
    found += [f"{device_id}: has no entry" for device_id in known if device_id not in planned]
    if not found and planned != known:
        found.append("devices are not in the problem's order")
    found += [
        f"{device.device_id}: has {len(device.berths)} berths, not one"
        for device in plan.devices
        if len(device.berths) != 1
    ]
    found += [
        f"{device.device_id}: no variant {berth.mode.variant}"
        for device in plan.devices
        for berth in device.berths
        if not 0 <= berth.mode.variant < len(problem.variants)
    ]
    known_ids = set(known)
    stream_ids = {stream.stream_id for stream in problem.streams}
    for stream_id, place in plan.placement.items():
        if stream_id not in stream_ids:
            found.append(f"{stream_id}: not a stream of the problem")
        if place is not None and place not in known_ids:
            found.append(f"{stream_id}: placed on unknown device {place}")
    found += [
        f"{stream_id}: neither placed nor refused"
        for stream_id in sorted(stream_ids - set(plan.placement))
    ]
    return found


def _load(
    problem: Problem, device: DevicePlan, table: ModeTable, streams: list[Stream]
) -> list[str]:
    found = []
    cost = table.cost(device.mode)
    latency_ms = cost.p99_ms
    for stream in streams:
        budget_ms = problem.budget_ms(stream, device.mode.variant)
        if budget_ms < 2 * latency_ms:
            found.append(
                f"{stream.stream_id} on {device.device_id}: budget {budget_ms:g} ms is below "
                f"twice the batch latency {latency_ms:g} ms"
            )
    rate_fps = math.fsum(stream.fps for stream in streams)
    if rate_fps >= cost.throughput_fps:
        found.append(
            f"{device.device_id}: rate {rate_fps:g} frame/s is not below "
            f"its throughput {cost.throughput_fps:g} frame/s"
        )
    return found
