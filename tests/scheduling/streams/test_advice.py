from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.advice import SideAdvice
from moonjelly.core.budget import FULL_BUDGET, ElasticBudget
from moonjelly.core.profile import BatchLatency
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.scheduling.plan_view import RunningVariant
from moonjelly.scheduling.streams.adviser import Adviser
from moonjelly.scheduling.streams.observed_stream import ObservedStream

# Two networks: the larger one is more accurate at the same side.
VARIANTS = (
    Variant("s-128", 128, 0.20, 50),
    Variant("s-256", 256, 0.30, 150),
    Variant("m-128", 128, 0.32, 50),
    Variant("s-384", 384, 0.38, 300),
    Variant("m-256", 256, 0.40, 150),
    Variant("m-384", 384, 0.50, 300),
)


def camera(kbps, fps=10.0, slo_ms=150.0):
    return Stream("c0", fps, slo_ms, kbps, wire_ms=1.0)


def running_variant(variant, batch_ms=30.0):
    return RunningVariant("d0", variant, 1, BatchLatency((batch_ms,), (batch_ms,)))


def advised(stream, running=5, batch_ms=30.0):
    adviser = Adviser(VARIANTS, FULL_BUDGET)
    variant = adviser.variant(stream, running_variant(running, batch_ms), 4.0)
    return VARIANTS[variant].input_side_px


def test_on_a_good_link_the_running_variants_own_side_is_advised():
    adviser = Adviser(VARIANTS, FULL_BUDGET)
    for number in (5, 3):
        assert adviser.variant(camera(10_000), running_variant(number), 4.0) == number


def test_a_larger_side_than_the_running_one_is_never_advised():
    assert advised(camera(100_000), running=4) == 256
    assert advised(camera(1000), running=2) == 128


@pytest.mark.parametrize(
    ("kbps", "side_px"),
    [
        (3001, 256),  # carries 10 frames of 300 kbit a second, but takes 100 ms for one
        (3572, 384),  # 84 + 2 + 4 + 60 ms: just in time
        (3571, 256),
        (1786, 256),
        (1785, 128),
        (100, 128),  # nothing helps
        (0, 128),
    ],
)
def test_the_side_falls_with_the_link(kbps, side_px):
    assert advised(camera(kbps)) == side_px


def test_a_link_that_is_exactly_as_fast_as_the_stream_needs_a_smaller_side():
    assert advised(camera(3000, slo_ms=10_000)) == 256
    assert advised(camera(3000.1, slo_ms=10_000)) == 384


def test_a_batch_that_takes_longer_leaves_less_for_the_link():
    assert advised(camera(3572), batch_ms=30.0) == 384
    assert advised(camera(3572), batch_ms=30.1) == 256


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0, 1e5),
    st.floats(1, 60),
    st.floats(10, 1000),
    st.integers(0, 5),
    st.floats(1, 200),
)
def test_what_is_advised_comes_in_time_unless_nothing_does(kbps, fps, slo_ms, running, batch_ms):
    stream = camera(kbps, fps, slo_ms)
    side_px = advised(stream, running, batch_ms)
    fitting = {
        variant.input_side_px
        for variant in VARIANTS
        if variant.input_side_px <= VARIANTS[running].input_side_px
        and FULL_BUDGET.budget_ms(stream, variant.frame_kbits, 4.0) >= 2 * batch_ms
    }
    assert side_px == max(fitting, default=128)


@pytest.mark.parametrize(("rule", "side_px"), [(FULL_BUDGET, 256), (ElasticBudget(0.7), 384)])
def test_advice_follows_the_budget_rule_of_the_server_as_plans_do(rule, side_px):
    """On a link that carries 384 px only if frames are smaller than the zoo's."""
    stream = ObservedStream("c0", 10.0, 200.0, 3000.0, wire_ms=1.0, last_frame_ms=0.0)
    adviser = Adviser(VARIANTS, rule)
    assert adviser.sides(stream, running_variant(5), 4.0, 0.0) == SideAdvice(side_px, 384)
    assert stream.advice == SideAdvice(side_px, 384)
