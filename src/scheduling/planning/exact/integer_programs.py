"""Planning as integer programs, in PuLP for HiGHS, or CPLEX where it is installed."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pulp

from ..instance import Bools, Instance, Ints
from ..pricing.construct import Draft, empty_draft
from .solving import has_solution, maximise

HALF = 0.5  # parts the binary values of a solver that knows only floats


class FleetProgram:
    """Chooses modes for all devices, and streams for each.

    Devices of one type are alike: what counts is how many run a mode, and each of these is a numbered
    copy, used in order.
    """

    def __init__(self, instance: Instance, allowed: Bools, capacities: Ints) -> None:
        """Builds the program.

        Args:
            instance: the problem.
            allowed: (streams, modes) pairs that may be used.
            capacities: (modes,) the most that counts.
        """
        self._instance = instance
        self._program = pulp.LpProblem("fleet", pulp.LpMaximize)
        num_devices = np.bincount(instance.types, minlength=instance.num_types).tolist()
        self.places: dict[tuple[int, int, int], pulp.LpVariable] = {}
        self._runs: dict[tuple[int, int], pulp.LpVariable] = {}
        of_stream: list[list[pulp.LpVariable]] = [[] for _ in range(instance.num_streams)]
        of_type: list[list[pulp.LpVariable]] = [[] for _ in num_devices]
        for mode in np.flatnonzero(allowed.any(axis=0)).tolist():
            number = int(instance.mode_type[mode])
            for copy in range(num_devices[number]):
                run = self._program.add_variable(f"run_{mode}_{copy}", cat=pulp.LpBinary)
                self._runs[mode, copy] = run
                of_type[number].append(run)
                if copy:
                    self._program += run <= self._runs[mode, copy - 1]
                load = []
                for stream in np.flatnonzero(allowed[:, mode]).tolist():
                    place = self._program.add_variable(
                        f"place_{stream}_{mode}_{copy}", cat=pulp.LpBinary
                    )
                    self.places[stream, mode, copy] = place
                    of_stream[stream].append(place)
                    load.append((place, int(instance.weights[stream])))
                    self._program += place <= run
                self._program += pulp.LpAffineExpression(load) <= int(capacities[mode]) * run
        for variables in of_stream:
            self._program += pulp.lpSum(variables) <= 1
        for variables, count in zip(of_type, num_devices, strict=True):
            self._program += pulp.lpSum(variables) <= count

    def require_served(self, least: int, most: int) -> None:
        """Asks for so many streams to be served."""
        served = pulp.lpSum(self.places.values())
        self._program += served >= least
        self._program += served <= most

    def maximise(
        self, values: dict[tuple[int, int, int], float], least: float, time_limit_s: float
    ) -> float | None:
        """Returns a bound of the sum of values of places, or None if `least` cannot be reached."""
        objective = pulp.LpAffineExpression(
            [(self.places[place], value) for place, value in values.items()]
        )
        return maximise(self._program, objective, least, time_limit_s)

    def draft(self) -> Draft | None:
        """Returns the plan found, or None if there is none."""
        if not has_solution(self._program):
            return None
        instance = self._instance
        draft = empty_draft(instance)
        free = [
            np.flatnonzero(instance.types == number).tolist()
            for number in range(instance.num_types)
        ]
        device_of: dict[tuple[int, int], int] = {}
        for (mode, copy), run in self._runs.items():
            if run.value() > HALF:
                device = free[int(instance.mode_type[mode])].pop(0)
                device_of[mode, copy] = device
                draft.modes[device] = mode
        unserved = set(range(instance.num_streams))
        for (stream, mode, copy), place in self.places.items():
            if place.value() > HALF:
                draft.members[device_of[mode, copy]].append(stream)
                unserved.discard(stream)
        draft.unserved = sorted(unserved)
        return draft


class ChoiceProgram:
    """Shares streams out over devices whose modes are chosen.

    Streams of one rate that fit the same of these modes are alike: what counts is how many of them
    each device gets.
    """

    def __init__(self, instance: Instance, modes: Ints, capacities: Ints, num_served: int) -> None:
        """Builds the program.

        Args:
            instance: the problem.
            modes: of each device, in the order of the devices.
            capacities: (modes,) the most that counts.
            num_served: how many streams have to be served.
        """
        self._instance = instance
        self._modes: list[int] = modes.tolist()
        self._program = pulp.LpProblem("choice", pulp.LpMaximize)
        self._alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for stream, fits in enumerate(instance.fits[:, modes].tolist()):
            self._alike[int(instance.weights[stream]), *fits].append(stream)
        self._counts: dict[tuple[tuple[int, ...], int], pulp.LpVariable] = {}
        for number, (kind, streams) in enumerate(self._alike.items()):
            for device, fits in enumerate(kind[1:]):
                if fits:
                    self._counts[kind, device] = self._program.add_variable(
                        f"count_{number}_{device}", 0, len(streams), cat=pulp.LpInteger
                    )
            self._program += pulp.lpSum(
                count for (of, _), count in self._counts.items() if of == kind
            ) <= len(streams)
        loads = [
            pulp.LpAffineExpression(
                [(count, kind[0]) for (kind, on), count in self._counts.items() if on == device]
            )
            for device in range(len(self._modes))
        ]
        for device, mode in enumerate(self._modes):
            self._program += loads[device] <= int(capacities[mode])
            if mode in self._modes[:device]:  # alike again: the earlier one carries no less
                before = device - 1 - self._modes[:device][::-1].index(mode)
                self._program += loads[before] >= loads[device]
        self._program += pulp.lpSum(self._counts.values()) == num_served

    def maximise(self, least: float, time_limit_s: float) -> float | None:
        """Returns a bound of weight x value, or None if `least` cannot be reached."""
        values = self._instance.values
        objective = pulp.LpAffineExpression(
            [
                (count, kind[0] * float(values[self._modes[device]]))
                for (kind, device), count in self._counts.items()
            ]
        )
        return maximise(self._program, objective, least, time_limit_s)

    def draft(self) -> Draft | None:
        """Returns the plan found, or None if there is none."""
        if not has_solution(self._program):
            return None
        draft = empty_draft(self._instance)
        draft.modes = list(self._modes)
        left = {kind: list(streams) for kind, streams in self._alike.items()}
        for (kind, device), count in self._counts.items():
            for _ in range(round(count.value())):
                draft.members[device].append(left[kind].pop())
        draft.unserved = sorted(stream for streams in left.values() for stream in streams)
        return draft
