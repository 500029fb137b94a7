"""Whose turn a device is: everybody runs kernels for its slice, one after the other, and is charged what ran.

A turn ends at the first kernel boundary at or after the end of its slice. What was run is charged in turns (time by
slice), and the next is whoever was charged least, so that who overran its slice waits longer. Who was idle comes back
at the least that anybody was charged: it gains nothing by having waited, and loses nothing.

Source: Energy Time Fairness (SEC 2023). Unlike there, a turn is charged also if its owner has nothing left to run,
and slices follow every change of weights and powers at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ...core.checks import require_count
from ...core.kernels import KernelModel
from .slices import Sharer, greedy_slices_us, require_phi
from .weights import weight_of


@dataclass(slots=True, eq=False)
class Task:
    """One inference.

    Attributes:
        owner: number of who asked for it.
        model: that it runs.
        submitted_us: when.
        next_kernel: index of the one to run next.
        time_us: that its kernels took so far.
        energy_uj: that its kernels took so far.
    """

    owner: int
    model: KernelModel
    submitted_us: int
    next_kernel: int = 0
    time_us: int = 0
    energy_uj: int = 0

    @property
    def kernel_us(self) -> int:
        """What its next kernel takes, says its profile."""
        return self.model.kernels_us[self.next_kernel]


@dataclass(slots=True, eq=False)
class _Entity:
    weight: int
    number: int
    models: list[KernelModel] = field(default_factory=list)
    queue: deque[Task] = field(default_factory=deque)
    charged_turns: float = 0.0
    since: int = 0  # number of its last entry among those with something to run
    slice_us: int = 0

    @property
    def sharer(self) -> Sharer:
        return Sharer(self.weight, sum(one.power_mw for one in self.models) // len(self.models))


class Turns:
    """A device's turns. It is asked for the next kernel whenever the device is free, and told when that ran."""

    def __init__(self, quantum_us: int, phi: float) -> None:
        """Starts with nobody.

        Args:
            quantum_us: that all slices add up to.
            phi: see `slices`.

        Raises:
            ValueError: naming the argument that is out of bounds.
        """
        require_count("quantum_us", quantum_us)
        self._quantum_us, self._phi = quantum_us, require_phi(phi)
        self._entities: dict[int, _Entity] = {}
        self._num_entities = 0  # ever
        self._running: list[_Entity] = []  # have something to run
        self._num_entries = 0
        self._turn: _Entity | None = None
        self._turn_us = 0  # of the turn so far
        self._turn_slice_us = 0

    def add_entity(self, priority: int) -> int:
        """Takes somebody in; returns its number. ValueError if there is no such priority."""
        owner = self._num_entities
        self._entities[owner] = _Entity(weight_of(priority), owner)
        self._num_entities += 1
        return owner

    def remove_entity(self, owner: int) -> list[Task]:
        """Takes somebody out; returns its tasks, of which nothing more runs than the kernel that is under way."""
        entity = self._entities.pop(owner)
        tasks = list(entity.queue)
        entity.queue.clear()
        if entity in self._running and entity is not self._turn:  # else `next` ends its turn
            self._running.remove(entity)
        self._divide()
        return tasks

    def set_priority(self, owner: int, priority: int) -> None:
        """Changes a weight; slices follow with the next turn. ValueError if there is no such priority."""
        self._entities[owner].weight = weight_of(priority)
        self._divide()

    def add_model(self, owner: int, model: KernelModel) -> None:
        """Has somebody use another model; its power is the mean of its models'."""
        self._entities[owner].models.append(model)
        self._divide()

    def submit(self, owner: int, model: KernelModel, now_us: int) -> Task:
        """Queues an inference behind the owner's others; `model` is one of its own."""
        entity = self._entities[owner]
        task = Task(owner, model, now_us)
        entity.queue.append(task)
        if len(entity.queue) == 1 and entity not in self._running:
            least = min((one.charged_turns for one in self._running), default=0.0)
            entity.charged_turns = max(entity.charged_turns, least)
            self._enter(entity)
            self._divide()
        return task

    def next(self) -> Task | None:
        """The task whose next kernel the device is to run now; None if there is nothing to run."""
        turn = self._turn
        if turn is not None and (not turn.queue or self._turn_us >= self._turn_slice_us):
            self._end_turn(turn)
        if self._turn is None:
            if not self._running:
                return None
            self._turn = min(self._running, key=lambda one: (one.charged_turns, one.since))
            self._turn_us, self._turn_slice_us = 0, self._turn.slice_us
        return self._turn.queue[0]

    def ran(self, task: Task, took_us: int) -> bool:
        """Charges the kernel that `next` said; returns whether it was the task's last."""
        assert self._turn is not None  # noqa: S101 next() came before
        self._turn_us += took_us
        task.time_us += took_us
        task.energy_uj += task.model.energy_uj(took_us)
        task.next_kernel += 1
        if task.next_kernel < len(task.model.kernels_us):
            return False
        if self._turn.queue:  # its owner may have been taken out meanwhile
            self._turn.queue.popleft()
        return True

    def _end_turn(self, entity: _Entity) -> None:
        self._turn = None
        self._running.remove(entity)
        entity.charged_turns += self._turn_us / self._turn_slice_us
        if entity.queue:
            self._enter(entity)
        else:
            self._divide()

    def _enter(self, entity: _Entity) -> None:
        self._num_entries += 1
        entity.since = self._num_entries
        self._running.append(entity)

    def _divide(self) -> None:
        in_order = sorted(self._running, key=lambda one: one.number)
        if in_order:
            slices = greedy_slices_us([one.sharer for one in in_order], self._quantum_us, self._phi)
            for entity, slice_us in zip(in_order, slices, strict=True):
                entity.slice_us = max(1, slice_us)
