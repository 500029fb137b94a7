"""Tries everything: the truth that tests of other planners compare with. For the smallest problems."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from random import Random

from ....core.device import Device
from ....core.mode import Mode
from ....core.plan import DevicePlan, Plan
from ....core.problem import Problem
from ..capacity import limit_fps
from ..effort import TimeLimit

MAX_TRIES = 3_000_000


class BruteForcePlanner:
    """Compares all choices of mode for each device and of a device for each stream."""

    def __init__(self, limit: TimeLimit | None = None) -> None:
        self._limit = limit or TimeLimit()

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns the best plan there is, or the best that was met when the time was up; see `Planner`.

        Raises:
            ValueError: if the problem is too large to try everything.
        """
        del previous, random  # nothing is left to a start or to chance
        tries = math.prod(len(_modes(problem, device)) for device in problem.devices) * (
            len(problem.devices) + 1
        ) ** len(problem.streams)
        if tries > MAX_TRIES:
            raise ValueError(
                f"problem of {len(problem.devices)} devices and {len(problem.streams)} streams: "
                f"brute force is for at most {MAX_TRIES} combinations, not {tries}"
            )
        best = _plan(problem, next(_settings(problem)), [None] * len(problem.streams))
        best_merit = (0, 0.0)
        for setting in _settings(problem):
            if self._limit.is_up:
                break
            merit, places = _best_places(problem, setting, best_merit, self._limit)
            if places is not None:
                best, best_merit = _plan(problem, setting, places), merit
        return best


Setting = tuple[Mode, ...]  # per device
Merit = tuple[int, float]


def _modes(problem: Problem, device: Device) -> list[Mode]:
    variants = range(len(problem.variants))
    return [one.mode for variant in variants for one in problem.costs(device.device_type, variant)]


def _settings(problem: Problem) -> Iterator[Setting]:
    return product(*(_modes(problem, device) for device in problem.devices))


def _best_places(
    problem: Problem, setting: Setting, least: Merit, limit: TimeLimit
) -> tuple[Merit, list[int | None] | None]:
    """Returns the best device per stream if it beats `least`, by depth-first search as far as there is time."""
    tables = [problem.tables[device.device_type] for device in problem.devices]
    costs = [table.cost(mode) for table, mode in zip(tables, setting, strict=True)]
    room = [limit_fps(cost) for cost in costs]
    values = [problem.frame_value(cost) for cost in costs]
    choices = []
    for stream in problem.streams:
        budgets = problem.budgets_ms(stream)
        choices.append(
            [
                device
                for device, mode in enumerate(setting)
                if problem.is_servable(stream) and budgets[mode.variant] >= 2 * costs[device].p99_ms
            ]
        )
    best: list[int | None] | None = None
    places: list[int | None] = [None] * len(problem.streams)

    def visit(stream: int, served: int, value: float) -> None:
        nonlocal best, least
        if served + len(places) - stream < least[0] or limit.is_up:
            return
        if stream == len(places):
            if served > least[0] or (served == least[0] and value > least[1] + 1e-9):
                best, least = list(places), (served, value)
            return
        fps = problem.streams[stream].fps
        for device in choices[stream]:
            if fps <= room[device]:
                room[device] -= fps
                places[stream] = device
                visit(stream + 1, served + 1, value + fps * values[device])
                room[device] += fps
        places[stream] = None
        visit(stream + 1, served, value)

    visit(0, 0, 0.0)
    return least, best


def _plan(problem: Problem, setting: Setting, places: list[int | None]) -> Plan:
    return Plan(
        tuple(
            DevicePlan.of(device.device_id, mode)
            for device, mode in zip(problem.devices, setting, strict=True)
        ),
        {
            stream.stream_id: None if place is None else problem.devices[place].device_id
            for stream, place in zip(problem.streams, places, strict=True)
        },
    )
