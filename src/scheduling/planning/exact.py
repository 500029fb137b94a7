"""The optimum, by mixed integer programming: PuLP with HiGHS, or CPLEX where it is installed.

The model is kept small by what is known before: the default planner's plan is a lower bound, prices
give an upper one, and a mode or a pair of client and mode that costs more against the prices than
the two bounds are apart is in no better plan (reduced cost fixing). Devices of one type are alike:
what counts is how many run a mode, and each of these is a numbered copy, used in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
import pulp

from ...core.plan import Plan
from ...core.problem import Problem
from .construct import Draft, empty_draft, to_plan
from .continuity import align
from .instance import Bools, Instance, build
from .prices import Market, most_gained
from .pricing import first_plan

DEFAULT_TIME_LIMIT_S = 60.0
TOLERANCE = 1e-7
HALF = 0.5  # parts the binary values of a solver that knows only floats


@dataclass(frozen=True, slots=True)
class ExactSolution:
    """A plan and what was proved about it.

    Attributes:
        plan: the best one found.
        is_optimal: whether none is better; False if the time limit came first.
        served_bound: no plan serves more clients.
        accuracy_bound: no plan that serves as many as this one has a higher accuracy per request.
    """

    plan: Plan
    is_optimal: bool
    served_bound: int
    accuracy_bound: float


class ExactPlanner:
    """Proves optimal plans for small problems: about 4 devices and 24 clients in 10 s."""

    def __init__(self, time_limit_s: float = DEFAULT_TIME_LIMIT_S) -> None:
        """Sets the time that the solver may take for each of the two objectives."""
        self._time_limit_s = time_limit_s

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns a plan for the problem; see `Planner`."""
        del random  # the solver takes no chances
        return self.solve(problem, previous).plan

    def solve(self, problem: Problem, previous: Plan | None = None) -> ExactSolution:
        """Returns a plan with proofs: first serves as many as can be, then as accurately."""
        instance = build(problem)
        if not instance.num_clients:
            nothing = to_plan(instance, empty_draft(instance), previous)
            return ExactSolution(nothing, is_optimal=True, served_bound=0, accuracy_bound=0.0)
        market = Market(instance)
        draft = first_plan(instance, market)
        clients = np.arange(instance.num_clients)
        num_devices = np.bincount(instance.types, minlength=instance.num_types)
        served_bound = market.most_served(clients, num_devices)
        is_optimal = True
        served = sum(map(len, draft.members))
        if served < served_bound:
            found, served_bound = self._most_served(instance, served, served_bound)
            draft = found or draft
            served = sum(map(len, draft.members))
            is_optimal = served == served_bound
        bound = 0.0
        if served:
            draft, bound = self._most_accurate(instance, market, draft)
            is_optimal &= bound <= _value(instance, draft) * (1 + TOLERANCE)
        if previous is not None:
            align(instance, draft, previous)
        total = sum(client.fps for client in problem.clients if problem.is_servable(client))
        # Weights are rates in units of the first client's; rounding up keeps this a bound.
        unit = problem.clients[instance.clients[0]].fps / instance.weights[0] if served else 0.0
        return ExactSolution(
            to_plan(instance, draft, previous),
            is_optimal,
            served_bound,
            bound * unit / total if total else 0.0,
        )

    def _most_served(self, instance: Instance, least: int, most: int) -> tuple[Draft | None, int]:
        """Returns a draft that serves more than `least` if there is one, and the proved bound."""
        model = _Model(instance, instance.fits & _widest_modes(instance))
        model.require_served(least + 1, most)
        bound = model.maximise(dict.fromkeys(model.places, 1.0), least + 1.0, self._time_limit_s)
        if bound is None:
            return None, least
        return model.draft(), min(most, math.floor(bound + TOLERANCE))

    def _most_accurate(
        self, instance: Instance, market: Market, draft: Draft
    ) -> tuple[Draft, float]:
        """Returns the most accurate draft that serves as many, and the proved bound of its value."""
        served = sum(map(len, draft.members))
        value = _value(instance, draft)
        clients = np.arange(instance.num_clients)
        num_devices = np.bincount(instance.types, minlength=instance.num_types)
        prices = market.prices(clients, num_devices, served)
        gap = prices.bound - value
        if gap <= TOLERANCE * value:
            return draft, value
        densities = prices.densities.copy()
        weights = instance.weights.astype(np.float64)
        if served < instance.num_clients:
            nets = densities * weights
            left_out = np.ones(instance.num_clients, np.bool_)
            left_out[prices.served] = False
            densities[left_out] = nets[prices.served].min() / weights[left_out]
        loads = np.where(instance.fits, weights[:, None], 0.0)
        gains = instance.accuracies - densities[:, None]
        reduced = (
            most_gained(loads, gains, instance.capacities) - prices.per_device[instance.mode_type]
        )
        # A device in that mode, with that client on it, costs at least so much of the gap.
        costs = -(reduced + (loads * gains).clip(max=0))
        places = instance.fits & (costs <= gap * (1 + TOLERANCE) + TOLERANCE)
        model = _Model(instance, places)
        model.require_served(served, served)
        values = {
            (client, mode, copy): float(weights[client] * instance.accuracies[mode])
            for client, mode, copy in model.places
        }
        bound = model.maximise(values, value * (1 - TOLERANCE), self._time_limit_s)
        if bound is None:
            return draft, value
        found = model.draft()
        if found is not None and _value(instance, found) > value:
            draft, value = found, _value(instance, found)
        return draft, max(value, min(bound, prices.bound))


