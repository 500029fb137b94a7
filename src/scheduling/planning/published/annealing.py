"""Simulated annealing over the variants of the devices: first degrade, then upgrade.

Source: Jellyfish, DNN selection; the constants are the published ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from ..effort import TimeLimit
from ..mapping import Value

INITIAL_TEMPERATURE = 0.0125
FINAL_TEMPERATURE = 0.0005
COOLING_RATIO = 0.99
ITERATIONS_PER_PHASE = math.ceil(
    math.log(FINAL_TEMPERATURE / INITIAL_TEMPERATURE) / math.log(COOLING_RATIO)
)
DEGRADE_STEPS = (-1, 0)
UPGRADE_STEPS = (-1, 0, 1)

# Differences of accuracy below this are noise of floating point.
MIN_GAIN = 1e-9

State = tuple[int, ...]


def anneal(
    start: State,
    num_variants: int,
    evaluate: Callable[[State], Value],
    most: Value,
    total_fps: float,
    random: Random,
    limit: TimeLimit | None = None,
) -> State:
    """Returns the best state met.

    Degrades until as many streams are served as possible; if that succeeds, upgrades for accuracy
    without serving fewer. If it does not, accuracy is not looked at, as published. Either phase
    stops early where no state can be better.

    Args:
        start: per device, index of the variant it runs now.
        num_variants: indices are below this.
        evaluate: called at most `2 * ITERATIONS_PER_PHASE + 3` times.
        most: upper bounds of both figures over all states.
        total_fps: sum of the rates of the `most.num_served` streams.
        random: the only source of chance.
        limit: when to stop; never if None.
    """
    limit = limit or TimeLimit()

    def served_ratio(value: Value) -> float:
        return value.num_served / most.num_served

    def accuracy(value: Value) -> float:
        return value.weighted_accuracy / total_fps

    if not most.num_served or not start:
        return start
    state = _phase(
        start,
        num_variants,
        evaluate,
        DEGRADE_STEPS,
        served_ratio,
        lambda _: True,
        1.0,
        random,
        limit,
    )
    if evaluate(state).num_served < most.num_served:
        return state
    return _phase(
        state,
        num_variants,
        evaluate,
        UPGRADE_STEPS,
        accuracy,
        lambda value: value.num_served == most.num_served,
        accuracy(most),
        random,
        limit,
    )


def _phase(
    start: State,
    num_variants: int,
    evaluate: Callable[[State], Value],
    steps: tuple[int, ...],
    energy: Callable[[Value], float],
    is_allowed: Callable[[Value], bool],
    most_energy: float,
    random: Random,
    limit: TimeLimit,
) -> State:
    """Climbs `energy` among allowed states; stops when it is at its bound, or cold, or the time is up."""
    current = best = start
    current_energy = best_energy = energy(evaluate(start))
    temperature = INITIAL_TEMPERATURE
    while (
        temperature > FINAL_TEMPERATURE and best_energy < most_energy - MIN_GAIN and not limit.is_up
    ):
        candidate = tuple(
            min(max(variant + random.choice(steps), 0), num_variants - 1) for variant in current
        )
        value = evaluate(candidate)
        if is_allowed(value):
            gain = energy(value) - current_energy
            if energy(value) > best_energy + MIN_GAIN:
                best, best_energy = candidate, energy(value)
            if gain > 0 or random.random() < math.exp(gain / temperature):
                current, current_energy = candidate, energy(value)
        temperature *= COOLING_RATIO
    return best
