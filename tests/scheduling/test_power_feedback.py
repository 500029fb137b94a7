"""A cap of power that is held by what meters say, whatever devices draw beside their tables."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.power_feedback import (
    DEPARTURE_RATIO,
    SETTLE_MS,
    STALE_MS,
    CapFeedback,
    MeteredPower,
    PowerFeedback,
)

CAP_W = 20.0
TICK_MS, PERIOD_MS = 100.0, 500.0
NUM_TICKS = 600


def play(random: Random, *, bias: float, noise: float, seconds_load: float) -> list[float]:
    """A device that is planned each period, or at once where that is asked for, and a meter of 100 ms; returns what it draws (W).

    It departs from its table by `bias` and a random part up to `noise`, and follows a plan 100 ms later. Loads change now and then.
    """
    feedback = CapFeedback(CAP_W)
    load = 1.0
    planned_w = follows_w = CAP_W
    feedback.planned(planned_w, 0.0)
    drawn_w: list[float] = []
    is_urgent = False
    for tick in range(1, NUM_TICKS + 1):
        now_ms = tick * TICK_MS
        if random.random() < TICK_MS / 1000 / seconds_load:
            load = random.uniform(0.3, 1.5)
        power_w = follows_w * (1 + bias) * (1 + random.uniform(-noise, noise))
        follows_w = planned_w
        drawn_w.append(power_w)
        is_urgent = feedback.read(power_w, now_ms)
        assert feedback.corrected_w <= CAP_W
        if is_urgent or tick % (PERIOD_MS / TICK_MS) == 0:
            planned_w = min(load * CAP_W, feedback.corrected_w)  # as much as is asked for
            feedback.planned(planned_w, now_ms)
    return drawn_w


def longest_ms(drawn_w: list[float]) -> float:
    """How long the cap was exceeded in one go."""
    longest = run = 0
    for power_w in drawn_w:
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
    # 15 % in all, of which any part may be the same all the time
    bias = 0.15 * bias_share
    noise = (1.15 if bias > 0 else 0.85) / (1 + bias)
    noise = abs(noise - 1)
    drawn_w = play(Random(seed), bias=bias, noise=noise, seconds_load=seconds_load)
    assert longest_ms(drawn_w) <= PERIOD_MS
    assert sum(drawn_w) / len(drawn_w) <= CAP_W


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 10**6), bias=st.floats(0.0, 0.6))
def test_a_table_that_is_far_off_is_learned_within_two_periods(seed, bias):
    drawn_w = play(Random(seed), bias=bias, noise=0.05, seconds_load=3.0)
    assert longest_ms(drawn_w) <= 2 * PERIOD_MS


def test_a_device_that_draws_what_was_planned_may_have_all_of_the_cap():
    feedback = CapFeedback(CAP_W)
    feedback.planned(CAP_W, 0.0)
    for tick in range(100):
        assert not feedback.read(CAP_W, tick * TICK_MS)
    assert feedback.corrected_w == CAP_W


def test_what_a_device_drew_for_a_moment_is_forgotten_in_time():
    feedback = CapFeedback(CAP_W)
    feedback.planned(CAP_W, 0.0)
    assert feedback.read(1.05 * CAP_W, 1000.0)
    assert feedback.corrected_w == pytest.approx(CAP_W / DEPARTURE_RATIO)
    feedback.planned(feedback.corrected_w, 1000.0)
    for tick in range(200):
        assert not feedback.read(10.0, 1100.0 + tick * TICK_MS)
    assert feedback.corrected_w == CAP_W


def test_what_is_drawn_until_a_plan_has_settled_is_that_of_the_plan_before():
    feedback = CapFeedback(CAP_W)
    feedback.planned(18.0, 0.0)
    feedback.planned(9.0, 1000.0)
    assert not feedback.read(18.0, 1000.0 + SETTLE_MS - 1)
    assert feedback.ratio == 1
    assert not feedback.read(18.0, 1000.0 + SETTLE_MS)
    assert feedback.ratio == 2


def test_power_is_what_a_meter_counted_between_two_readings():
    meter = MeteredPower()
    assert meter.read(1000.0, 0.0) is None
    assert meter.read(3000.0, 100.0) == 20.0
    assert meter.read(3000.0, 100.0) is None, "in no time"
    assert meter.read(500.0, 200.0) is None, "another meter"
    assert meter.read(700.0, 300.0) == 2.0
    assert meter.read(math.nan, 400.0) is None
    assert meter.read(900.0, 500.0) is None


def test_devices_and_all_of_them_have_caps_of_their_own():
    feedback = PowerFeedback(32.0, {"a": 16.0})
    assert (feedback.fleet_w, feedback.device_w) == (32.0, {"a": 16.0})
    feedback.planned({"a": (4.0, 12.0), "b": (4.0, 10.0)}, -SETTLE_MS)
    total_mj = {"a": 0.0, "b": 0.0}

    def tick(now_ms: float, **power_w: float) -> bool:
        news = []
        for name, drawn_w in power_w.items():
            total_mj[name] += drawn_w * TICK_MS
            news.append(feedback.read(name, total_mj[name], now_ms))
        return any(news)

    assert not tick(SETTLE_MS, a=0.0, b=0.0)  # the first readings
    assert not tick(SETTLE_MS + 100, a=16.0, b=14.0)
    assert tick(SETTLE_MS + 200, a=17.6, b=10.0)
    assert feedback.device_w == {"a": pytest.approx(16 / DEPARTURE_RATIO)}
    assert feedback.fleet_w == pytest.approx(32 * 30 / 31.6, rel=0.01)
    assert tick(SETTLE_MS + 300, a=16.0, b=16.5)
    assert feedback.fleet_w == pytest.approx(32 / DEPARTURE_RATIO)


def test_what_is_not_metered_of_all_devices_says_nothing_of_their_cap():
    feedback = PowerFeedback(10.0)
    feedback.planned({"a": (1.0, 4.0), "b": (1.0, 4.0)}, 0.0)
    assert not any(feedback.read("a", 100.0 * tick * 50, tick * 100.0) for tick in range(9))
    assert not any(feedback.read("b", 100.0 * tick * 50, 5000 + tick * 100.0) for tick in range(9))
    assert feedback.fleet_w == 10
    assert feedback.read("a", 1e6, 5000 + STALE_MS)
    feedback.lost("a")
    assert not feedback.read("a", 0.0, 9000.0)


def test_a_cap_that_is_nearly_idle_power_stays_above_it():
    feedback = PowerFeedback(10.0)
    feedback.planned({"a": (9.5, 0.4)}, 0.0)
    for tick in range(4):
        feedback.read("a", 1500.0 * tick, SETTLE_MS + tick * 100.0)
    assert 9.5 < feedback.fleet_w < 9.6