class _Model:
    """The integer program over numbered copies of modes."""

    def __init__(self, instance: Instance, allowed: Bools) -> None:
        """Takes the pairs (clients, modes) that may be used."""
        self._instance = instance
        self._program = pulp.LpProblem("plan", pulp.LpMaximize)
        num_devices = np.bincount(instance.types, minlength=instance.num_types).tolist()
        self.places: dict[tuple[int, int, int], pulp.LpVariable] = {}
        self._runs: dict[tuple[int, int], pulp.LpVariable] = {}
        self._of_client: list[list[pulp.LpVariable]] = [[] for _ in range(instance.num_clients)]
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
                for client in np.flatnonzero(allowed[:, mode]).tolist():
                    place = self._program.add_variable(
                        f"place_{client}_{mode}_{copy}", cat=pulp.LpBinary
                    )
                    self.places[client, mode, copy] = place
                    self._of_client[client].append(place)
                    load.append((place, int(instance.weights[client])))
                    self._program += place <= run
                self._program += (
                    pulp.LpAffineExpression(load) <= int(instance.capacities[mode]) * run
                )
        for variables in self._of_client:
            self._program += pulp.lpSum(variables) <= 1
        for variables, count in zip(of_type, num_devices, strict=True):
            self._program += pulp.lpSum(variables) <= count

    def require_served(self, least: int, most: int) -> None:
        """Asks for so many clients to be served."""
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
        self._program.setObjective(objective)
        self._program += objective >= least
        solver = _solver(time_limit_s)
        self._program.solve(solver)
        if self._program.status == pulp.LpStatusInfeasible:
            return None
        return _bound(self._program)

    def draft(self) -> Draft | None:
        """Returns the plan found, or None if there is none."""
        if self._program.sol_status not in (
            pulp.LpSolutionOptimal,
            pulp.LpSolutionIntegerFeasible,
        ):
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
        unserved = set(range(instance.num_clients))
        for (client, mode, copy), place in self.places.items():
            if place.value() > HALF:
                draft.members[device_of[mode, copy]].append(client)
                unserved.discard(client)
        draft.unserved = sorted(unserved)
        return draft


def _solver(time_limit_s: float) -> pulp.LpSolver:
    """CPLEX if it is installed, else HiGHS."""
    cplex = pulp.CPLEX_PY(msg=False, timeLimit=time_limit_s, gapRel=0.0)
    if cplex.available():
        return cplex
    return pulp.HiGHS(msg=False, timeLimit=time_limit_s, gapRel=0.0)


def _bound(program: pulp.LpProblem) -> float:
    """The bound that the solver proved; infinite where it does not tell."""
    model = program.solverModel
    if hasattr(model, "getInfo"):  # HiGHS minimises the negative
        return -float(model.getInfo().mip_dual_bound)
    return float(model.solution.MIP.get_best_objective())


def _widest_modes(instance: Instance) -> Bools:
    """Modes for which no other of the type carries as much and fits all the same clients."""
    widest = np.ones(len(instance.capacities), np.bool_)
    for mode in range(len(widest)):
        wider = (
            (instance.mode_type == instance.mode_type[mode])
            & (instance.capacities >= instance.capacities[mode])
            & (instance.fits | ~instance.fits[:, [mode]]).all(axis=0)
            & widest
        )
        wider[mode] = False
        widest[mode] = not wider.any()
    return widest


def _value(instance: Instance, draft: Draft) -> float:
    return float(
        sum(
            instance.weights[members].sum() * instance.accuracies[mode]
            for mode, members in zip(draft.modes, draft.members, strict=True)
            if members
        )
    )
