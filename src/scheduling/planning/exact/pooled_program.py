"""Bounds of a fleet whose devices of a type are pooled."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pulp

from ..instance import Instance, Ints
from .solving import has_solution, maximise

HALF = 0.5  # parts the binary values of a solver that knows only floats


class PooledProgram:
    """Bounds plans: devices that run one mode pool what they carry, and streams alike are counted.

    No plan is better than its optimum; streams that the pool carries may not fit on single devices.
    """

    def __init__(self, instance: Instance, capacities: Ints) -> None:
        """Builds the program.

        Args:
            instance: the problem.
            capacities: (modes,) the most that counts on each device.
        """
        self._program = pulp.LpProblem("pool", pulp.LpMaximize)
        self._accuracies = instance.accuracies
        alike: dict[tuple[int, bytes], list[int]] = defaultdict(list)
        for stream, fits in enumerate(instance.fits):
            alike[int(instance.weights[stream]), fits.tobytes()].append(stream)
        self._counts: dict[
            tuple[int, int], pulp.LpVariable
        ] = {}  # of the like of a stream, in a mode
        loads: dict[int, list[tuple[pulp.LpVariable, int]]] = defaultdict(list)
        self._weights: dict[int, int] = {}
        for (weight, _), (first, *others) in alike.items():
            self._weights[first] = weight
            own = []
            for mode in np.flatnonzero(instance.fits[first]).tolist():
                count = self._program.add_variable(
                    f"count_{first}_{mode}", 0, 1 + len(others), cat=pulp.LpInteger
                )
                self._counts[first, mode] = count
                own.append(count)
                loads[mode].append((count, weight))
            self._program += pulp.lpSum(own) <= 1 + len(others)
        num_devices = np.bincount(instance.types, minlength=instance.num_types).tolist()
        of_type: list[list[pulp.LpVariable]] = [[] for _ in num_devices]
        for mode, load in loads.items():
            number = int(instance.mode_type[mode])
            runs = self._program.add_variable(
                f"runs_{mode}", 0, num_devices[number], cat=pulp.LpInteger
            )
            of_type[number].append(runs)
            self._program += pulp.LpAffineExpression(load) <= int(capacities[mode]) * runs
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
                (count, self._weights[stream] * float(self._accuracies[mode]))
                for (stream, mode), count in self._counts.items()
            ]
        )
        bound = maximise(self._program, objective, 0.0, time_limit_s) or 0.0
        found = pulp.value(objective) if has_solution(self._program) else 0.0
        return bound, float(found)
