"""Replays a device that is shared by turns, by the wall clock: what each kernel takes says its profile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ..core.kernels import KernelModel
from ..scheduling.sharing.turns import Task, Turns
from ..scheduling.sharing.usage import Usage

US_PER_S = 1e6
MOST_LATE_S = 0.05


@dataclass(slots=True, eq=False)
class LoadedModel:
    """A network that somebody has loaded.

    Attributes:
        mid: its number.
        owner: number of who loaded it.
        network: name of its profile.
        model: that with a clock.
        usage: what its finished inferences took.
        is_removed: it runs no more.
    """

    mid: int
    owner: int
    network: str
    model: KernelModel
    usage: Usage = field(default_factory=Usage)
    is_removed: bool = False


class KernelDevice:
    """Runs one kernel at a time, that of whose turn it is. Made and used inside one event loop.

    Kernels follow each other by when the last one was due, not by when that was noticed: while there is something to
    run, no time is lost to late timers. Only what this process stood still for longer than `MOST_LATE_S` is lost: its
    clients could not ask meanwhile.

    Attributes:
        is_over: it runs nothing any more.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._waiting: dict[Task, tuple[LoadedModel, asyncio.Future[bool]]] = {}
        self._is_asked = asyncio.Event()
        self._num_finished = 0
        self.is_over = False

    @property
    def num_waiting(self) -> int:
        """Inferences that were asked for and have not finished."""
        return len(self._waiting)

    async def infer(self, loaded: LoadedModel) -> bool:
        """Returns when an inference has finished; False if its owner was removed before, or the device is over.

        It runs and counts also if nobody waits for it any more.
        """
        if self.is_over:
            return False
        loop = asyncio.get_running_loop()
        task = self._turns.submit(loaded.owner, loaded.model, int(loop.time() * US_PER_S))
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting[task] = loaded, future
        self._is_asked.set()
        return await future

    def remove(self, owner: int) -> None:
        """Takes somebody out, with what it waits for."""
        for task in self._turns.remove_entity(owner):
            _tell(self._waiting.pop(task)[1], has_finished=False)

    async def run(self, until_finished: int | None = None) -> None:
        """Runs what is asked for until so many inferences have finished; else until it is cancelled."""
        try:
            await self._run(until_finished)
        finally:
            self.is_over = True
            for _, future in self._waiting.values():
                _tell(future, has_finished=False)

    async def _run(self, until_finished: int | None) -> None:
        loop = asyncio.get_running_loop()
        free_s = loop.time()
        while self._num_finished != until_finished:
            self._is_asked.clear()
            task = self._turns.next()
            if task is None:
                await self._is_asked.wait()
                free_s = max(free_s, loop.time())
                continue
            took_us = task.kernel_us
            free_s += took_us / US_PER_S
            await asyncio.sleep(max(0.0, free_s - loop.time()))  # lets others on even if it is late
            free_s = max(free_s, loop.time() - MOST_LATE_S)
            if self._turns.ran(task, took_us) and task in self._waiting:
                loaded, future = self._waiting.pop(task)
                loaded.usage.add(task)
                self._num_finished += 1
                _tell(future, has_finished=True)


def _tell(future: asyncio.Future[bool], *, has_finished: bool) -> None:
    if not future.done():  # else nobody waits any more
        future.set_result(has_finished)
