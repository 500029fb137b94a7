from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.adapting.estimators import (
    ESTIMATORS,
    MAX_KBPS,
    HarmonicMeanWindow,
    SentFrame,
    make_estimator,
)
from moonjelly.adapting.estimators.error_based import ErrorBasedEstimator, ErrorBasedFilter
from moonjelly.adapting.estimators.point import transmission_kbps

POINT_ESTIMATORS = [name for name in ESTIMATORS if name != "change_point"]


def observe(estimator, kbits, net_ms, side_px, now_ms, sequence=0):
    estimator.observe(SentFrame(sequence, side_px, kbits, now_ms - max(0, net_ms)), net_ms, now_ms)


def test_the_filter_gives_the_golden_values():
    smooth = ErrorBasedFilter()
    estimates = [smooth.add(sample) for sample in (10, 12, 11, 30, 12, 12)]
    assert estimates == pytest.approx([10, 12, 11.2, 30, 12, 12])


def test_the_filter_stands_equal_samples():
    smooth = ErrorBasedFilter()
    assert [smooth.add(7.0) for _ in range(20)] == [7.0] * 20
    assert smooth.add(9.0) == 9.0


def test_the_filter_follows_a_jump_at_once_and_smooths_noise():
    smooth = ErrorBasedFilter()
    for sample in (20, 21, 20, 21, 20, 21, 20):
        estimate = smooth.add(sample)
    assert smooth.add(200) == pytest.approx(200)
    for sample in (200, 201, 199, 200):
        estimate = smooth.add(sample)
    assert smooth.add(206) - estimate < 6


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_finds_the_rate_of_a_steady_link(name):
    estimator = make_estimator(1000.0, 0.0, name)
    assert estimator.bandwidth_kbps(0) == pytest.approx(1000)
    for k in range(20):  # 320 kbit in 32 ms are 10 Mbit/s
        observe(estimator, 320.0, 32.0, 320, k * 100.0)
    assert estimator.bandwidth_kbps(2000) == pytest.approx(10_000, rel=1e-3)


@pytest.mark.parametrize("name", POINT_ESTIMATORS)
def test_the_wire_delay_is_taken_off_for_frame_and_ack(name):
    estimator = make_estimator(1000.0, 20.0, name)
    observe(estimator, 320.0, 32.0 + 2 * 20.0, 320, 0.0)
    assert estimator.bandwidth_kbps(0) == pytest.approx(1000 * 320 / 36)


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
def test_an_ack_at_once_gives_the_cap_and_not_infinity(make):
    estimator = make(1000.0, 5.0)
    for k, net_ms in enumerate((0.0, -3.0, 1e-9, 0.01)):
        observe(estimator, 40.0, net_ms, 128, float(k))
        assert 0 < estimator.bandwidth_kbps(k) <= MAX_KBPS
    assert transmission_kbps(40.0, 0.0, 5.0) == MAX_KBPS


def test_the_error_based_estimator_starts_anew_with_the_frame_size():
    estimator = ErrorBasedEstimator(initial_kbps=1000.0)
    for k in range(10):
        observe(estimator, 1000.0, 100.0 + k % 2, 608, float(k))
    observe(estimator, 80.0, 8.0, 128, 11.0)
    assert estimator.bandwidth_kbps(11.0) == pytest.approx(10_000)


def test_after_an_outage_one_frame_is_enough():
    estimator = ErrorBasedEstimator(initial_kbps=10_000.0)
    for net_ms in (20, 21, 20, 3200, 3300):
        observe(estimator, 200.0, net_ms, 320, 0.0)
    assert estimator.bandwidth_kbps(0.0) < 100
    observe(estimator, 200.0, 20.0, 320, 0.0)
    assert estimator.bandwidth_kbps(0.0) == pytest.approx(10_000, rel=0.05)


def test_the_window_is_the_harmonic_mean_of_the_last_second():
    window = HarmonicMeanWindow(initial_kbps=500.0)
    assert window.value_kbps(0) == pytest.approx(500)
    window.add(0, 10_000)
    window.add(500, 5_000)
    assert window.value_kbps(600) == pytest.approx(2 / (1 / 10_000 + 1 / 5_000))
    assert window.value_kbps(1100) == pytest.approx(5_000)
    assert window.value_kbps(1e9) == pytest.approx(5_000), "the newest value stays"


def test_the_window_forgets_extremes_without_a_trace():
    window = HarmonicMeanWindow(initial_kbps=1e-3)
    window.add(0, 1e300)
    window.add(1, 1e-3)
    window.add(2000, MAX_KBPS)
    assert window.value_kbps(2000) == pytest.approx(MAX_KBPS, rel=1e-12)


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
@settings(max_examples=60, deadline=None)
@given(
    initial_kbps=st.floats(0.001, MAX_KBPS),
    wire_ms=st.floats(0, 1000),
    frames=st.lists(
        st.tuples(
            st.floats(0.001, 1e5),
            st.floats(-1e6, 1e7),
            st.sampled_from([128, 320]),
            st.floats(0, 2000),
        ),
        max_size=30,
    ),
)
def test_estimates_are_always_positive_finite_and_capped(make, initial_kbps, wire_ms, frames):
    estimator = make(initial_kbps, wire_ms)
    now_ms = 0.0
    for kbits, net_ms, side_px, pause_ms in frames:
        now_ms += pause_ms
        observe(estimator, kbits, net_ms, side_px, now_ms)
        estimate = estimator.bandwidth_kbps(now_ms)
        assert math.isfinite(estimate)
        assert 0 < estimate <= MAX_KBPS * (1 + 1e-9)


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.parametrize(("kbits", "net_ms"), [(0, 1), (-1, 1), (math.nan, 1), (1, math.inf)])
def test_observations_that_cannot_be_are_refused(make, kbits, net_ms):
    with pytest.raises(ValueError, match="must be a number"):
        observe(make(1.0, 0.0), kbits, net_ms, 128, 0.0)


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.parametrize(
    "arguments", [(0, 0), (math.inf, 0), (math.nan, 0), (1, -1), (1, math.nan)]
)
def test_bad_starting_values_are_refused(make, arguments):
    with pytest.raises(ValueError, match="must be a number"):
        make(*arguments)


def test_a_name_that_is_no_estimator_is_refused():
    with pytest.raises(ValueError, match="estimator='kalman': must be one of change_point"):
        make_estimator(1.0, name="kalman")
