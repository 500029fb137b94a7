"""Maps streams to devices whose variants are given: best variant first, each as full as can be."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ...core.plan import DevicePlan, Plan
from ...core.problem import Problem
from .capacity import EQUAL_RATIO, capacity_fps, fitting_mode, idle_mode
from .instance import budgets_table_ms
from .subset_sum import common_unit_fps, heaviest_subset


@dataclass(frozen=True, slots=True, order=True)
class Value:
    """How good a choice of variants is, with the mapping that belongs to it; the greater, the better.

    Attributes:
        num_served: streams that got a device.
        weighted_accuracy: sum of fps x accuracy over them.
    """

    num_served: int
    weighted_accuracy: float


@dataclass(frozen=True, slots=True)
class _Lane:
    """Streams that fit on a device type with a variant, most patient first."""

    streams: tuple[int, ...]
    limits_fps: tuple[float, ...]
    most_fps: float  # that they can bring, and the device can take


class Mapper:
    """Maps the streams of one problem for any choice of variants.

    Source: Jellyfish, stream mapping by dynamic programming, extended to unlike devices.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._rates = [stream.fps for stream in problem.streams]
        self._unit = common_unit_fps(self._rates)
        self._budgets: list[list[float]] = budgets_table_ms(problem).tolist()
        self._types = [device.device_type for device in problem.devices]
        self._type_rank = {name: rank for rank, name in enumerate(dict.fromkeys(self._types))}
        self._lanes: dict[tuple[str, int], _Lane] = {}
        # Totals of the one, two, ... slowest streams that some device could serve.
        self._least_fps = list(
            accumulate(sorted(map(self._rates.__getitem__, self.best_accuracies())))
        )

    def best_accuracies(self) -> dict[int, float]:
        """Returns, for each stream index that a device could serve alone, its best accuracy."""
        best: dict[int, float] = {}
        for device_type in self._type_rank:
            for index, variant in enumerate(self._problem.variants):
                for stream in self._lane(device_type, index).streams:
                    best[stream] = max(best.get(stream, 0.0), variant.accuracy)
        return best

    def assign(self, variants: Sequence[int]) -> list[list[int]]:
        """Returns, per device, the indices of its streams.

        Exchanging the variants of devices of one type exchanges their streams.

        Args:
            variants: per device, index of the variant it runs.
        """
        members: list[list[int]] = [[] for _ in variants]
        taken: set[int] = set()
        order = sorted(
            range(len(variants)),
            key=lambda device: (
                -self._problem.variants[variants[device]].accuracy,
                self._type_rank[self._types[device]],
            ),
        )
        for device in order:
            lane = self._lane(self._types[device], variants[device])
            left = [
                (stream, limit)
                for stream, limit in zip(lane.streams, lane.limits_fps, strict=True)
                if stream not in taken
            ]
            if not left:
                continue
            rates = [self._rates[stream] for stream, _ in left]
            if math.fsum(rates) <= left[-1][1]:
                chosen = [stream for stream, _ in left]
            else:
                limits = [limit for _, limit in left]
                chosen = [left[i][0] for i in heaviest_subset(rates, limits, self._unit)]
            members[device] = chosen
            taken.update(chosen)
        return members

    def evaluate(self, variants: Sequence[int]) -> Value:
        """Returns how good the mapping for these variants is."""
        members = self.assign(variants)
        return Value(
            sum(map(len, members)),
            math.fsum(
                self._problem.variants[variant].accuracy
                * math.fsum(self._rates[stream] for stream in streams)
                for variant, streams in zip(variants, members, strict=True)
            ),
        )

    def bound(self, variants: Sequence[int]) -> Value:
        """Returns upper bounds of what `evaluate` can return, at a small part of its cost.

        Counts rates alone: no device takes more than it can, nobody is served twice.
        """
        lanes = sorted(
            (-self._problem.variants[variant].accuracy, self._lane(kind, variant).most_fps)
            for kind, variant in zip(self._types, variants, strict=True)
        )
        room_fps = math.fsum(most_fps for _, most_fps in lanes) * (1 + EQUAL_RATIO)
        num_served = bisect_right(self._least_fps, room_fps)
        left_fps = self._least_fps[-1] if self._least_fps else 0.0
        weighted_accuracy = 0.0
        for negative_accuracy, most_fps in lanes:
            taken_fps = min(most_fps, left_fps)
            weighted_accuracy -= negative_accuracy * taken_fps
            left_fps -= taken_fps
        return Value(num_served, weighted_accuracy)

    def _lane(self, device_type: str, variant: int) -> _Lane:
        key = device_type, variant
        if key not in self._lanes:
            table = self._problem.tables[device_type]
            entries = []
            for stream, budgets in enumerate(self._budgets):
                if budgets[0] <= 0:
                    continue  # not servable
                limit = capacity_fps(table, variant, budgets[variant])
                if self._rates[stream] <= limit:
                    entries.append((-budgets[variant], stream, limit))
            entries.sort()
            rate_fps = math.fsum(self._rates[stream] for _, stream, _ in entries)
            self._lanes[key] = _Lane(
                tuple(stream for _, stream, _ in entries),
                tuple(limit for _, _, limit in entries),
                min(rate_fps, entries[0][2]) if entries else 0.0,
            )
        return self._lanes[key]


def assemble(problem: Problem, variants: Sequence[int], members: Sequence[Sequence[int]]) -> Plan:
    """Builds the plan in which each device runs that variant for those streams.

    Each batch is the largest that keeps all budgets; a device without streams gets batch size 1.

    Args:
        problem: what the plan is for.
        variants: per device, index of the variant it runs.
        members: per device, indices of its streams; they must fit.
    """
    placement: dict[str, str | None] = {stream.stream_id: None for stream in problem.streams}
    devices = []
    for device, variant, indices in zip(problem.devices, variants, members, strict=True):
        streams = [problem.streams[index] for index in indices]
        for stream in streams:
            placement[stream.stream_id] = device.device_id
        mode = idle_mode(problem, device.device_type, variant)
        if streams:
            mode = fitting_mode(
                problem,
                device.device_type,
                variant,
                min(problem.budget_ms(stream, variant) for stream in streams),
                math.fsum(stream.fps for stream in streams),
            )
        devices.append(DevicePlan.of(device.device_id, mode))
    return Plan(tuple(devices), placement)
