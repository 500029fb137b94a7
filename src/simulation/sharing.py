"""Clients in closed loops that share a device by turns, under a virtual clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.kernels import KernelModel
from ..scheduling.sharing.slices import Sharer, exact_slices_us
from ..scheduling.sharing.turns import Turns
from ..scheduling.sharing.usage import Usage
from ..scheduling.sharing.weights import weight_of


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Somebody whose threads each ask for an inference, wait for it, and ask again.

    Attributes:
        model: that all of them run.
        priority: -20 (highest) to 19.
        threads: of them.
        start_us: when they begin.
        end_us: when they ask no more; None for never.
    """

    model: KernelModel
    priority: int = 0
    threads: int = 2
    start_us: int = 0
    end_us: int | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of a whole, one a client."""

    time: tuple[float, ...]
    energy: tuple[float, ...]


def run_closed_loops(
    clients: Sequence[ClosedLoop],
    quantum_us: int,
    phi: float,
    *,
    until_us: int | None = None,
    until_finished: int | None = None,
    on_kernel: Callable[[int, int, int], None] | None = None,
) -> list[Usage]:
    """Plays clients against one device until a time, or until so many inferences of all have finished.

    Kernels take what their profile says, one after the other; `on_kernel` is told of each when it ends (us), whose
    it was, and what it took (us).
    """
    turns = Turns(quantum_us, phi)
    usages = [Usage() for _ in clients]
    arrivals: list[tuple[int, int]] = []
    for client in clients:
        owner = turns.add_entity(client.priority)
        turns.add_model(owner, client.model)
        arrivals += [(client.start_us, owner)] * client.threads
    heapq.heapify(arrivals)
    now_us = 0
    while until_us is None or now_us < until_us:
        while arrivals and arrivals[0][0] <= now_us:
            at_us, owner = heapq.heappop(arrivals)
            turns.submit(owner, clients[owner].model, at_us)
        task = turns.next()
        if task is None:
            if not arrivals:
                break
            now_us = arrivals[0][0]
            continue
        took_us = task.kernel_us
        now_us += took_us
        if on_kernel:
            on_kernel(now_us, task.owner, took_us)
        if not turns.ran(task, took_us):
            continue
        usages[task.owner].add(task)
        if sum(one.finished for one in usages) == until_finished:
            break
        end_us = clients[task.owner].end_us
        if end_us is None or now_us < end_us:
            turns.submit(task.owner, task.model, now_us)
    return usages


def measured_shares(usages: Sequence[Usage]) -> Shares:
    """The shares that clients had of all time and energy of finished inferences; zeros if nothing finished."""
    return Shares(
        _parts([one.time_us for one in usages]), _parts([one.energy_uj for one in usages])
    )


def entitled_shares(clients: Sequence[ClosedLoop], phi: float) -> Shares:
    """The shares that the closed form gives clients who always have something to run."""
    sharers = [Sharer(weight_of(one.priority), one.model.power_mw) for one in clients]
    slices = exact_slices_us(sharers, 1.0, phi)
    energy = [slice_us * one.power_mw for slice_us, one in zip(slices, sharers, strict=True)]
    return Shares(_parts(slices), _parts(energy))


def _parts(values: Sequence[float]) -> tuple[float, ...]:
    total = sum(values)
    return tuple(value / total if total else 0.0 for value in values)
