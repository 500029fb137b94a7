"""Whose joules they were: nothing is lost, nothing is counted twice, nothing is negative."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moonjelly.core.errors import RunError
from moonjelly.energy.attribution import NOBODY, Attribution
from moonjelly.energy.meters import CountedMeter
from moonjelly.energy.port import Energy, MeterFacts, Quality

TICK_MS = 100
IDLE_W = 20.0
MOST_W = 300.0
WINDOW_MS = 5000
RANGE_MJ = 1_500_000.0
FACTS = MeterFacts("toy", "device", TICK_MS)


def measured(total_mj):
    return Energy(total_mj, Quality.MEASURED)


def test_a_batch_s_energy_above_idle_is_its_frames_and_the_rest_is_the_holders():
    ledger = Attribution(idle_w=10.0)
    ledger.plan({"street": 0.5, "gate": 0.25})
    ledger.read(measured(0), 0)
    ledger.began(7, num_frames=4, now_ms=20)
    ledger.ended(7, now_ms=60)
    interval = ledger.read(measured(3000), 100)
    assert interval is not None
    assert interval.above_mj == 2000
    assert [tuple(one) for one in interval.ended] == [(7, 500, Quality.MEASURED)]
    assert interval.idle_mj == {"street": 500, "gate": 250, NOBODY: 250}


def test_a_batch_over_several_movements_of_the_meter_is_told_with_the_last():
    ledger = Attribution(idle_w=0.0)
    ledger.read(measured(0), 0)
    ledger.began(1, 2, 50)
    first = ledger.read(measured(100), 100)
    assert ledger.read(measured(100), 130) is None  # it has not moved
    ledger.ended(1, 150)
    second = ledger.read(measured(300), 200)
    assert first is not None
    assert first.ended == ()
    assert second is not None
    assert second.ended[0].frame_mj == 150
    assert ledger.read(measured(400), 300).ended == ()


def test_batches_between_two_movements_share_by_time():
    ledger = Attribution(idle_w=0.0)
    ledger.read(measured(0), 0)
    ledger.began(1, 1, 0)
    ledger.ended(1, 20)
    ledger.began(2, 1, 20)
    ledger.ended(2, 50)
    interval = ledger.read(measured(900), 100)
    assert {one.batch: one.frame_mj for one in interval.ended} == {1: 360, 2: 540}


def test_of_a_batch_only_the_time_since_the_last_movement_counts():
    ledger = Attribution(idle_w=0.0)
    ledger.read(measured(0), 0)
    ledger.began(1, 1, 0)
    ledger.read(measured(1000), 100)
    ledger.began(2, 1, 150)
    ledger.ended(1, 150)
    ledger.ended(2, 200)
    ended = ledger.read(measured(2000), 200).ended
    assert {one.batch: one.frame_mj for one in ended} == {1: 1500, 2: 500}


def test_a_reading_may_be_heard_after_batches_that_are_younger():
    ledger = Attribution(idle_w=0.0)
    ledger.read(measured(0), 0)
    ledger.began(1, 1, 20)
    ledger.ended(1, 110)
    ledger.began(2, 1, 110)
    first = ledger.read(measured(800), 100)
    assert (first.above_mj, first.ended) == (800, ())
    ledger.ended(2, 150)
    second = ledger.read(measured(1300), 200)
    assert {one.batch: one.frame_mj for one in second.ended} == {1: 900, 2: 400}


def test_energy_of_a_time_without_batches_is_idle_however_much_it_is():
    ledger = Attribution(idle_w=10.0)
    ledger.read(measured(0), 0)
    interval = ledger.read(measured(5000), 100)
    assert (interval.above_mj, interval.idle_mj) == (0, {NOBODY: 5000})


def test_less_than_idle_is_no_negative_batch():
    ledger = Attribution(idle_w=10.0)
    ledger.read(measured(0), 0)
    ledger.began(1, 1, 0)
    ledger.ended(1, 100)
    interval = ledger.read(measured(400), 100)
    assert (interval.ended[0].frame_mj, interval.idle_mj[NOBODY]) == (0, 400)


def test_a_batch_is_as_good_as_the_worst_of_its_time():
    ledger = Attribution(idle_w=0.0)
    ledger.read(measured(0), 0)
    ledger.began(1, 1, 10)
    lost = ledger.read(Energy(0, Quality.UNAVAILABLE, "gone"), 100)
    assert lost.quality is Quality.UNAVAILABLE
    ledger.began(2, 1, 110)
    ledger.ended(1, 150)
    ledger.ended(2, 150)
    ended = {one.batch: one.quality for one in ledger.read(measured(100), 200).ended}
    assert ended == {1: Quality.UNAVAILABLE, 2: Quality.MEASURED}


def test_a_batch_that_began_before_the_first_reading_is_not_known():
    ledger = Attribution(idle_w=0.0)
    ledger.began(1, 1, 0)
    ledger.read(measured(0), 50)
    ledger.ended(1, 80)
    assert ledger.read(measured(100), 100).ended[0].quality is Quality.UNAVAILABLE


@pytest.mark.parametrize("wrong", [{"a": 0.7, "b": 0.4}, {"a": math.nan}, {"a": -0.1}])
def test_shares_are_at_most_all_of_the_time(wrong):
    with pytest.raises(ValueError, match="shares"):
        Attribution(1.0).plan(wrong)


class Board:
    """A device that draws idle power, and more while batches run; its counter moves every tick, and has faults."""

    def __init__(self, begin_mj: float) -> None:
        self.now_ms = 0.0
        self.true_mj = begin_mj  # since ever
        self.begin_mj = begin_mj
        self.counter_mj = begin_mj % RANGE_MJ
        self.running_w = 0.0
        self.fault = ""

    def run_to(self, now_ms: float) -> None:
        """Time goes on, with the same load."""
        while self.now_ms < now_ms:
            tick_ms = (self.now_ms // TICK_MS + 1) * TICK_MS
            until_ms = min(tick_ms, now_ms)
            self.true_mj += (IDLE_W + self.running_w) * (until_ms - self.now_ms)
            self.now_ms = until_ms
            if until_ms == tick_ms and self.fault != "stops":
                self.counter_mj = self.true_mj % RANGE_MJ

    def read_mj(self) -> float:
        if self.fault == "gone":
            raise RunError("gone")
        return self.counter_mj - 1000 if self.fault == "back" else self.counter_mj


LOADS = st.lists(
    st.tuples(
        st.integers(0, 120),  # ms of pause
        st.integers(1, 250),  # ms of run
        st.integers(1, 32),  # frames
        st.floats(0, MOST_W - IDLE_W),
    ),
    min_size=30,
    max_size=60,
)


@settings(deadline=None)
@given(
    loads=LOADS,
    read_every_ms=st.integers(7, 260),
    begin_mj=st.floats(0, RANGE_MJ),
    share=st.floats(0, 1),
    faults=st.lists(
        st.tuples(st.integers(0, 59), st.sampled_from(["stops", "gone", "back"])), max_size=2
    ),
)
@example(
    loads=[(0, 100, 1, 200.0)] * 60,
    read_every_ms=100,
    begin_mj=RANGE_MJ - 1000,
    share=0.5,
    faults=[],
)
def test_frames_and_idle_add_up_to_what_the_device_drew_in_any_five_seconds(
    loads, read_every_ms, begin_mj, share, faults
):
    """Whatever the load: within 1 % or one tick of the meter; and if not, it is said."""
    board = Board(begin_mj)
    meter = CountedMeter(FACTS, board.read_mj, RANGE_MJ)
    ledger = Attribution(IDLE_W)
    ledger.plan({"street": share})
    intervals, truth, frame_mj = [], {0.0: board.true_mj}, {}
    next_read_ms = 0

    def advance(to_ms: float) -> None:
        nonlocal next_read_ms
        while next_read_ms <= to_ms:
            board.run_to(next_read_ms)
            truth[float(next_read_ms)] = board.true_mj
            interval = ledger.read(meter.read(next_read_ms), next_read_ms)
            if interval is not None:
                intervals.append(interval)
                for one in interval.ended:
                    assert one.batch not in frame_mj
                    frame_mj[one.batch] = one
            next_read_ms += read_every_ms
        board.run_to(to_ms)

    now_ms = 0
    by_number = dict(faults)
    for number, (pause_ms, run_ms, frames, power_w) in enumerate(loads):
        board.fault = by_number.get(number, "")
        now_ms += pause_ms
        advance(now_ms)
        board.running_w = power_w
        ledger.began(number, frames, now_ms)
        now_ms += run_ms
        advance(now_ms)
        board.running_w = 0.0
        ledger.ended(number, now_ms)
    board.fault = ""
    advance(now_ms + 5000)

    ended_mj = sum(one.frame_mj * loads[one.batch][2] for one in frame_mj.values())
    assert len(frame_mj) == len(loads)  # each is told once
    assert ended_mj == pytest.approx(sum(one.above_mj for one in intervals))
    assert all(one.frame_mj >= 0 for one in frame_mj.values())
    assert all(energy >= -1e-6 for one in intervals for energy in one.idle_mj.values())

    slack_mj = 1.001 * TICK_MS * MOST_W
    for first in range(len(intervals)):
        window = [
            one for one in intervals[first:] if one.end_ms <= intervals[first].begin_ms + WINDOW_MS
        ]
        if not window:
            continue
        attributed = sum(one.above_mj + sum(one.idle_mj.values()) for one in window)
        true_mj = truth[window[-1].end_ms] - truth[window[0].begin_ms]
        if all(one.quality is Quality.MEASURED for one in window):
            assert abs(attributed - true_mj) <= max(0.01 * true_mj, slack_mj)
        assert attributed <= true_mj + slack_mj
    if not faults:
        assert all(one.quality is Quality.MEASURED for one in intervals)


def test_a_steady_load_is_attributed_as_it_was():
    """Batches of 40 ms in every 50: half the ticks of the meter fall into one, which evens out."""
    board = Board(0.0)
    meter, ledger = CountedMeter(FACTS, board.read_mj, RANGE_MJ), Attribution(IDLE_W)
    told = []
    for number in range(200):
        begin_ms = 50 * number
        board.run_to(begin_ms)
        interval = ledger.read(meter.read(begin_ms), begin_ms)
        told += interval.ended if interval else ()
        board.running_w = 100.0
        ledger.began(number, 8, begin_ms)
        board.run_to(begin_ms + 40)
        board.running_w = 0.0
        ledger.ended(number, begin_ms + 40)
    frame_mj = [one.frame_mj for one in told]
    assert len(frame_mj) == 198
    assert sum(frame_mj) / len(frame_mj) == pytest.approx(100 * 40 / 8)
