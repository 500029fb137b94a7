"""Who sits where while every device keeps its variant: streams taken one at a time, at little cost."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from ...core.plan import Plan
from ...core.problem import Problem
from ...core.stream import Stream
from .capacity import largest_batch
from .mapping import assemble


def variants_in_force(problem: Problem, previous: Plan | None) -> tuple[int, ...]:
    """Returns what each device of the problem runs now; the smallest variant where that is not known."""
    running = (
        {device.device_id: device.mode.variant for device in previous.devices} if previous else {}
    )
    last = len(problem.variants) - 1
    return tuple(min(max(running.get(device.device_id, 0), 0), last) for device in problem.devices)


class Seats:
    """The streams of a problem on devices whose variants stay.

    Whoever was placed keeps the device where that still fits; then those who were not, in the problem's order, take what room
    there is on the most accurate variant. One stream more costs as much as there are devices and streams on them.
    """

    def __init__(self, problem: Problem, previous: Plan) -> None:
        """Seats the problem's streams.

        Args:
            problem: everybody.
            previous: may name streams or devices that are gone.
        """
        self._problem = problem
        self._variants = variants_in_force(problem, previous)
        self._tables = [problem.tables[device.device_type] for device in problem.devices]
        self._best_first = sorted(
            range(len(self._variants)),
            key=lambda device: -problem.variants[self._variants[device]].accuracy,
        )
        self._members: list[dict[str, tuple[float, float]]] = [{} for _ in problem.devices]
        self._rates: list[list[float]] = [[] for _ in problem.devices]
        self._least_ms = [math.inf for _ in problem.devices]  # budget
        self._place: dict[str, int] = {}
        number = {device.device_id: index for index, device in enumerate(problem.devices)}
        placed: list[tuple[float, int, Stream, int]] = []
        waiting: list[Stream] = []
        for stream in problem.streams:
            if not problem.is_servable(stream):
                continue
            device = number.get(previous.placement.get(stream.stream_id) or "")
            if device is None:
                waiting.append(stream)
            else:
                placed.append((-self._budget_ms(stream, device), len(placed), stream, device))
        # Patient ones first: a strict one may cost the others.
        for less_ms, _, stream, device in sorted(placed, key=lambda one: one[:2]):
            if self._has_room(device, -less_ms, stream.fps):
                self._sit(stream.stream_id, device, (-less_ms, stream.fps))
            else:
                waiting.append(stream)
        for stream in waiting:
            self._join(stream, self._best_first)

    def has(self, stream_ids: Collection[str]) -> bool:
        """Whether all of these are seated."""
        return all(stream_id in self._place for stream_id in stream_ids)

    def add(self, stream: Stream) -> bool:
        """Seats one more, in place of one of the same id; returns whether there was room. If not, nothing changes."""
        before = self._leave(stream.stream_id)
        order = self._best_first if before is None else [before[0], *self._best_first]
        if self._problem.is_servable(stream) and self._join(stream, order):
            return True
        if before is not None:
            self._sit(stream.stream_id, *before)
        return False

    def would_take(self, stream: Stream) -> bool:
        """Whether there is room for one more, or for one of the same id in another form."""
        before = self._leave(stream.stream_id)
        fits = self._problem.is_servable(stream) and any(
            self._fits(stream, device) for device in self._best_first
        )
        if before is not None:
            self._sit(stream.stream_id, *before)
        return fits

    def plan(self, problem: Problem) -> Plan:
        """Returns the plan.

        Args:
            problem: as at the start, but with those who were added.
        """
        members: list[list[int]] = [[] for _ in self._members]
        for index, stream in enumerate(problem.streams):
            device = self._place.get(stream.stream_id)
            if device is not None:
                members[device].append(index)
        return assemble(problem, self._variants, members)

    def _budget_ms(self, stream: Stream, device: int) -> float:
        return self._problem.budget_ms(stream, self._variants[device])

    def _fits(self, stream: Stream, device: int) -> tuple[float, float] | None:
        """What the stream would bring, budget and rate, if the device takes it."""
        budget_ms = self._budget_ms(stream, device)
        return (budget_ms, stream.fps) if self._has_room(device, budget_ms, stream.fps) else None

    def _has_room(self, device: int, budget_ms: float, fps: float) -> bool:
        """Whether a device takes one more of that budget and rate."""
        least_ms = min(budget_ms, self._least_ms[device])
        rate_fps = math.fsum([*self._rates[device], fps])
        return largest_batch(self._tables[device], self._variants[device], least_ms, rate_fps) > 0

    def _join(self, stream: Stream, devices: Sequence[int]) -> bool:
        for device in devices:
            share = self._fits(stream, device)
            if share is not None:
                self._sit(stream.stream_id, device, share)
                return True
        return False

    def _sit(self, stream_id: str, device: int, share: tuple[float, float]) -> None:
        budget_ms, fps = share
        self._place[stream_id] = device
        self._members[device][stream_id] = share
        self._rates[device].append(fps)
        self._least_ms[device] = min(self._least_ms[device], budget_ms)

    def _leave(self, stream_id: str) -> tuple[int, tuple[float, float]] | None:
        device = self._place.pop(stream_id, None)
        if device is None:
            return None
        share = self._members[device].pop(stream_id)
        self._rates[device].remove(share[1])
        self._least_ms[device] = min(
            (budget_ms for budget_ms, _ in self._members[device].values()), default=math.inf
        )
        return device, share


def carry_over(problem: Problem, previous: Plan) -> Plan:
    """Returns a sound plan that keeps variants, and streams on their devices, where that still fits.

    Streams that are placed nowhere are then added, in the problem's order, where there is room on
    the most accurate variant.
    """
    return Seats(problem, previous).plan(problem)
