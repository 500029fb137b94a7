from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_scenarios import Ran, scenario, stream

from moonjelly.links.traces import LinkTrace, constant_trace
from moonjelly.simulation.links import SimulatedLink


def test_a_frame_takes_its_size_over_the_rate_and_then_the_wire():
    link = SimulatedLink(constant_trace(10.0), wire_ms=7.0)
    assert link.arrival_ms(100.0, now_ms=3.0) == pytest.approx(3.0 + 10.0 + 7.0)


def test_frames_wait_for_those_before_them():
    link = SimulatedLink(constant_trace(10.0), wire_ms=0.0)
    assert [link.arrival_ms(100.0, 0.0) for _ in range(3)] == pytest.approx([10, 20, 30])
    assert link.arrival_ms(100.0, 50.0) == pytest.approx(60)


def test_a_frame_goes_on_at_the_next_rate_of_the_trace():
    link = SimulatedLink(LinkTrace((1.0, 0.0, 2.0), 0.1), wire_ms=0.0)
    # 100 ms at 1 Mbit/s carry 100 kbit, the outage nothing, the rest goes at 2 Mbit/s
    assert link.arrival_ms(150.0, 0.0) == pytest.approx(200 + 25)


@pytest.mark.parametrize("trace", [constant_trace(0.0), LinkTrace((5.0, 1.0), scale_ratio=0.0)])
def test_over_a_dead_link_nothing_arrives(trace):
    link = SimulatedLink(trace, wire_ms=1.0)
    assert math.isinf(link.arrival_ms(1.0, 0.0))
    assert math.isinf(link.arrival_ms(1.0, 10.0))


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 0.5, 3.0, 20.0]), min_size=1, max_size=6),
    period_s=st.sampled_from([0.1, 1 / 3, 1.0]),
    start_ms=st.floats(0, 5000),
    kbits=st.floats(1, 5000),
)
def test_the_rates_between_start_and_end_add_up_to_the_frame(values, period_s, start_ms, kbits):
    if not any(values):
        return
    trace = LinkTrace(tuple(values), period_s)
    end_ms = SimulatedLink(trace, 0.0).arrival_ms(kbits, start_ms)
    first, last = math.floor(start_ms / 1000 / period_s), math.ceil(end_ms / 1000 / period_s)
    carried = 0.0
    for number in range(first - 1, last + 1):
        begin_ms, stop_ms = 1000 * number * period_s, 1000 * (number + 1) * period_s
        overlap_ms = max(0.0, min(stop_ms, end_ms) - max(begin_ms, start_ms))
        carried += overlap_ms * trace.rate_kbps(max(0.0, (number + 0.5) * period_s)) / 1000
    assert carried == pytest.approx(kbits, rel=1e-6, abs=1e-3)


def test_jitter_spreads_arrivals_around_its_median_and_lets_nothing_overtake() -> None:
    what = scenario(
        stream(link=constant_trace(100.0), jitter_p50_ms=2.0, jitter_p99_ms=40.0), seconds=60.0
    )
    ran = Ran(what).finish()
    reads_ms = [row.read_ms for row in ran.server_frames]
    assert reads_ms == sorted(reads_ms)
    network_ms = sorted(row.network_ms for row in ran.frames if row.network_ms is not None)
    calm = Ran(scenario(stream(link=constant_trace(100.0)), seconds=5.0)).finish()
    least_ms = min(row.network_ms for row in calm.frames if row.network_ms is not None)
    assert network_ms[0] > least_ms
    assert least_ms + 3 < network_ms[len(network_ms) // 2] < least_ms + 15
    assert network_ms[-1] > least_ms + 20
