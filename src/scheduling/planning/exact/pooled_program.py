"""Bounds of a fleet whose devices of a type are pooled."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pulp

from ..instance import Bools, Instance, Ints
from .solving import has_solution, maximise

MAX_FILLINGS = 60  # of a mode that are told apart

Filling = dict[int, int]  # streams of each weight


class PooledProgram:
    """Bounds plans: devices that run one mode pool what they carry, and streams alike are counted.

    Where a device can be filled in a few ways only (so many streams of each weight), the program counts devices of each way, and
    its optimum is that of the problem: streams of one weight in one mode may change places. Of modes with more ways it pools
    the capacity, and streams that the pool carries may not fit on single devices. No plan is better in either case.
    """

    def __init__(self, instance: Instance, allowed: Bools, capacities: Ints) -> None:
        """Builds the program.

        Args:
            instance: the problem.
            allowed: (streams, modes) pairs that may be used.
            capacities: (modes,) the most that counts on each device.
        """
        self._program = pulp.LpProblem("pool", pulp.LpMaximize)
        self._values = instance.values
        alike: dict[tuple[int, bytes], list[int]] = defaultdict(list)
        for stream, fits in enumerate(allowed):
            alike[int(instance.weights[stream]), fits.tobytes()].append(stream)
        self._counts: dict[
            tuple[int, int], pulp.LpVariable
        ] = {}  # of the like of a stream, in a mode
        loads: dict[int, dict[int, list[pulp.LpVariable]]] = defaultdict(lambda: defaultdict(list))
        self._weights: dict[int, int] = {}
        for (weight, _), (first, *others) in alike.items():
            self._weights[first] = weight
            own = []
            for mode in np.flatnonzero(allowed[first]).tolist():
                count = self._program.add_variable(
                    f"count_{first}_{mode}", 0, 1 + len(others), cat=pulp.LpInteger
                )
                self._counts[first, mode] = count
                own.append(count)
                loads[mode][weight].append(count)
            self._program += pulp.lpSum(own) <= 1 + len(others)
        num_devices = np.bincount(instance.types, minlength=instance.num_types).tolist()
        of_type: list[list[pulp.LpVariable]] = [[] for _ in num_devices]
        for mode, load in loads.items():
            number = int(instance.mode_type[mode])
            capacity = int(capacities[mode])
            fillings = _fillings(capacity, sorted(load, reverse=True))
            runs = [
                self._program.add_variable(
                    f"runs_{mode}_{way}", 0, num_devices[number], cat=pulp.LpInteger
                )
                for way in range(len(fillings) or 1)
            ]
            of_type[number] += runs
            for weight, counts in load.items() if fillings else ():
                room = [(run, filling[weight]) for run, filling in zip(runs, fillings, strict=True)]
                self._program += pulp.lpSum(counts) <= pulp.LpAffineExpression(room)
            if not fillings:
                carried = [(one, weight) for weight, counts in load.items() for one in counts]
                self._program += pulp.LpAffineExpression(carried) <= capacity * runs[0]
        for variables, count in zip(of_type, num_devices, strict=True):
            self._program += pulp.lpSum(variables) <= count

    def most_served(self, least: int, time_limit_s: float) -> float:
        """Returns a bound of the streams served; so many can be served for certain."""
        objective = pulp.lpSum(self._counts.values())
        return maximise(self._program, objective, least, time_limit_s) or float(least)

    def most_accurate(self, num_served: int, time_limit_s: float) -> tuple[float, float]:
        """Returns a bound of weight x accuracy of so many streams, and the value found, 0 if none."""
        self._program += pulp.lpSum(self._counts.values()) == num_served
        objective = pulp.LpAffineExpression(
            [
                (count, self._weights[stream] * float(self._values[mode]))
                for (stream, mode), count in self._counts.items()
            ]
        )
        bound = maximise(self._program, objective, 0.0, time_limit_s) or 0.0
        found = pulp.value(objective) if has_solution(self._program) else 0.0
        return bound, float(found)


def _fillings(capacity: int, weights: list[int]) -> list[Filling]:
    """Returns the ways to fill a device to which no stream can be added, heaviest first; none if there are many."""
    found: list[Filling] = []
    waiting: list[tuple[Filling, int]] = [({}, capacity)]
    while waiting:
        filling, room = waiting.pop()
        if len(filling) == len(weights):
            if room < weights[-1]:
                found.append(filling)
            continue
        weight = weights[len(filling)]
        waiting += [
            ({**filling, weight: count}, room - count * weight)
            for count in range(room // weight + 1)
        ]
        if len(found) > MAX_FILLINGS or len(waiting) > MAX_FILLINGS**2:
            return []
    return found
