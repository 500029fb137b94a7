"""What-if questions: how many streams some devices take, and which devices some streams need.

Planning answers at once, and gives the search its start; the simulation of the whole scenario decides.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

from ..core.budget_rules import budget_rule
from ..core.device import Device
from ..core.problem import Problem
from ..core.stream import Stream
from ..core.verdict import Verdict
from ..scheduling.planning.registry import planner
from ..zoos import mode_table
from .scenario import Scenario, SimulatedStream, StreamKind
from .simulation import Simulation

STEP_MS = 1000.0

OnProgress = Callable[[float], None]
"""Takes how far a simulation is, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One simulation of a scenario.

    Attributes:
        num_streams: in the scenario.
        devices: device type to how many there are.
        num_refused: streams that were not admitted.
        in_time_ratio: frames in time over frames captured, of all streams that were admitted.
        worst_in_time_ratio: the same of the stream with the smallest share.
        is_met: whether every stream was admitted and the share in time reaches the target.
        simulated_s: virtual time; shorter than the scenario where the target was out of reach.
    """

    num_streams: int
    devices: Mapping[str, int]
    num_refused: int
    in_time_ratio: float
    worst_in_time_ratio: float
    is_met: bool
    simulated_s: float


def try_out(scenario: Scenario, target_ratio: float, on_progress: OnProgress) -> Trial:
    """Simulates a scenario until it is over, or has missed the target for sure."""
    simulation = Simulation(scenario)
    num_frames = sum(result.num_frames for result in simulation.results())
    most_missed = math.floor((1 - target_ratio) * num_frames)
    end_ms = 1000.0 * scenario.seconds
    at_ms = 0.0
    while simulation.num_events:
        at_ms += STEP_MS
        simulation.run_until(at_ms if at_ms < end_ms else math.inf)
        on_progress(min(1.0, at_ms / end_ms))
        results = simulation.results()
        num_missed = sum(result.ledger.total(Verdict.LATE) for result in results)
        num_missed += sum(result.ledger.total(Verdict.DROPPED) for result in results)
        if num_missed > most_missed or any(result.refusal for result in results):
            break
    results = simulation.results()
    num_refused = sum(result.refusal is not None for result in results)
    ended = [result.ledger.counts.total() for result in results]
    in_time = [result.ledger.total(Verdict.IN_TIME) for result in results]
    shares = [good / every for good, every in zip(in_time, ended, strict=True) if every]
    share = sum(in_time) / sum(ended) if sum(ended) else 0.0
    return Trial(
        num_streams=len(results),
        devices=count_devices(scenario.devices),
        num_refused=num_refused,
        in_time_ratio=share,
        worst_in_time_ratio=min(shares, default=0.0),
        is_met=not num_refused and share >= target_ratio,
        simulated_s=min(at_ms, end_ms) / 1000,
    )


def count_devices(devices: tuple[Device, ...]) -> dict[str, int]:
    """Device type to how many there are, in order of appearance."""
    return dict(Counter(device.device_type for device in devices))


def with_more_streams(scenario: Scenario, kind: StreamKind, count: int) -> Scenario:
    """The scenario with more streams of a kind, which join with the first one of it."""
    more = tuple(
        replace(
            kind.stream(kind.count + number, f"{kind.name}-more-{number}"),
            join_s=kind.first.join_s,
        )
        for number in range(count)
    )
    return replace(scenario, streams=(*scenario.streams, *more))


def with_devices(scenario: Scenario, counts: Mapping[str, int]) -> Scenario:
    """The scenario with so many devices of each type, each of which it has a profile of."""
    devices = tuple(
        Device(f"{device_type}-{number}", device_type)
        for device_type, count in counts.items()
        for number in range(count)
    )
    return replace(scenario, devices=devices)


def can_be_planned(scenario: Scenario) -> bool:
    """Whether the scenario's planner serves all streams, as if all were there at once.

    Links count with the harmonic mean of their rates, outages left out.
    """
    server = scenario.server
    problem = Problem(
        devices=scenario.devices,
        variants=scenario.variants,
        tables={
            device_type: mode_table(
                scenario.profiles[device_type], scenario.variants, server.max_batch_size
            )
            for device_type in count_devices(scenario.devices)
        },
        streams=tuple(map(_planned, scenario.streams)),
        overhead_ms=server.arrival_ms + server.answer_ms,
        budget_rule=budget_rule(server.budget_rule, scenario.variants),
    )
    random = Random(scenario.seed)  # noqa: S311 plans are no secrets
    plan = planner(server.planner).plan(problem, None, random)
    return all(plan.placement.get(one.stream_id) is not None for one in problem.streams)


def _planned(stream: SimulatedStream) -> Stream:
    rates = [rate for rate in stream.link.values_mbps if rate > 0]
    mean_mbps = len(rates) / sum(1 / rate for rate in rates) if rates else 0.0
    return Stream(
        stream_id=stream.stream_id,
        fps=stream.fps,
        slo_ms=stream.slo_ms,
        bandwidth_kbps=1000 * mean_mbps * stream.link.scale_ratio,
        wire_ms=stream.wire_ms,
        frame_size_ratio=stream.frame_size_ratio,
    )


def largest_that_holds(holds: Callable[[int], bool], guess: int, most: int) -> int:
    """The largest number from 0 to `most` of which something holds that holds of smaller ones then, too.

    Goes from `guess` in growing steps, then halves. Whether it holds is asked of the answer and of
    the number above it, whatever the guess.

    Returns:
        -1 if it holds of none.
    """
    low, high = -1, most + 1  # holds of low, as far as it is one of the numbers, and not of high
    number, step = min(max(guess, 0), most), 1
    while high - low > 1:
        if holds(number):
            low, up = number, min(number + step, high - 1)
            number = up if high > most else (low + high) // 2
        else:
            high, down = number, max(number - step, low + 1)
            number = down if low < 0 else (low + high) // 2
        step *= 2
    return low


def fewest_devices(
    available: Mapping[str, int],
    is_planned: Callable[[Mapping[str, int]], bool],
    holds: Callable[[Mapping[str, int]], bool],
) -> dict[str, int] | None:
    """The fewest devices of which something holds that holds of more devices then, too.

    Of equally many, those with more of the types named first are tried first. It is asked of the answer,
    and of the answer less one device of each of its types. `is_planned` is quick; most of what holds is
    planned, and most of what is planned holds.

    Returns:
        None if it does not even hold of all devices.
    """
    total = sum(available.values())

    def planned(num_devices: int) -> list[dict[str, int]]:
        return [counts for counts in _mixes(available, num_devices) if is_planned(counts)]

    num_spare = largest_that_holds(lambda spare: bool(planned(total - spare)), 0, total - 1)
    found = None
    for num_devices in range(total - max(num_spare, 0), total + 1):
        mixes = planned(num_devices) or list(_mixes(available, num_devices))[:1]
        found = next((counts for counts in mixes if holds(counts)), None)
        if found is not None:
            break
    while found is not None:
        fewer = next((counts for counts in _less_one(found) if holds(counts)), None)
        if fewer is None:
            break
        found = fewer
    return found


def _mixes(available: Mapping[str, int], num_devices: int) -> Iterator[dict[str, int]]:
    """All ways to take so many devices, most of the first types first."""
    names = list(available)
    for counts in itertools.product(*(range(available[name], -1, -1) for name in names[:-1])):
        rest = num_devices - sum(counts)
        if 0 <= rest <= available[names[-1]]:
            yield dict(zip(names, (*counts, rest), strict=True))


def _less_one(counts: Mapping[str, int]) -> Iterator[dict[str, int]]:
    for name, count in counts.items():
        if count and sum(counts.values()) > 1:
            yield {**counts, name: count - 1}
