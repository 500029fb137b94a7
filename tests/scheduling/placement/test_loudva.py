"""LoudVA's search and rules: by hand on a small table, and as recomputed from the published one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prediction import Cells, read_boards

from moonjelly.core.mode import ModeTable
from moonjelly.scheduling.placement.cheapest import Candidate, Choice, Costs, search
from moonjelly.scheduling.placement.loudva import POLL_MS, LoudVAPlacer, LoudVARules
from moonjelly.scheduling.placement.port import NodeView, Placement, WaitingFrame

# One board: at 100 MHz batches of 1 to 3 take 1000, 1200 and 1400 ms, at 900 MHz a tenth of that.
COSTS = Costs(
    np.array([100.0, 900.0]),
    np.array([[1000.0, 1200, 1400], [100, 120, 140]]),
    np.array([[600.0, 500, 400], [700, 600, 500]]),
)
SWITCH_MS = {"agx": 560.0, "nx0": 800.0, "nx1": 800.0, "nano0": 650.0, "nano1": 650.0}
MARGIN_MS = 200.0


def placer(**rules: object) -> LoudVAPlacer:
    every = {"switch_ms": {"board": 500.0}, "margin_ms": 100.0} | rules
    return LoudVAPlacer({"board": COSTS}, LoudVARules(**every))  # type: ignore[arg-type]


def place(
    policy: LoudVAPlacer, dues_ms: list[float], now_ms: float = 0, **facts: object
) -> Placement:
    board = NodeView("board", **({"clock_mhz": 100.0} | facts))  # type: ignore[arg-type]
    frames = [WaitingFrame(key, now_ms, due_ms) for key, due_ms in enumerate(dues_ms)]
    return policy.place(frames, {"board": board}, now_ms)


def test_the_cheapest_batch_in_time_takes_the_most_urgent_frames() -> None:
    placed = place(placer(), [9000, 1350, 9000, 9000])  # two at 100 MHz take 1300 with the margin
    assert placed.send == (("board", (1, 0), 100.0),)
    placed = place(placer(), [9000, 1250, 9000, 9000])  # three at 900 MHz take 740 with the change
    assert placed.send == (("board", (1, 0, 2), 900.0),)


def test_it_waits_until_the_most_urgent_frame_has_four_batches_left() -> None:
    held = place(placer(), [7000, 9000], 10.0)  # two at 100 MHz take 1300
    assert not held.send
    assert held.hold_until_ms == 7000 - 4 * 1300
    assert place(placer(), [7000, 9000], 7000 - 4 * 1300).send


def test_it_waits_for_nothing_with_a_full_queue() -> None:
    placed = place(placer(), [20_000, 20_000, 20_000])
    assert placed.send == (("board", (0, 1, 2), 100.0),)


def test_one_batch_a_poll() -> None:
    policy = placer()
    placed = place(policy, [1350, 1350, 9000, 9000])
    assert placed.hold_until_ms == POLL_MS
    assert not place(policy, [9000, 9000], POLL_MS - 1, num_batches=1).send


def test_a_board_takes_one_batch_more_than_it_runs() -> None:
    assert place(placer(), [1350] * 3, num_batches=1).send
    assert not place(placer(), [1350] * 3, num_batches=2).send
    assert not place(placer(num_buffered=0), [1350] * 3, num_batches=1).send


def test_no_clock_falls_under_a_batch_that_runs() -> None:
    placed = place(placer(), [20_000] * 3, num_batches=1, clock_mhz=900.0)
    assert placed.send[0].clock_mhz == 900.0


def test_a_board_is_parked_after_four_idle_seconds_and_not_while_it_works() -> None:
    policy = placer()
    assert place(policy, [], 1000, clock_mhz=900.0, num_batches=1).clocks == ()
    placed = place(policy, [], 2500, clock_mhz=900.0)
    assert (placed.clocks, placed.hold_until_ms) == ((), 6500)
    assert place(policy, [], 6500, clock_mhz=900.0).clocks == (("board", 100.0),)
    assert place(policy, [], 6600, clock_mhz=100.0) == Placement()


def test_published_late_frames_run_alone_and_mended_ones_after_the_others() -> None:
    late = [-500.0, -400.0, -300.0, -200.0]
    published = placer(is_mended=False)
    assert place(published, late).send == (("board", (0,), 900.0),)  # D1
    assert place(placer(), late).send == (("board", (0, 1, 2), 900.0),)
    placed = place(placer(), [-500.0, 760.0, 1900.0])
    assert placed.send == (("board", (1, 2, 0), 900.0),)


def test_published_boards_stay_slow_as_a_change_is_thought_to_take_long() -> None:
    rules = {"switch_ms": {"board": 1000.0}, "margin_ms": 0.0}
    published, mended = placer(is_mended=False, **rules), placer(**rules)
    assert place(published, [-10.0]).send == (("board", (0,), 100.0),)  # D2
    for _ in range(20):
        for policy in (published, mended):
            policy.switched("board", 100.0)
    assert place(published, [1010.0], POLL_MS).send[0].clock_mhz == 100.0
    assert place(mended, [300.0]).send[0].clock_mhz == 900.0


def test_mended_counts_what_a_board_still_has_to_do() -> None:
    facts = {"num_batches": 1, "free_at_ms": 900.0, "clock_mhz": 900.0}
    assert place(placer(), [1130.0] * 3, **facts).send[0].keys == (0, 1)
    assert place(placer(is_mended=False), [1130.0] * 3, **facts).send[0].keys == (0, 1, 2)


def test_a_single_noisy_cell_draws_nobody_where_costs_are_smoothed() -> None:
    raw, smooth = ((800.0, 1000.0, 2400.0),), ((800.0, 700.0, 700.0),)
    times = ((100.0, 110.0, 120.0),)
    one = ModeTable(times, times, raw, smooth, 900.0)
    table = ModeTable(times, times, raw, smooth, by_clock=(one,))
    assert Costs.of(table, 3, is_smoothed=False).frame_mj.tolist() == [[800, 500, 800]]
    assert Costs.of(table, 2, is_smoothed=True).frame_mj.tolist() == [[800, 700]]


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(1, 100), min_size=6, max_size=6),
            st.lists(st.floats(1, 3000), min_size=6, max_size=6),
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 5),
    st.floats(-500, 3000),
    st.booleans(),
)
def test_the_search_is_as_good_as_any_cell(
    tables: list[tuple[list[float], list[float]]], queued: int, slack_ms: float, throughput: bool
) -> None:
    boards = []
    for number, (energies, times) in enumerate(tables):
        batch_ms = np.array(times).reshape(2, 3)
        costs = Costs(np.array([1.0, 2.0]), batch_ms, np.array(energies).reshape(2, 3))
        boards.append(Candidate(str(number), costs, batch_ms + 50))
    found = search(boards, queued, slack_ms, for_throughput=throughput)
    cells = [
        Choice(
            one.node_id,
            float(one.costs.clocks_mhz[k]),
            n,
            float(one.costs.frame_mj[k, n - 1]),
            float(one.estimated_ms[k, n - 1]),
            bool(one.estimated_ms[k, n - 1] <= slack_ms),
        )
        for one in boards
        for k in range(2)
        for n in range(1, min(queued, 3) + 1)
    ]
    assert found in cells
    in_time = [one for one in cells if one.is_in_time]
    if in_time:
        assert found.frame_mj == min(one.frame_mj for one in in_time)
        return
    rates = [one.batch_size / (one.estimated_ms - (0 if throughput else 50)) for one in cells]
    own = found.batch_size / (found.estimated_ms - (0 if throughput else 50))
    wanted = 1.1 * queued / slack_ms if slack_ms > 0 else 0.0
    enough = [one for one, rate in zip(cells, rates, strict=True) if rate >= wanted]
    if throughput or not enough:
        assert own == pytest.approx(max(rates))
    else:
        assert found.estimated_ms == min(one.estimated_ms for one in enough)


def published(board: Cells, most: int) -> Costs:
    """As the published search reads the table: the number of requests under way is the batch."""
    some = board[board.n <= most]
    clocks_mhz = np.unique(some.clocks_mhz)
    order = np.lexsort((some.n, some.clocks_mhz))
    shape = len(clocks_mhz), most
    return Costs(
        clocks_mhz,
        1000 * some.latency_s[order].reshape(shape),
        (1000 * some.energy_j / some.n)[order].reshape(shape),
    )


GOLDEN = [  # boards, frames, seconds left; board, MHz, batch, J a frame, seconds until answered
    ("AGX", 1, 10.0, "agx", 1032.75, 1, 0.5419, 0.794),
    ("AGX", 8, 3.0, "agx", 1032.75, 8, 0.3269, 0.900),
    ("AGX", 20, 1.2, "agx", 905.25, 17, 0.2846, 1.040),
    ("AGX", 20, 0.9, "agx", 1032.75, 8, 0.3269, 0.900),
    ("AGX", 64, 10.0, "agx", 905.25, 51, 0.2418, 1.450),
    ("AGX", 64, 1.2, "agx", 1032.75, 23, 0.2690, 1.074),
    ("AGX", 1, 0.5, "agx", 114.75, 1, 1.5069, 0.467),
    ("AGX", 40, 0.5, "agx", 114.75, 1, 1.5069, 0.467),
    ("AGX", 40, -0.5, "agx", 114.75, 1, None, 0.467),
    ("all", 1, 10.0, "nx0", 905.25, 1, 0.4035, 1.044),
    ("all", 4, 3.0, "nx0", 854.25, 4, 0.3386, 1.128),
    ("all", 8, 1.2, "nx0", 1007.25, 8, 0.2495, 1.188),
    ("all", 8, 0.9, "agx", 1032.75, 8, 0.3269, 0.900),
    ("all", 64, 3.0, "agx", 905.25, 51, 0.2418, 1.450),
    ("all", 64, -0.5, "agx", 114.75, 1, None, 0.467),
]


@pytest.mark.reference
@pytest.mark.parametrize(
    ("boards", "queued", "left_s", *("node", "mhz", "size", "joules", "takes_s")), GOLDEN
)
def test_golden_choices_of_the_published_search(
    boards: str,
    queued: int,
    left_s: float,
    node: str,
    mhz: float,
    size: int,
    joules: float | None,
    takes_s: float,
) -> None:
    tables = read_boards(Path(os.environ["MOONJELLY_REFERENCE"]))
    agx, nx, nano = (
        published(tables["AGX"], 64),
        published(tables["NX"], 8),
        published(tables["Nano"], 4),
    )
    costs = {"agx": agx} | (
        {"nx0": nx, "nx1": nx, "nano0": nano, "nano1": nano} if boards == "all" else {}
    )
    policy = LoudVAPlacer(costs, LoudVARules(is_mended=False, switch_ms=SWITCH_MS))
    nodes = {one: NodeView(one, clock_mhz=float(costs[one].clocks_mhz[0])) for one in costs}
    candidates = [policy.candidate(one, one.clock_mhz, 0) for one in nodes.values()]
    choice = search(candidates, queued, 1000 * left_s, for_throughput=False)
    assert (choice.node_id, choice.clock_mhz, choice.batch_size) == (node, mhz, size)
    assert choice.estimated_ms == pytest.approx(1000 * takes_s, abs=0.5)
    assert choice.is_in_time == (joules is not None)
    if joules is not None:
        assert choice.frame_mj == pytest.approx(1000 * joules, abs=0.06)
    placed = policy.place([WaitingFrame(key, 0, 1000 * left_s) for key in range(queued)], nodes, 0)
    waits = left_s > 4 * takes_s and queued < 64
    assert waits == (not placed.send)
    if placed.send:
        sent = placed.send[0]
        assert (sent.node_id, sent.clock_mhz, len(sent.keys)) == (node, mhz, size)
