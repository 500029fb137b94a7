from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.streams.overhead import FIRST_MS, OverheadEstimate


def after(*samples_ms):
    estimate = OverheadEstimate()
    for sample_ms in samples_ms:
        estimate.add(sample_ms)
    return estimate.mean_ms


def test_it_starts_with_the_published_value():
    assert after() == FIRST_MS == 4.0


def test_a_single_hiccup_hardly_moves_it():
    assert after(10_000) <= FIRST_MS + 0.4


def test_a_lasting_change_is_learned():
    assert after(*[10.0] * 35) == pytest.approx(7.0, abs=0.1)
    assert after(*[1.0] * 400) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("sample_ms", "as_ms"), [(-1, 0), (math.nan, 0), (math.inf, 60_000)])
def test_what_cannot_be_counts_as_the_nearest_that_can(sample_ms, as_ms):
    assert after(sample_ms) == after(as_ms)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 60_000), min_size=1))
def test_it_stays_among_its_samples(samples_ms):
    assert min(FIRST_MS, *samples_ms) - 1e-9 <= after(*samples_ms)
    assert after(*samples_ms) <= max(FIRST_MS, *samples_ms) + 1e-9
