"""Who sits where while every device keeps its variant: streams taken one at a time, at little cost."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from ...core.plan import Plan
from ...core.problem import Client, Problem
from .capacity import largest_batch
from .mapping import assemble


def variants_in_force(problem: Problem, previous: Plan | None) -> tuple[int, ...]:
    """Returns what each device of the problem runs now; the smallest variant where that is not known."""
    running = {device.device_id: device.variant for device in previous.devices} if previous else {}
    last = len(problem.variants) - 1
    return tuple(min(max(running.get(device.device_id, 0), 0), last) for device in problem.devices)


class Seats:
    """The streams of a problem on devices whose variants stay.

    Whoever was placed keeps the device where that still fits; then those who were not, in the problem's order, take what room
    there is on the most accurate variant. One stream more costs as much as there are devices and streams on them.
    """

    def __init__(self, problem: Problem, previous: Plan) -> None:
        """Seats the problem's clients.

        Args:
            problem: everybody.
            previous: may name clients or devices that are gone.
        """
        self._problem = problem
        self._variants = variants_in_force(problem, previous)
        self._rows = [
            problem.latency_ms[device.device_type][variant]
            for device, variant in zip(problem.devices, self._variants, strict=True)
        ]
        self._best_first = sorted(
            range(len(self._variants)),
            key=lambda device: -problem.variants[self._variants[device]].accuracy,
        )
        self._members: list[dict[str, tuple[float, float]]] = [{} for _ in problem.devices]
        self._rates: list[list[float]] = [[] for _ in problem.devices]
        self._least_ms = [math.inf for _ in problem.devices]  # budget
        self._place: dict[str, int] = {}
        number = {device.device_id: index for index, device in enumerate(problem.devices)}
        placed: list[tuple[float, int, Client, int]] = []
        waiting: list[Client] = []
        for client in problem.clients:
            if not problem.is_servable(client):
                continue
            device = number.get(previous.placement.get(client.client_id) or "")
            if device is None:
                waiting.append(client)
            else:
                placed.append((-self._budget_ms(client, device), len(placed), client, device))
        # Patient ones first: a strict one may cost the others.
        for _, _, client, device in sorted(placed, key=lambda one: one[:2]):
            if not self._join(client, [device]):
                waiting.append(client)
        for client in waiting:
            self._join(client, self._best_first)

    def has(self, client_ids: Collection[str]) -> bool:
        """Whether all of these are seated."""
        return all(client_id in self._place for client_id in client_ids)

    def add(self, client: Client) -> bool:
        """Seats one more, in place of one of the same id; returns whether there was room. If not, nothing changes."""
        before = self._leave(client.client_id)
        order = self._best_first if before is None else [before[0], *self._best_first]
        if self._problem.is_servable(client) and self._join(client, order):
            return True
        if before is not None:
            self._sit(client.client_id, *before)
        return False

    def would_take(self, client: Client) -> bool:
        """Whether there is room for one more, or for one of the same id in another form."""
        before = self._leave(client.client_id)
        fits = self._problem.is_servable(client) and any(
            self._fits(client, device) for device in self._best_first
        )
        if before is not None:
            self._sit(client.client_id, *before)
        return fits

    def plan(self, problem: Problem) -> Plan:
        """Returns the plan.

        Args:
            problem: as at the start, but with those who were added.
        """
        members: list[list[int]] = [[] for _ in self._members]
        for index, client in enumerate(problem.clients):
            device = self._place.get(client.client_id)
            if device is not None:
                members[device].append(index)
        return assemble(problem, self._variants, members)

    def _budget_ms(self, client: Client, device: int) -> float:
        variant = self._problem.variants[self._variants[device]]
        return client.budget_ms(variant, self._problem.overhead_ms)

    def _fits(self, client: Client, device: int) -> tuple[float, float] | None:
        """What the client would bring, budget and rate, if the device takes it."""
        budget_ms = self._budget_ms(client, device)
        fits = largest_batch(
            self._rows[device],
            min(budget_ms, self._least_ms[device]),
            math.fsum([*self._rates[device], client.fps]),
        )
        return (budget_ms, client.fps) if fits else None

    def _join(self, client: Client, devices: Sequence[int]) -> bool:
        for device in devices:
            share = self._fits(client, device)
            if share is not None:
                self._sit(client.client_id, device, share)
                return True
        return False

    def _sit(self, client_id: str, device: int, share: tuple[float, float]) -> None:
        budget_ms, fps = share
        self._place[client_id] = device
        self._members[device][client_id] = share
        self._rates[device].append(fps)
        self._least_ms[device] = min(self._least_ms[device], budget_ms)

    def _leave(self, client_id: str) -> tuple[int, tuple[float, float]] | None:
        device = self._place.pop(client_id, None)
        if device is None:
            return None
        share = self._members[device].pop(client_id)
        self._rates[device].remove(share[1])
        self._least_ms[device] = min(
            (budget_ms for budget_ms, _ in self._members[device].values()), default=math.inf
        )
        return device, share
