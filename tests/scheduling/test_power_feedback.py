"""A cap of power that is held by what meters say, whatever devices draw beside their tables."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.power_feedback import (
    DEPARTURE_RATIO,
    FOLLOW_MS,
    WINDOW_MS,
    CapFeedback,
    MeteredPower,
    PowerFeedback,
)

CAP_W = 20.0
TICK_MS, PERIOD_MS = 100.0, 500.0
NUM_TICKS = 600


def play(random: Random, *, bias: float, noise: float, seconds_load: float) -> list[float]:
    """A device that is planned each period, or at once where that is asked for, and a meter of 100 ms; returns what it draws (W) over a period, tick by tick.

    It departs from its table by `bias` and a random part up to `noise`, and follows a plan 100 ms later. Loads change now and then.
    """
    feedback = PowerFeedback(CAP_W, window_ms=PERIOD_MS)
    feedback.expect_meters()
    load, total_mj = 1.0, 0.0
    planned_w = follows_w = feedback.fleet_w
    feedback.planned({"a": (0.0, planned_w)}, 0.0)
    drawn_w: list[float] = []
    for tick in range(NUM_TICKS):
        now_ms = tick * TICK_MS
        if random.random() < TICK_MS / 1000 / seconds_load:
            load = random.uniform(0.3, 1.5)
        drawn_w.append(follows_w * (1 + bias) * (1 + random.uniform(-noise, noise)))
        follows_w = planned_w
        total_mj += drawn_w[-1] * TICK_MS
        is_urgent = feedback.read("a", total_mj, now_ms)
        assert feedback.fleet_w <= CAP_W
        if is_urgent or tick % (PERIOD_MS / TICK_MS) == 0:
            planned_w = min(load * CAP_W, feedback.fleet_w)  # as much as is asked for
            feedback.planned({"a": (0.0, planned_w)}, now_ms)
    num = int(PERIOD_MS / TICK_MS)
    return [sum(drawn_w[k : k + num]) / num for k in range(NUM_TICKS - num + 1)]


def longest_ms(means_w: list[float]) -> float:
    """How long the cap was exceeded in one go."""
    longest = run = 0
    for power_w in means_w:
        run = run + 1 if power_w > CAP_W * (1 + 1e-9) else 0
        longest = max(longest, run)
    return longest * TICK_MS


@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 10**6),
    bias_share=st.floats(-1, 1),
    seconds_load=st.sampled_from([0.5, 3.0, 1000.0]),
)
def test_a_cap_is_never_exceeded_for_longer_than_a_planning_period(seed, bias_share, seconds_load):
    bias = 0.15 * bias_share  # of 15 % in all any part may be the same all the time
    noise = abs((1.15 if bias > 0 else 0.85) / (1 + bias) - 1)
    means_w = play(Random(seed), bias=bias, noise=noise, seconds_load=seconds_load)
    assert longest_ms(means_w) <= PERIOD_MS
    assert sum(means_w) / len(means_w) <= CAP_W


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 10**6), bias=st.floats(0.0, 0.6))
def test_a_table_that_is_far_off_is_learned_within_two_periods(seed, bias):
    means_w = play(Random(seed), bias=bias, noise=0.05, seconds_load=3.0)
    assert longest_ms(means_w) <= 2 * PERIOD_MS


def test_a_device_that_draws_what_was_planned_may_have_all_of_the_cap_in_time():
    feedback = CapFeedback(CAP_W)
    feedback.planned(CAP_W, 0.0)
    assert feedback.corrected_w == CAP_W
    feedback.expect_meters()
    assert feedback.corrected_w == CAP_W / DEPARTURE_RATIO
    for tick in range(200):
        assert not feedback.read(CAP_W, tick * TICK_MS)
    assert feedback.corrected_w == CAP_W


def test_a_cap_that_is_exceeded_is_paid_back_and_forgotten_in_time():
    feedback = CapFeedback(CAP_W)
    feedback.planned(CAP_W, 0.0)
    assert feedback.read(1.05 * CAP_W, 1000.0)
    assert feedback.corrected_w == pytest.approx(CAP_W / DEPARTURE_RATIO**2)
    feedback.planned(feedback.corrected_w, 1000.0)
    assert not feedback.read(1.01 * CAP_W, 1100.0), "a plan is made for that already"
    assert not feedback.read(15.0, 1100.0 + WINDOW_MS)
    assert feedback.corrected_w == pytest.approx(CAP_W / DEPARTURE_RATIO, rel=0.01)
    for tick in range(200):
        assert not feedback.read(10.0, 2000.0 + tick * TICK_MS)
    assert feedback.corrected_w == CAP_W


def test_what_is_drawn_until_a_plan_is_followed_is_that_of_the_plan_before():
    feedback = CapFeedback(CAP_W)
    feedback.planned(18.0, 0.0)
    feedback.planned(9.0, 1000.0)
    settled_ms = 1000.0 + WINDOW_MS + FOLLOW_MS
    assert not feedback.read(18.0, settled_ms - 1)
    assert feedback.ratio <= DEPARTURE_RATIO
    assert not feedback.read(18.0, settled_ms)
    assert feedback.ratio == 2


def test_power_is_what_a_meter_counted_in_the_last_period():
    meter = MeteredPower(200.0)
    assert meter.read(1000.0, 0.0) is None
    assert meter.read(3000.0, 100.0) is None, "not for so long yet"
    assert meter.read(5000.0, 200.0) == 20.0
    assert meter.read(5000.0, 200.0) is None, "in no time"
    assert meter.read(5000.0, 300.0) == 10.0
    assert meter.read(500.0, 400.0) is None, "another meter"
    assert meter.read(700.0, 500.0) is None
    assert meter.read(900.0, 600.0) == 2.0
    assert meter.read(math.nan, 700.0) is None
    assert meter.read(900.0, 800.0) is None


def test_devices_and_all_of_them_have_caps_of_their_own():
    feedback = PowerFeedback(32.0, {"a": 16.0}, TICK_MS)
    total_mj = {"a": 0.0, "b": 0.0}
    now_ms = 0.0

    def tick(**power_w: float) -> bool:
        nonlocal now_ms
        now_ms += TICK_MS
        news = []
        for name, drawn_w in power_w.items():
            total_mj[name] += drawn_w * TICK_MS
            news.append(feedback.read(name, total_mj[name], now_ms))
        return any(news)

    feedback.planned({"a": (4.0, 12.0), "b": (4.0, 10.0)}, now_ms)
    for _ in range(200):
        assert not tick(a=16.0, b=14.0)
    assert (feedback.fleet_w, feedback.device_w) == (32.0, {"a": 16.0})
    assert tick(a=17.6, b=10.0)
    assert feedback.device_w == {"a": pytest.approx(16 / DEPARTURE_RATIO**2)}
    assert feedback.fleet_w == pytest.approx(32 * 30 / 31.6, rel=0.01)
    assert tick(a=16.0, b=16.5)
    assert feedback.fleet_w == pytest.approx(32 / DEPARTURE_RATIO**2)


def test_what_is_not_metered_of_all_devices_says_nothing_of_their_cap():
    feedback = PowerFeedback(10.0, window_ms=TICK_MS)
    before_w = feedback.fleet_w
    feedback.planned({"a": (1.0, 4.0), "b": (1.0, 4.0)}, 0.0)
    assert not any(feedback.read("a", 5000.0 * tick, 100.0 * tick) for tick in range(9))
    assert not any(feedback.read("b", 5000.0 * tick, 5000 + 100.0 * tick) for tick in range(9))
    assert feedback.fleet_w == before_w
    feedback.read("a", 1e6, 5800.0)
    assert feedback.read("a", 2e6, 5900.0)
    feedback.lost("a")
    assert not feedback.read("a", 0.0, 9000.0)


def test_a_cap_that_is_nearly_idle_power_stays_above_it():
    feedback = PowerFeedback(10.0, window_ms=TICK_MS)
    feedback.planned({"a": (9.5, 0.4)}, 0.0)
    for tick in range(4):
        feedback.read("a", 1500.0 * tick, 1000.0 + tick * 100.0)
    assert 9.5 < feedback.fleet_w < 9.6
