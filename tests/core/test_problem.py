"""Budgets against the published tables (Jellyfish: sizes of YOLOv4 inputs, 1 kbit = 1024 bit)."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.budget import FULL_BUDGET
from moonjelly.core.device import Device
from moonjelly.core.mode import ModeTable
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant

COMPRESSION_RATIOS = (
    *(4.78, 5.148, 5.365, 5.66, 5.782, 6.133, 6.431, 6.556),
    *(6.781, 6.953, 7.158, 7.421, 7.574, 7.739, 7.968, 8.131),
)
VARIANTS = tuple(
    Variant(f"yolov4-{side}", side, index / 100, side**2 * 3 * 8 / 1024 / ratio)
    for index, (side, ratio) in enumerate(zip(range(128, 609, 32), COMPRESSION_RATIOS, strict=True))
)
KBPS_PER_MBPS = 1024
RESPONSE_KBITS = 300 * 8 / 1024


def stream(mbps, fps=15.0, slo_ms=1000.0):
    return Stream("c0", fps, slo_ms, mbps * KBPS_PER_MBPS, 0.5, RESPONSE_KBITS)


@pytest.mark.parametrize(
    ("index", "kbits", "at_7_5", "at_10", "at_15", "at_20"),
    [
        (0, 80.33, 11.77, 9.07, 6.38, 5.04),
        (4, 265.65, 35.90, 27.17, 18.45, 14.09),
        (9, 583.35, 77.26, 58.20, 39.13, 29.60),
        (15, 1065.55, 140.05, 105.29, 70.52, 53.14),
    ],
)
def test_network_times_are_the_published_ones(index, kbits, at_7_5, at_10, at_15, at_20):
    size = VARIANTS[index].frame_kbits
    assert size == pytest.approx(kbits, abs=0.005)
    for mbps, expected in ((7.5, at_7_5), (10, at_10), (15, at_15), (20, at_20)):
        assert stream(mbps).network_ms(size) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("mbps", "largest"),
    [
        (2.855, (4, 2, 1)),
        (5, (8, 5, 2)),
        (7.5, (11, 8, 4)),
        (10, (14, 10, 6)),
        (15, (15, 14, 9)),
        (20, (15, 15, 12)),
        (30, (15, 15, 15)),
    ],
)
def test_the_largest_frame_that_a_link_carries_is_the_published_one(mbps, largest):
    for fps, index in zip((10, 15, 25), largest, strict=True):
        carried = [i for i, v in enumerate(VARIANTS) if stream(mbps, fps).is_carried(v.frame_kbits)]
        assert carried == list(range(index + 1))


def test_a_link_that_is_exactly_as_fast_as_the_stream_does_not_carry_it():
    exact = Stream("c0", 10, 1000, bandwidth_kbps=1000)
    assert not exact.is_carried(100)
    assert exact.is_carried(99.9)


def test_budgets_are_what_network_and_overhead_leave():
    one = Stream("c0", 10, 100, bandwidth_kbps=10_000, wire_ms=2, response_kbits=10)
    assert FULL_BUDGET.budget_ms(one, 190, overhead_ms=5) == pytest.approx(100 - 20 - 4 - 5)
    assert FULL_BUDGET.budget_ms(one, 190, overhead_ms=80) == 0.0


def test_a_link_that_is_down_leaves_no_budget():
    down = Stream("c0", 10, 1000, bandwidth_kbps=0)
    assert FULL_BUDGET.budget_ms(down, VARIANTS[0].frame_kbits, 0) == 0.0


@settings(max_examples=100, deadline=None)
@given(
    st.floats(1e-6, 1e6),
    st.floats(1e-3, 1e5),
    st.floats(0, 1e9),
    st.floats(0, 1e4),
    st.floats(0.01, 100),
)
def test_a_budget_is_within_the_slo_and_falls_with_the_frame(fps, slo_ms, kbps, wire_ms, ratio):
    one = Stream("c0", fps, slo_ms, kbps, wire_ms, frame_size_ratio=ratio)
    budgets = [FULL_BUDGET.budget_ms(one, variant.frame_kbits, 1.0) for variant in VARIANTS]
    assert all(math.isfinite(budget) and 0 <= budget <= slo_ms for budget in budgets)
    assert budgets == sorted(budgets, reverse=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fps", 0),
        ("fps", math.nan),
        ("slo_ms", -1),
        ("bandwidth_kbps", -1),
        ("bandwidth_kbps", math.inf),
        ("wire_ms", -0.1),
        ("response_kbits", math.nan),
        ("frame_size_ratio", 0),
        ("stream_id", "a b"),
    ],
)
def test_a_stream_with_an_impossible_value_is_refused(field, value):
    good = {"stream_id": "c0", "fps": 10, "slo_ms": 100, "bandwidth_kbps": 1000}
    with pytest.raises(ValueError, match=field):
        Stream(**{**good, field: value})


GPU = Device("gpu0", "gpu")
SMALL = Variant("small", 128, 0.2, 80)
C0 = Stream("c0", 10, 100, 1000)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"variants": ()}, "at least one variant"),
        ({"devices": (GPU, GPU)}, "devices: 'gpu0' is listed twice"),
        ({"variants": (SMALL, SMALL)}, "variants: 'small' is listed twice"),
        ({"streams": (C0, C0)}, "streams: 'c0' is listed twice"),
        ({"tables": {}}, "tables of device type 'gpu'"),
        ({"tables": {"gpu": ModeTable(())}}, "tables of device type 'gpu'"),
        ({"overhead_ms": -1}, "overhead_ms=-1"),
    ],
)
def test_a_problem_that_makes_no_sense_is_refused(change, problem):
    good = {
        "devices": (GPU,),
        "variants": (SMALL,),
        "tables": {"gpu": ModeTable(((10.0,),))},
        "streams": (C0,),
    }
    Problem(**good)
    with pytest.raises(ValueError, match=problem):
        Problem(**{**good, **change})


def test_decoding_is_charged_to_its_stream():
    light, heavy = C0, dataclasses.replace(C0, stream_id="c1", decode_ms=7.0)
    problem = Problem((GPU,), (SMALL,), {"gpu": ModeTable(((10.0,),))}, (light, heavy), 3.0)
    assert problem.budgets_ms(heavy) == (problem.budgets_ms(light)[0] - 7.0,)
