from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_scenarios import Ran, scenario, stream

from moonjelly.core.stream import Stream
from moonjelly.links.traces import LinkTrace
from moonjelly.simulation.links import SimulatedLink
from moonjelly.simulation.oracle import ORACLE, TrueRate, rate_ahead_kbps, told_the_truth

CAMERA = {"fps": 15.0, "slo_ms": 100.0, "wire_ms": 1.0}
FALL = LinkTrace((20.0, 2.0), 1.0)


def test_what_a_link_carries_is_known_until_the_deadline_by_hand():
    assert rate_ahead_kbps(FALL, 0.0, 200.0) == 20_000.0
    assert rate_ahead_kbps(FALL, 900.0, 200.0) == pytest.approx((20_000 + 2_000) / 2)
    assert rate_ahead_kbps(FALL, 1900.0, 200.0) == pytest.approx(2_000), "least at once, then more"


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.5, 3.0, 20.0]), min_size=1, max_size=6),
    now_ms=st.floats(0, 5000),
    kbits=st.floats(1, 500),
)
def test_a_frame_that_is_promised_by_its_deadline_is_through_by_when_it_is_promised(
    values, now_ms, kbits
):
    trace = LinkTrace(tuple(values), 0.1)
    promised_ms = 1000 * kbits / TrueRate(trace, 150.0, 0.0).bandwidth_kbps(now_ms)
    if promised_ms <= 150.0:
        there_ms = SimulatedLink(trace, 0.0).arrival_ms(kbits, now_ms) - now_ms
        assert there_ms <= promised_ms + 1e-6


def test_planning_is_told_the_truth_of_the_links_that_are_known_unless_a_stream_is_silent():
    streams = [
        Stream(stream_id=name, fps=10.0, slo_ms=100.0, bandwidth_kbps=kbps, wire_ms=1.0)
        for name, kbps in (("known", 5000.0), ("unknown", 5000.0), ("silent", 0.0))
    ]
    told = told_the_truth(streams, {"known": FALL, "silent": FALL}, 1200.0, 500.0)
    assert [one.bandwidth_kbps for one in told] == [2000.0, 5000.0, 0.0]


def test_where_links_fall_under_frames_it_misses_none_and_sends_as_large_ones():
    link = LinkTrace((12.0, 12.0, 3.0, 3.0), 0.37)
    frames = {
        policy: Ran(scenario(stream(policy=policy, link=link, **CAMERA))).finish().frames
        for policy in ("ladder", ORACLE)
    }
    missed = {
        policy: sum(row.verdict != "in_time" for row in rows) for policy, rows in frames.items()
    }
    assert missed[ORACLE] == 0 < missed["ladder"]
    large = {policy: sum(row.side_px == 416 for row in rows) for policy, rows in frames.items()}
    assert large[ORACLE] >= large["ladder"]
