from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling.slowdown import (
    HOLD_MS,
    MOST_CAUTION,
    REFRESH_MS,
    Slowdown,
)
from moonjelly.scheduling.slowness import (
    AS_PROFILED,
    FAR_OFF_RATIO,
    LEAST_RATIO,
    MOST_RATIO,
    Slowness,
)
from moonjelly.scheduling.spread import LEAST_SPREAD_RATIO, MOST_SPREAD_RATIO

P50_MS, P99_MS = 50.0, 56.0
SPAN_MS = (10.0, 200.0)  # of the profile's medians
HANDFUL = 5


class Device:
    """A device whose slowness the test says, and what is thought of it."""

    def __init__(self, first: Slowness = AS_PROFILED) -> None:
        self.slowdown = Slowdown(SPAN_MS, first)
        self.now_ms = 0.0

    @property
    def ratio(self) -> float:
        """What batches are thought to take over their profiled median."""
        return self.slowdown.slowness.at(P50_MS)

    def run(self, *ratios: float, idle_ms: float = 0.0) -> list[float]:
        """Runs a batch for each; returns the estimates."""
        estimates = []
        for ratio in ratios:
            self.now_ms += idle_ms
            self.run_one(P50_MS, ratio * P50_MS)
            estimates.append(self.ratio)
        return estimates

    def run_one(self, p50_ms: float, took_ms: float) -> None:
        """Runs a batch of that length."""
        self.now_ms += took_ms
        self.slowdown.add(took_ms, p50_ms, 1.12 * p50_ms, self.now_ms)

    def run_for(self, duration_ms: float, ratio: float, idle_ms: float = 0.0) -> list[float]:
        """Runs batches for that long."""
        return self.run(*[ratio] * round(duration_ms / (ratio * P50_MS + idle_ms)), idle_ms=idle_ms)


def test_nothing_is_known_at_first():
    assert Slowdown(SPAN_MS).slowness == AS_PROFILED


@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(0, 1e9), st.sampled_from([0.0, float("nan"), float("inf")])),
            st.floats(0, 20_000),
            st.sampled_from([*SPAN_MS, P50_MS]),
        ),
        max_size=80,
    )
)
def test_estimates_stay_within_their_bounds_whatever_comes(batches):
    slowdown, now_ms = Slowdown(SPAN_MS), 0.0
    for measured_ms, gap_ms, p50_ms in batches:
        now_ms += gap_ms
        slowdown.add(measured_ms, p50_ms, 1.12 * p50_ms, now_ms)
        assert slowdown.slowness.is_sound
        assert all(LEAST_RATIO <= slowdown.slowness.at(ms) <= MOST_RATIO for ms in SPAN_MS)
        assert LEAST_SPREAD_RATIO <= slowdown.slowness.spread_ratio <= MOST_SPREAD_RATIO


@pytest.mark.parametrize("factor", [1.3, 2.0, 3.0, 5.0, 12.0])
def test_a_step_is_there_in_full_after_a_handful_of_batches(factor):
    device = Device()
    device.run_for(5000, 1.0)
    assert device.run(*[factor] * HANDFUL)[-1] == pytest.approx(factor, rel=0.01)


@given(st.floats(1.0, 100.0), st.integers(0, 60))
def test_one_outlier_changes_next_to_nothing(size, at):
    device = Device()
    ratios = [1.0] * 80
    ratios[at] = size
    assert max(device.run(*ratios)) <= 1.03


def test_a_device_that_stops_again_and_again_is_found_by_what_batches_take_together():
    device = Device()
    device.run_for(5000, 1.0)
    estimates = device.run(*[1.0, 1.0, 13.0] * 4)  # stopped for 240 of 300 ms, say
    assert estimates[-1] >= 0.99 * FAR_OFF_RATIO


