"""SA-DP: simulated annealing over variants, with a dynamic program that maps streams.

Source: Jellyfish (RTSS 2022). What differs from the published algorithm:

* any positive rates, unlike devices, chance from one seeded generator;
* the threshold of the first phase counts the streams that some device could serve alone: one stream
  that nothing can serve does not keep the others from better variants;
* where there are no more states than one phase has iterations, the best of all of them is found, which
  is never worse and not slower; this is so for one device, and for two alike with up to 24 variants;
* the plan in force is kept where it is not worse, and a device that serves nobody keeps its variant, so
  that nothing moves without a gain.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations_with_replacement, product
from random import Random

from ....core.plan import Plan
from ....core.problem import Problem
from ..effort import TimeLimit
from ..mapping import Mapper, Value, assemble
from ..rules import Score, score
from ..seats import carry_over, variants_in_force
from .annealing import ITERATIONS_PER_PHASE, MIN_GAIN, State, anneal


class SaDpPlanner:
    """The published planner, corrected."""

    def __init__(self, limit: TimeLimit | None = None) -> None:
        """Takes the best of what it has seen when the time is up."""
        self._limit = limit or TimeLimit()

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns a plan for the problem; see `Planner`."""
        mapper = Mapper(problem)
        start = variants_in_force(problem, previous)
        alike = _alike(problem)
        cache: dict[State, Value] = {}

        def evaluate(state: State) -> Value:
            key = _arrange(state, range(len(state)), alike)
            if key not in cache:
                cache[key] = mapper.evaluate(key)
            return cache[key]

        if math.prod(_num_multisets(len(problem.variants), len(a)) for a in alike.values()) <= (
            ITERATIONS_PER_PHASE
        ):
            states = _states(len(problem.variants), len(start), alike)
            best = _search(start, states, evaluate, mapper.bound, self._limit)
        else:
            accuracies = mapper.best_accuracies()
            rates = {stream: problem.streams[stream].fps for stream in accuracies}
            most = Value(
                len(accuracies),
                math.fsum(rates[stream] * accuracies[stream] for stream in accuracies),
            )
            best = anneal(
                start,
                len(problem.variants),
                evaluate,
                most,
                math.fsum(rates.values()),
                random,
                self._limit,
            )
        variants = _arrange(best, start, alike)
        members = mapper.assign(variants)
        loaded = [
            new if used else old for new, used, old in zip(variants, members, start, strict=True)
        ]
        plan = assemble(problem, loaded, members)
        if previous is not None:
            kept = carry_over(problem, previous)
            if not _is_gain(score(problem, plan), score(problem, kept)):
                return kept
        return plan


def _alike(problem: Problem) -> Mapping[str, Sequence[int]]:
    """Groups device indices by type."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, device in enumerate(problem.devices):
        groups[device.device_type].append(index)
    return groups


def _arrange(state: State, like: Sequence[int], alike: Mapping[str, Sequence[int]]) -> State:
    """Exchanges variants among devices of one type so that they rise where `like` rises.

    With `like` the variants in force, the sum of index distances is least, so that a device most
    likely holds its next variant already. Source: Jellyfish, model locality.
    """
    arranged = list(state)
    for devices in alike.values():
        by_rank = sorted(devices, key=lambda device: like[device])
        for device, variant in zip(by_rank, sorted(state[d] for d in devices), strict=True):
            arranged[device] = variant
    return tuple(arranged)


def _num_multisets(num_values: int, size: int) -> int:
    return math.comb(num_values + size - 1, size)


def _states(
    num_variants: int, num_devices: int, alike: Mapping[str, Sequence[int]]
) -> Iterator[State]:
    """All states that differ by more than an exchange among devices of one type."""
    per_type = [
        combinations_with_replacement(range(num_variants), len(devices))
        for devices in alike.values()
    ]
    for choice in product(*per_type):
        state = [0] * num_devices
        for devices, variants in zip(alike.values(), choice, strict=True):
            for device, variant in zip(devices, variants, strict=True):
                state[device] = variant
        yield tuple(state)


def _search(
    start: State,
    states: Iterable[State],
    evaluate: Callable[[State], Value],
    bound: Callable[[State], Value],
    limit: TimeLimit,
) -> State:
    """Returns the best of all states, as far as there is time; `start` if none is better than it."""
    best, best_value = start, evaluate(start)
    for most, state in sorted(((bound(state), state) for state in states), reverse=True):
        if not _is_better(most, best_value) or limit.is_up:
            break  # the others promise no more, or there is no time
        value = evaluate(state)
        if _is_better(value, best_value):
            best, best_value = state, value
    return best


def _is_better(one: Value, other: Value) -> bool:
    if one.num_served != other.num_served:
        return one.num_served > other.num_served
    return one.weighted_accuracy > other.weighted_accuracy * (1 + MIN_GAIN)


def _is_gain(one: Score, other: Score) -> bool:
    if one.num_served != other.num_served:
        return one.num_served > other.num_served
    return one.accuracy_per_request > other.accuracy_per_request * (1 + MIN_GAIN)
