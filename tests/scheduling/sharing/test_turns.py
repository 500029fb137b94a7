from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.kernels import KernelModel
from moonjelly.scheduling.sharing.turns import Task, Turns

SHORT = KernelModel("short", 1300.5, 4000, (300, 700))
LONG = KernelModel("long", 726.75, 2000, (2000, 500, 1500))


def run(turns: Turns) -> Task:
    """Runs one kernel."""
    task = turns.next()
    assert task is not None
    turns.ran(task, task.kernel_us)
    return task


def test_nothing_is_to_be_run_when_nobody_asks() -> None:
    turns = Turns(40_000, 1.0)
    assert turns.next() is None
    turns.add_model(turns.add_entity(0), SHORT)
    assert turns.next() is None


def test_a_task_ends_with_its_last_kernel_and_knows_what_it_took() -> None:
    turns = Turns(40_000, 1.0)
    turns.add_model(turns.add_entity(0), SHORT)
    task = turns.submit(0, SHORT, 0)
    assert turns.next() is task
    assert not turns.ran(task, 300)
    assert turns.next() is task
    assert turns.ran(task, 900)  # what it took, not what was expected
    assert (task.time_us, task.energy_uj) == (1200, 1200 + 3600)
    assert turns.next() is None


def test_a_turn_ends_at_the_first_kernel_past_its_slice() -> None:
    turns = Turns(10_000, 1.0)
    for owner, model in enumerate((SHORT, LONG)):
        turns.add_model(turns.add_entity(0), model)
        for _ in range(20):
            turns.submit(owner, model, 0)
    owners = [run(turns).owner for _ in range(14)]
    assert owners == [0] * 10 + [1] * 4  # 5 ms each; 2000 + 500 + 1500 + 2000 are past it


def test_a_turn_that_leaves_its_owner_without_work_is_charged() -> None:
    huge = KernelModel("huge", 1300.5, 4000, (15_000,))
    turns = Turns(10_000, 1.0)
    for model in (huge, SHORT):
        turns.add_model(turns.add_entity(0), model)
    for _ in range(1000):
        turns.submit(1, SHORT, 0)
    turns.submit(0, huge, 0)
    used_us = [0, 0]
    for _ in range(500):
        task = run(turns)
        used_us[task.owner] += task.model.kernels_us[task.next_kernel - 1]
        if task.owner == 0:
            turns.next()  # its answer takes time, so the turn is over when it asks again
            turns.submit(0, huge, 0)
    # Uncharged, it would have 15 ms for every 5 ms of the other.
    assert used_us[0] / sum(used_us) == pytest.approx(0.5, abs=0.1)


def test_who_was_idle_neither_makes_up_for_it_nor_waits_for_it() -> None:
    turns = Turns(10_000, 1.0)
    for model in (SHORT, LONG):
        turns.add_model(turns.add_entity(0), model)
    for _ in range(500):
        turns.submit(0, SHORT, 0)
    for _ in range(400):
        run(turns)
    for _ in range(200):
        turns.submit(1, LONG, 0)
    used_us = [0, 0]
    for _ in range(200):
        task = run(turns)
        used_us[task.owner] += task.model.kernels_us[task.next_kernel - 1]
    assert used_us[1] / sum(used_us) == pytest.approx(0.5, abs=0.1)


def test_a_priority_counts_from_the_next_turn_on() -> None:
    turns = Turns(12_000, 1.0)
    for owner in (0, 1):
        turns.add_model(turns.add_entity(0), SHORT)
        for _ in range(100):
            turns.submit(owner, SHORT, 0)
    assert [run(turns).owner for _ in range(12)] == [0] * 12
    turns.set_priority(1, -5)  # 3121 against 1024: 9 of 12 ms
    assert [run(turns).owner for _ in range(18)] == [1] * 18


def test_who_is_taken_out_runs_no_more_than_the_kernel_under_way() -> None:
    turns = Turns(10_000, 1.0)
    for model in (SHORT, LONG):
        turns.add_model(turns.add_entity(0), model)
    tasks = [turns.submit(0, SHORT, 0) for _ in range(3)]
    other = turns.submit(1, LONG, 0)
    assert turns.next() is tasks[0]
    assert turns.remove_entity(0) == tasks
    assert not turns.ran(tasks[0], 300)
    assert [run(turns) for _ in range(3)] == [other] * 3
    assert turns.next() is None
    assert turns.add_entity(0) == 2  # numbers never come again


@given(st.lists(st.tuples(st.sampled_from("AMRN"), st.integers(0, 3)), max_size=200))
def test_whoever_comes_and_goes_every_task_is_finished_or_handed_back(
    steps: list[tuple[str, int]],
) -> None:
    turns = Turns(5_000, 0.5)
    models = {turns.add_entity(owner): (SHORT, LONG)[owner % 2] for owner in range(4)}
    for owner, model in models.items():
        turns.add_model(owner, model)
    waiting: set[Task] = set()
    under_way: Task | None = None
    for step, owner in steps:
        if step == "A" and owner in models:
            waiting.add(turns.submit(owner, models[owner], 0))
        elif step == "R" and owner in models:
            del models[owner]
            waiting.difference_update(turns.remove_entity(owner))
        elif under_way is None:
            under_way = turns.next()
            assert (under_way in waiting) if waiting else under_way is None
        elif turns.ran(under_way, under_way.kernel_us):
            waiting.discard(under_way)
            under_way = None
        else:
            under_way = None
    while under_way or (under_way := turns.next()):
        if turns.ran(under_way, under_way.kernel_us):
            waiting.discard(under_way)
        under_way = None
    assert not waiting


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match=r"phi=1.5: must be within 0..1"):
        Turns(40_000, 1.5)
    with pytest.raises(ValueError, match="quantum_us=0"):
        Turns(0, 0.5)
    with pytest.raises(ValueError, match="priority=20"):
        Turns(1, 0.5).add_entity(20)


@given(
    st.lists(
        st.builds(
            KernelModel,
            st.just("net"),
            st.just(1000.0),
            st.integers(500, 9000),
            st.lists(st.integers(1, 3000), min_size=1, max_size=8).map(tuple),
        ),
        min_size=2,
        max_size=4,
    ),
    st.floats(0, 1),
)
def test_who_always_has_something_to_run_is_never_off_its_slices_by_more_than_a_turn_and_a_kernel(
    models: list[KernelModel], phi: float
) -> None:
    turns = Turns(40_000, phi)
    for owner, model in enumerate(models):
        turns.add_model(turns.add_entity(0), model)
        turns.submit(owner, model, 0)
        turns.submit(owner, model, 0)
    used_us = [0] * len(models)
    rounds = 25
    while sum(used_us) < rounds * 40_000:
        task = turns.next()
        assert task is not None
        took_us = task.kernel_us
        used_us[task.owner] += took_us
        if turns.ran(task, took_us):
            turns.submit(task.owner, task.model, 0)
    charged = [one.charged_turns for one in turns._entities.values()]
    longest = max(max(model.kernels_us) for model in models)
    least_slice = min(one.slice_us for one in turns._entities.values())
    assert max(charged) - min(charged) <= 1 + longest / least_slice + 1e-9