@given(
    st.floats(0.5, 8.0),
    st.lists(st.floats(0.95, 1.05), min_size=HANDFUL, max_size=HANDFUL),
    st.floats(1.0, 2.0),
)
def test_the_slower_every_batch_the_slower_the_device(level, jitters, factor):
    slow, slower = Device(), Device()
    slow.run_for(2000, 1.0)
    slower.run_for(2000, 1.0)
    slow.run(*[level * jitter for jitter in jitters])
    slower.run(*[factor * level * jitter for jitter in jitters])
    assert slower.ratio >= 0.9 * slow.ratio


@given(st.floats(1.3, 3.9), st.floats(0.5, 1.0))
def test_it_falls_only_when_batches_were_faster_for_long(factor, after):
    device = Device()
    device.run_for(3000, factor)
    start_ms = device.now_ms
    high = device.ratio
    while device.ratio > high / 1.1:
        device.run(after)
        assert device.now_ms - start_ms < 2 * HOLD_MS
    assert device.now_ms - start_ms >= HOLD_MS
    device.run_for(2 * HOLD_MS, after)
    assert device.ratio == pytest.approx(after, rel=0.05)


def test_a_device_that_is_faster_than_its_profile_is_used_after_a_few_seconds():
    device = Device()
    device.run_for(5000, 1.0)
    assert device.run_for(2500, 1 / 1.5)[-1] >= 0.9
    assert device.run_for(2500, 1 / 1.5)[-1] == pytest.approx(1 / 1.5, rel=0.05)


def test_slow_changes_are_followed_without_jumps():
    device = Device()
    estimates = device.run(*[1 + at / 1000 for at in range(1000)])
    assert estimates[-1] == pytest.approx(2, rel=0.1)
    assert max(after / before for before, after in pairwise(estimates)) < 1.15


def test_blank_batches_bring_a_lost_device_back():
    device = Device()
    device.run_for(3000, 12.0)
    assert device.slowdown.is_far_off
    assert device.run(12.0, 12.0, idle_ms=1000)[-1] == pytest.approx(12)
    assert device.run(1.0, idle_ms=1000)[-1] == pytest.approx(12)  # one is not enough
    assert device.run(1.0, idle_ms=1000)[-1] == pytest.approx(1)


def test_batches_that_are_still_there_when_it_is_lost_do_not_bring_it_back():
    device = Device()
    device.run_for(3000, 12.0)
    assert device.run(*[1.0] * 10)[-1] >= FAR_OFF_RATIO


def test_who_is_slow_again_soon_has_to_be_fast_for_longer():
    device = Device()
    falls = 0
    for _ in range(12):
        device.run_for(5000, 2.0)
        before = device.ratio
        falls += device.run_for(5000, 1.0)[-1] < 0.9 * before
    assert falls <= 2
    device.run_for(MOST_CAUTION * HOLD_MS + 3000, 1.0)
    assert device.ratio == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("sigma", [0.0, 0.02, 0.0487])
def test_batches_as_the_profile_says_change_nothing(sigma):
    device = Device()
    rng = random.Random(3)
    estimates = device.run(*[rng.lognormvariate(0, sigma) for _ in range(3000)])
    assert max(estimates) < 1.06
    assert min(estimates) > 0.95
    assert device.slowdown.slowness.spread_ratio < 1.06


def test_the_spread_is_kept_apart_from_the_middle():
    device = Device()
    rng = random.Random(3)
    device.run(*[rng.lognormvariate(0, 0.2) for _ in range(500)])
    assert device.ratio == pytest.approx(1.0, abs=0.15)
    assert device.slowdown.slowness.spread_ratio == pytest.approx(
        1.42, abs=0.2
    )  # exp(2.33 (0.2 - 0.0487))
    device.run_for(15_000, device.ratio)
    assert device.slowdown.slowness.spread_ratio < 1


def test_a_step_is_no_spread():
    device = Device()
    device.run_for(5000, 1.0)
    device.run_for(1000, 2.0)
    assert device.slowdown.slowness.spread_ratio == 1


