"""Carries the plan in force over to a new problem, changing no variant."""

from __future__ import annotations

import math

from ...core.plan import Plan
from ...core.problem import Problem
from .capacity import largest_batch
from .mapping import assemble


def variants_in_force(problem: Problem, previous: Plan | None) -> tuple[int, ...]:
    """Returns what each device of the problem runs now; the smallest variant where that is not known."""
    running = {device.device_id: device.variant for device in previous.devices} if previous else {}
    last = len(problem.variants) - 1
    return tuple(min(max(running.get(device.device_id, 0), 0), last) for device in problem.devices)


def carry_over(problem: Problem, previous: Plan) -> Plan:
    """Returns a sound plan that keeps variants, and streams on their devices, where that still fits.

    Streams that are placed nowhere are then added, in the problem's order, where there is room on
    the most accurate variant.
    """
    variants = variants_in_force(problem, previous)
    budgets = {  # by variant, of each client
        variant: [
            client.budget_ms(problem.variants[variant], problem.overhead_ms)
            for client in problem.clients
        ]
        for variant in set(variants)
    }
    members: list[list[int]] = [[] for _ in problem.devices]

    def join(client: int, device: int) -> bool:
        together = [*members[device], client]
        variant = variants[device]
        fits = largest_batch(
            problem.latency_ms[problem.devices[device].device_type][variant],
            min(budgets[variant][one] for one in together),
            math.fsum(problem.clients[one].fps for one in together),
        )
        if fits:
            members[device] = together
        return fits > 0

    number = {device.device_id: index for index, device in enumerate(problem.devices)}
    placed = []
    waiting = []
    for index, client in enumerate(problem.clients):
        if not problem.is_servable(client):
            continue
        device = number.get(previous.placement.get(client.client_id) or "")
        if device is not None:
            placed.append((-budgets[variants[device]][index], index, device))
        else:
            waiting.append(index)
    for _, index, device in sorted(placed):  # patient ones first: a strict one may cost the others
        if not join(index, device):
            waiting.append(index)
    best_first = sorted(
        range(len(variants)), key=lambda device: -problem.variants[variants[device]].accuracy
    )
    for index in waiting:
        any(join(index, device) for device in best_first)
    return assemble(problem, variants, members)
