"""Clocks of a device's core: when they change, what runs meanwhile, and what is learned at which."""

from __future__ import annotations

import math

import pytest

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.port import BatchDecision
from moonjelly.scheduling.cores.device.core import LOWER_WITHIN_MS, DeviceCore
from moonjelly.scheduling.cores.device.device_clock import FIRST_CHANGE_MS, LOOK_MS, PATIENCE_MS
from moonjelly.scheduling.cores.device.instructions import DeviceOrders, Turn

HIGH, MIDDLE, LOW = 1200.0, 600.0, 300.0
FRAME_MS = 20.0  # at the highest clock


def table(mhz: float) -> dict[str, BatchLatency]:
    row = tuple(FRAME_MS * HIGH / mhz * size for size in range(1, 5))
    return {"net": BatchLatency(row, row)}


class AllAtOnce:
    """Runs what waits, at most what the device may."""

    def decide(self, queue, device, now_ms):
        return BatchDecision(run=tuple(one.key for one in queue)[: device.batch_size])

    def ran(self, batch, took_ms):
        """Needs not know."""


class Board:
    """A core whose shell does as it is told; its clock follows after a delay."""

    def __init__(self, delay_ms: float = 10.0, **options) -> None:
        self.core = DeviceCore(
            table(HIGH),
            AllAtOnce(),
            by_clock={mhz: table(mhz) for mhz in (HIGH, MIDDLE, LOW)},
            **options,
        )
        self.core.loaded("net")
        self.now_ms, self.delay_ms, self.mhz = 0.0, delay_ms, None
        self.asked: list[float] = []
        self.to_come: tuple[float, float] | None = None
        self.is_refused = False
        self.num_frames = 0

    def plan(self, mhz: float | None, fps: float = 0.0, batch_size: int = 4) -> None:
        self.core.order(DeviceOrders("net", batch_size, fps, 1, mhz))

    def frame(self, left_ms: float = math.inf) -> None:
        self.num_frames += 1
        self.core.take(self.num_frames, self.now_ms + left_ms, self.now_ms)

    def turn(self) -> Turn:
        """Asks, and has clocks asked for."""
        while True:
            if self.to_come is not None and self.to_come[0] <= self.now_ms:
                self.mhz, self.to_come = self.to_come[1], None
            self.core.at_clock(self.mhz, self.now_ms, is_refused=self.is_refused)
            turn = self.core.turn(self.now_ms)
            if turn.ask_mhz is None:
                return turn
            assert turn.wait_until_ms == self.now_ms
            self.asked.append(turn.ask_mhz)
            if not self.is_refused:
                self.to_come = self.now_ms + self.delay_ms, turn.ask_mhz

    def rest(self, ms: float) -> None:
        """Nothing comes for a while."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            turn = self.turn()
            assert turn.batch is None
            self.now_ms = min(end_ms, turn.wait_until_ms)

    def next_batch(self):
        """Waits for one to begin."""
        while (turn := self.turn()).batch is None:
            assert self.now_ms < turn.wait_until_ms < math.inf
            self.now_ms = turn.wait_until_ms
        return turn.batch

    def run(self, slowness: float = 1.0):
        batch = self.next_batch()
        took_ms = slowness * batch.p50_ms
        self.now_ms += took_ms
        self.core.ran(batch, took_ms, self.now_ms)
        return batch


def at(mhz: float, delay_ms: float = 10.0, **options) -> Board:
    """A board that has reached a clock, and knows what a change takes."""
    board = Board(delay_ms, can_park=False, **options)
    board.plan(mhz)
    board.rest(3 * delay_ms + 2 * LOOK_MS)
    assert (board.asked, board.core.clock.reached_mhz) == ([mhz], mhz)
    assert board.core.clock.change_ms == pytest.approx(delay_ms, abs=LOOK_MS)
    return board


def test_a_device_whose_plan_has_no_clock_is_left_alone():
    board = Board()
    board.plan(None)
    board.frame()
    assert board.run().clock_mhz == HIGH
    board.rest(1000)
    assert board.asked == []


def test_a_clock_falls_between_batches_and_nothing_begins_before_it_has():
    board = Board(can_park=False)
    board.frame()
    batch = board.turn().batch
    board.plan(MIDDLE)
    board.frame()
    assert board.turn().must_finish
    assert board.asked == []
    board.now_ms = 20.0
    board.core.ran(batch, 20.0, 20.0)
    began = board.next_batch()
    assert board.asked == [MIDDLE]
    assert (began.start_ms, began.clock_mhz) == (30.0, MIDDLE)
    assert began.p50_ms == 2 * FRAME_MS


def test_batches_are_sized_by_the_clock_that_is_reached():
    board = at(LOW, 150.0)
    board.plan(HIGH)
    board.frame()
    batch = board.next_batch()  # 80 ms at once are sooner than 20 after the change
    assert (batch.clock_mhz, batch.p50_ms, board.asked) == (LOW, 4 * FRAME_MS, [LOW, HIGH])


def test_a_frame_waits_for_a_rising_clock_where_that_is_sooner():
    board = at(LOW, 10.0)
    board.plan(HIGH)
    board.frame()
    began_ms = board.now_ms
    batch = board.next_batch()
    assert batch.clock_mhz == HIGH
    assert batch.start_ms - began_ms == pytest.approx(10, abs=LOOK_MS)


def test_frames_that_a_falling_clock_would_make_late_go_first_but_not_for_long():
    board = at(HIGH, 30.0)
    board.plan(MIDDLE)
    wished_ms = board.now_ms
    while board.asked == [HIGH]:
        board.frame(left_ms=60.0)  # bears 20 ms, not 30 and then 40
        batch = board.run()
        assert board.now_ms < wished_ms + LOWER_WITHIN_MS + 100
    assert batch.clock_mhz == MIDDLE
    assert batch.start_ms >= wished_ms + LOWER_WITHIN_MS


def test_a_low_clock_is_no_slow_device_and_each_clock_has_its_own_slowness():
    board = at(HIGH)
    for _ in range(10):
        board.frame()
        board.run(slowness=1.5)
    assert board.core.condition.slowdown.slowness.ratio == pytest.approx(1.5, rel=0.02)
    board.plan(LOW)
    board.frame()
    assert board.run(slowness=1.5).clock_mhz == LOW
    slowdown = board.core.condition.slowdown
    assert slowdown.slowness.ratio == pytest.approx(1.5, rel=0.02)  # as it was at the last
    for _ in range(10):
        board.frame()
        board.run(slowness=2.5)
    assert slowdown.slowness.ratio == pytest.approx(2.5, rel=0.02)
    board.plan(HIGH)
    board.frame()
    board.run(slowness=1.5)
    assert board.core.condition.slowdown.slowness.ratio == pytest.approx(1.5, rel=0.02)
    assert board.core.condition.own is board.core.condition.slowdown


@pytest.mark.parametrize("mhz_at_its_end", [LOW, None])
def test_nothing_is_learned_of_a_batch_whose_clock_was_another_meanwhile(mhz_at_its_end):
    board = at(HIGH)
    for _ in range(10):
        board.frame()
        batch = board.next_batch()
        board.now_ms += 80
        board.core.at_clock(mhz_at_its_end, board.now_ms)  # the machine throttles, or nobody knows
        board.core.ran(batch, 80.0, board.now_ms)
        board.mhz = HIGH
    assert board.core.condition.slowdown.slowness.ratio == 1


def test_a_machine_that_throttles_is_judged_by_what_is_reached():
    board = at(HIGH)
    board.mhz = 610.0
    board.frame()
    assert board.run().clock_mhz == MIDDLE
    assert board.asked == [HIGH], "to ask again would change nothing"


def test_a_clock_that_is_out_of_reach_is_gone_without():
    board = at(HIGH)
    board.is_refused = True
    board.plan(LOW)
    board.frame()
    began_ms = board.now_ms
    assert board.run().clock_mhz == HIGH
    assert board.now_ms == began_ms + FRAME_MS
    board.frame()
    board.run()
    assert board.asked == [HIGH, LOW]


def test_a_device_whose_clock_nobody_can_set_learns_as_any_other():
    board = Board(can_park=False)
    board.is_refused = True
    board.plan(LOW)
    for _ in range(10):
        board.frame()
        assert board.run(slowness=1.5).clock_mhz == HIGH
    assert board.core.condition.own.slowness.ratio == pytest.approx(1.5, rel=0.02)


def test_a_clock_that_is_never_reached_is_waited_for_for_a_while():
    board = at(HIGH)
    board.delay_ms = math.inf
    board.plan(LOW)
    board.frame()
    began_ms = board.now_ms
    batch = board.run()
    assert batch.clock_mhz == HIGH
    assert batch.start_ms - began_ms == pytest.approx(PATIENCE_MS, abs=LOOK_MS)
    board.frame()
    assert board.run().start_ms == batch.start_ms + FRAME_MS


def test_what_a_change_takes_is_learned_where_it_was_looked_for():
    board = Board(40.0, can_park=False)
    assert board.core.clock.change_ms == FIRST_CHANGE_MS
    board.plan(LOW)
    board.rest(100)
    assert board.core.clock.change_ms == pytest.approx(40, abs=LOOK_MS)
    board.plan(MIDDLE)
    board.delay_ms = 80.0
    board.rest(100)
    assert 40 < board.core.clock.change_ms < 80
    board.plan(HIGH)
    board.turn()
    board.now_ms += 500  # nobody has looked: it may have been there for long
    board.turn()
    assert 40 < board.core.clock.change_ms < 80


def test_an_idle_device_is_parked_until_its_next_frame_is_near():
    board = Board(10.0)
    board.plan(HIGH, fps=2.0)
    for _ in range(3):
        board.frame()
        assert board.run().clock_mhz == HIGH
        came_ms = board.now_ms - FRAME_MS
        board.rest(came_ms + 480 - board.now_ms)
        assert board.mhz == LOW
        board.rest(came_ms + 500 - board.now_ms)
    asked, board.asked = board.asked, []
    assert asked[-2:] == [LOW, HIGH]
    board.rest(480)  # it does not come
    assert (board.mhz, board.asked) == (HIGH, [])
    board.rest(40)
    assert (board.mhz, board.asked) == (LOW, [LOW]), "nobody is expected any more"
    board.frame()
    board.run()
    assert board.asked == [LOW, HIGH]


@pytest.mark.parametrize(
    ("fps", "delay_ms", "can_park", "is_parked"),
    [
        (2.0, 10.0, True, True),
        (2.0, 10.0, False, False),
        (30.0, 10.0, True, False),  # 33 ms, of which 20 run
        (2.0, 30.0, True, False),  # a frame that comes sooner could not wait for so long
        (0.0, 90.0, True, True),  # none will come
    ],
)
def test_a_device_is_parked_where_that_pays_and_hurts_nobody(fps, delay_ms, can_park, is_parked):
    board = Board(delay_ms, can_park=can_park)
    board.plan(HIGH, fps=fps, batch_size=1)
    board.rest(300)
    board.frame()
    board.run()
    board.asked.clear()
    board.rest(200 if fps < 30 else 12)
    assert (LOW in board.asked) == is_parked


def test_a_device_that_is_looked_after_is_not_parked():
    board = Board(10.0)
    board.plan(HIGH, fps=10.0)
    for _ in range(6):
        board.frame()
        board.run(slowness=2.0)
    board.plan(HIGH, fps=0.0)
    board.asked.clear()
    board.run(slowness=2.0)  # a blank one
    assert board.asked == []


def test_a_plan_without_a_clock_after_one_with_has_the_device_at_its_highest():
    board = at(LOW)
    board.plan(None)
    board.rest(100)
    assert board.asked == [LOW, HIGH]


def test_a_clock_that_the_table_does_not_have_is_refused():
    board = Board()
    with pytest.raises(
        ValueError, match=r"clock_mhz=999: must be one of the device's table: 300, 600, 1200"
    ):
        board.plan(999.0)
    assert board.core.variants.orders.clock_mhz is None