def test_a_device_steadier_than_its_profile_is_known_to_be():
    device = Device()
    rng = random.Random(3)
    device.run(*[rng.lognormvariate(0, 0.01) for _ in range(500)])
    assert device.slowdown.slowness.spread_ratio == pytest.approx(0.92, abs=0.02)
    device.run(*[1.0] * 20, 1.12, *[1.0] * 20)  # its p99 is seen now and then
    assert device.slowdown.slowness.spread_ratio == pytest.approx(1, abs=0.02)


LENGTHS_MS = (12.0, 20.0, 40.0, 80.0, 150.0)


def run_all_lengths(device: Device, ratio: float, extra_ms: float, num_batches: int) -> None:
    """Runs batches of several lengths in no order, with some noise."""
    rng = random.Random(5)
    for _ in range(num_batches):
        p50_ms = rng.choice(LENGTHS_MS)
        device.run_one(p50_ms, (ratio * p50_ms + extra_ms) * rng.lognormvariate(0, 0.0487))


@pytest.mark.parametrize(
    ("ratio", "extra_ms"), [(1.0, 10.0), (1.3, 15.0), (2.0, -10.0), (0.7, 4.0), (1.6, 0.0)]
)
def test_what_every_batch_takes_besides_is_told_from_what_grows_with_it(ratio, extra_ms):
    device = Device()
    device.run_for(2000, 1.0)
    run_all_lengths(device, ratio, extra_ms, 250)
    for p50_ms in LENGTHS_MS:
        truth = (ratio * p50_ms + extra_ms) / p50_ms
        assert device.slowdown.slowness.at(p50_ms) == pytest.approx(truth, rel=0.1)


def test_batches_of_one_length_tell_a_ratio_and_no_more():
    device = Device()
    rng = random.Random(3)
    device.run(*[2 * rng.lognormvariate(0, 0.1) for _ in range(2000)])
    slowness = device.slowdown.slowness
    assert slowness.extra_ms == 0
    assert slowness.ratio == pytest.approx(2, rel=0.05)


def test_noise_makes_no_shape():
    device = Device()
    rng = random.Random(9)
    for _ in range(3000):
        p50_ms = rng.choice(LENGTHS_MS)
        device.run_one(p50_ms, p50_ms * rng.lognormvariate(0, 0.25))
        assert device.slowdown.slowness.extra_ms == 0


def test_a_shape_outlasts_batches_of_one_length_and_a_change_of_the_clock():
    device = Device()
    run_all_lengths(device, 1.0, 15.0, 300)
    for _ in range(3000):
        device.run_one(150.0, 165.0)
    assert device.slowdown.slowness.at(20.0) == pytest.approx(1.75, rel=0.1)
    for _ in range(10):
        device.run_one(150.0, 330.0)  # half the clock: all of it takes twice as long
    assert device.slowdown.slowness.at(20.0) == pytest.approx(3.5, rel=0.1)


def test_a_new_start_begins_with_what_was_learned():
    device = Device(Slowness(1.5, 10.0, 1.2))
    assert device.slowdown.slowness == Slowness(1.5, 10.0, 1.2)
    device.run_one(50.0, 85.0)
    assert device.slowdown.slowness.at(20.0) == pytest.approx(2, rel=0.05)
    device.run_for(2 * HOLD_MS, 1.0)
    assert device.ratio == pytest.approx(1, rel=0.05)  # it is another day


@pytest.mark.parametrize(("ratio", "is_off"), [(1.05, False), (1.2, True), (0.8, True)])
def test_a_profile_that_is_off_for_long_should_be_measured_again(ratio, is_off):
    device = Device()
    device.run_for(REFRESH_MS / 2, ratio)
    assert not device.slowdown.is_off_for_long(device.now_ms)
    device.run_for(REFRESH_MS, ratio)
    assert device.slowdown.is_off_for_long(device.now_ms) == is_off
    device.run_for(2 * HOLD_MS, 1.0)
    assert not device.slowdown.is_off_for_long(device.now_ms)
