from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest

from moonjelly.core.kernels import KernelModel
from moonjelly.kernel_sharing.device import KernelDevice, LoadedModel
from moonjelly.scheduling.sharing.turns import Turns
from moonjelly.zoos.kernels import read_kernel_folder, shipped_kernels

SHORT = KernelModel("short", 1300.5, 4000, (300, 700))
LONG = KernelModel("long", 726.75, 2000, (2000, 500, 1500))


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to what is due next; timers are late by as much as is asked for."""

    def __init__(self, late_s: float) -> None:
        super().__init__(_Jumping(self))
        self.now_s = 0.0
        self.late_s = late_s

    def time(self) -> float:
        return self.now_s


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nobody will ever wake up"
        if timeout > 0:
            self._loop.now_s += timeout + self._loop.late_s
        return super().select(0)


def play(work: Coroutine[Any, Any, Any], late_s: float = 0.0) -> float:
    """Runs it under a virtual clock; returns when it ended."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(late_s)) as runner:
        runner.run(work)
        return runner.get_loop().time()


class Shared:
    """A device and what is loaded on it."""

    def __init__(self, models: list[KernelModel], quantum_us: int = 40_000, phi: float = 0.7):
        self.turns = Turns(quantum_us, phi)
        self.device = KernelDevice(self.turns)
        self.loaded: list[LoadedModel] = []
        for mid, model in enumerate(models):
            owner = self.turns.add_entity(0)
            self.turns.add_model(owner, model)
            self.loaded.append(LoadedModel(mid, owner, model.name, model))

    async def ask(self, mid: int) -> None:
        while await self.device.infer(self.loaded[mid]):
            pass

    async def closed_loops(self, threads: int, until_finished: int) -> None:
        async with asyncio.TaskGroup() as group:
            for mid in range(len(self.loaded)):
                for _ in range(threads):
                    group.create_task(self.ask(mid))
            group.create_task(self.device.run(until_finished))


@pytest.mark.parametrize("late_s", [0.0, 0.001, 0.02])
def test_the_published_sample_run_comes_out_exactly_however_late_timers_are(late_s: float) -> None:
    resnet50 = read_kernel_folder(shipped_kernels())["resnet50"]
    shared = Shared([resnet50[1300.5], resnet50[726.75]])
    end_s = play(shared.closed_loops(2, 82), late_s)
    usages = [one.usage for one in shared.loaded]
    assert [(one.finished, one.time_us, one.energy_uj) for one in usages] == [
        (37, 2_109_185, 8_986_264),
        (45, 3_914_055, 6_719_130),
    ]
    under_way_s = 0.087 * 2  # begun, and not finished
    assert 6.02324 <= end_s <= 6.02324 + under_way_s + late_s


def test_time_that_the_process_stood_still_is_lost_but_for_a_little() -> None:
    shared = Shared([LONG])

    async def stand_still() -> None:
        running = asyncio.create_task(shared.device.run(100))
        asking = [asyncio.create_task(shared.ask(0)) for _ in range(2)]
        await asyncio.sleep(0.001)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.now_s += 10.0
        await asyncio.wait([running, *asking])

    assert play(stand_still()) == pytest.approx(10.4 - 0.05, abs=0.003)


def test_a_device_that_was_idle_begins_when_it_is_asked() -> None:
    shared = Shared([SHORT])

    async def ask_twice() -> None:
        running = asyncio.create_task(shared.device.run())
        assert await shared.device.infer(shared.loaded[0])
        await asyncio.sleep(1.0)
        assert await shared.device.infer(shared.loaded[0])
        running.cancel()
        await asyncio.wait([running])

    assert play(ask_twice()) == pytest.approx(1.002)
    assert shared.loaded[0].usage.finished == 2


def test_who_is_removed_waits_no_longer_and_the_others_go_on() -> None:
    shared = Shared([SHORT, LONG], quantum_us=10_000, phi=1.0)
    ends: list[bool] = []

    async def remove() -> None:
        running = asyncio.create_task(shared.device.run(1))
        waiting = [asyncio.create_task(shared.device.infer(one)) for one in shared.loaded]
        await asyncio.sleep(0.0001)
        shared.device.remove(0)
        ends.extend([await one for one in waiting])
        await running

    assert play(remove()) == pytest.approx(0.0043)  # the first one's first kernel still ended
    assert ends == [False, True]
    assert [one.usage.finished for one in shared.loaded] == [0, 1]


def test_an_inference_that_nobody_waits_for_any_more_still_runs_and_counts() -> None:
    shared = Shared([SHORT])

    async def hang_up() -> None:
        asking = asyncio.create_task(shared.device.infer(shared.loaded[0]))
        await asyncio.sleep(0)
        asking.cancel()
        await shared.device.run(1)

    assert play(hang_up()) == pytest.approx(0.001)
    assert shared.loaded[0].usage.finished == 1


def test_whoever_waits_when_a_device_ends_is_told_and_nobody_can_ask_it_again() -> None:
    shared = Shared([LONG])

    async def end() -> None:
        running = asyncio.create_task(shared.device.run())
        waiting = asyncio.create_task(shared.device.infer(shared.loaded[0]))
        await asyncio.sleep(0.001)
        running.cancel()
        assert not await waiting
        assert not await shared.device.infer(shared.loaded[0])

    play(end())
    assert shared.device.is_over
