"""Whatever passes the door of a server can be computed with behind it: nothing overflows, nothing is infinite."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moonjelly.adapting.estimators import ESTIMATORS, MAX_KBPS, MIN_KBPS, SentFrame, make_estimator
from moonjelly.core.budget import FULL_BUDGET, ElasticBudget, FixedFrameBudget, SplitBudget
from moonjelly.core.device import Device
from moonjelly.core.limits import (
    BANDWIDTH_KBPS,
    FPS,
    FRAME_KBITS,
    LATENCY_MS,
    MOST_AGE_MS,
    OVERHEAD_MS,
    SLO_MS,
    WIRE_MS,
    Range,
)
from moonjelly.core.mode import ModeTable
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.scheduling.cores.endpoint.gate import frame_limit
from moonjelly.scheduling.planning.counter_offer import counter_offers, refusal_reason
from moonjelly.scheduling.planning.instance import build
from moonjelly.scheduling.planning.pricing.pricing import PricingPlanner
from moonjelly.scheduling.planning.rules import violations
from moonjelly.scheduling.streams.observed_stream import ObservedStream
from moonjelly.scheduling.streams.policing import RatePolicer

VARIANTS = (Variant("small", 128, 0.2, FRAME_KBITS.least), Variant("large", 4096, 0.4, 1e6))
RULES = (FULL_BUDGET, ElasticBudget(0.01), FixedFrameBudget(1e6), SplitBudget())


def within(limits: Range) -> st.SearchStrategy[float]:
    """Numbers of a range, its ends among them, of every order of magnitude."""
    ends = st.sampled_from([limits.least, limits.most])
    if limits.least == 0:
        return st.one_of(ends, st.floats(limits.least, limits.most))
    low, high = math.log(limits.least), math.log(limits.most)
    return st.one_of(ends, st.floats(low, high).map(lambda log: limits.nearest(math.exp(log))))


frames = st.tuples(
    st.one_of(st.just(0.0), st.floats(0, 1e4), st.just(1e8)),  # after the one before
    st.one_of(st.floats(0, MOST_AGE_MS), st.just(MOST_AGE_MS)),
    st.floats(8e-3, 4.2e6 * 8 / 1000),  # one byte to the largest message
    within(BANDWIDTH_KBPS),
    within(WIRE_MS),
    within(OVERHEAD_MS),
)


@given(
    within(FPS),
    within(SLO_MS),
    within(BANDWIDTH_KBPS),
    within(WIRE_MS),
    st.lists(frames, max_size=12),
    st.floats(0, 1e12),
)
def test_what_is_learned_of_a_stream_stays_finite(
    fps, slo_ms, first_kbps, wire_ms, sent, now_ms
) -> None:
    stream = ObservedStream("cam", fps, slo_ms, first_kbps, wire_ms, now_ms)
    policer = RatePolicer(fps, 1.2, now_ms)
    assert frame_limit(fps, slo_ms) < 20_000
    for gap_ms, age_ms, kbits, bandwidth_kbps, frame_wire_ms, decode_ms in sent:
        now_ms += gap_ms
        policer.takes(now_ms)
        for expected in (None, *(variant.frame_kbits for variant in VARIANTS)):
            there_ms, deadline_ms = stream.take_frame(
                now_ms, age_ms, kbits, expected, bandwidth_kbps, frame_wire_ms
            )
            assert math.isfinite(there_ms)
            assert math.isfinite(deadline_ms)
        stream.decoding.add(decode_ms)
        planned_kbps = stream.planned_kbps(now_ms)
        assert BANDWIDTH_KBPS.least <= planned_kbps <= BANDWIDTH_KBPS.most
        stream.has_jumped(now_ms)
        for planned in (stream.planned(now_ms), stream.tell(now_ms), stream.tell(now_ms + 1e9)):
            for rule in RULES:
                for variant in VARIANTS:
                    budget_ms = rule.budget_ms(planned, variant.frame_kbits, OVERHEAD_MS.most)
                    assert 0 <= budget_ms <= slo_ms


@pytest.mark.parametrize("name", ESTIMATORS)
@given(
    within(BANDWIDTH_KBPS),
    within(WIRE_MS),
    st.lists(
        st.tuples(st.floats(1e-3, 1e5), st.floats(-1e9, 1e12), st.floats(0, 1e9), within(WIRE_MS)),
        max_size=20,
    ),
)
@example(1.0, 0.0, [(1e-3, 1e12, 0.0, 0.0)] * 3)
def test_every_estimate_may_be_told_a_server(name, first_kbps, wire_ms, acked) -> None:
    estimator = make_estimator(first_kbps, wire_ms, name)
    now_ms = 0.0
    for number, (kbits, net_ms, gap_ms, measured_ms) in enumerate(acked):
        now_ms += gap_ms
        estimator.wire_ms = measured_ms
        frame = SentFrame(number, 128, kbits, now_ms - max(0.0, net_ms))
        estimator.observe(frame, net_ms, now_ms)
        for oldest in (None, SentFrame(number + 1, 128, kbits, now_ms)):
            for later_ms in (0.0, 1e3, 1e12):
                estimate_kbps = estimator.bandwidth_kbps(now_ms + later_ms, oldest)
                assert MIN_KBPS <= estimate_kbps <= MAX_KBPS


streams = st.builds(
    Stream,
    st.sampled_from(["a", "b", "c", "d"]),
    within(FPS),
    within(SLO_MS),
    st.one_of(st.just(0.0), within(BANDWIDTH_KBPS)),
    within(WIRE_MS),
    st.floats(0, 200),
    st.floats(0.05, 20),
    decode_ms=within(OVERHEAD_MS),
)
rows = st.lists(within(LATENCY_MS), min_size=1, max_size=3).map(lambda row: tuple(sorted(row)))


@given(
    st.lists(streams, max_size=4, unique_by=lambda stream: stream.stream_id),
    st.tuples(rows, rows),
    within(OVERHEAD_MS),
)
def test_whoever_passes_the_door_can_be_planned_for(streams, latencies, overhead_ms) -> None:
    devices = (Device("gpu0", "gpu"), Device("gpu1", "gpu"))
    problem = Problem(devices, VARIANTS, {"gpu": ModeTable(latencies)}, tuple(streams), overhead_ms)
    instance = build(problem)
    assert np.isfinite(instance.budgets_ms).all()
    assert (instance.weights > 0).all()
    assert (instance.capacities >= 0).all()
    planner = PricingPlanner()
    plan = planner.plan(problem, None, Random(0))
    assert violations(problem, plan) == []
    for stream in streams:
        if plan.placement[stream.stream_id] is None:
            refusal_reason(problem, stream)
            for offer in counter_offers(problem, stream, plan, planner):
                FPS.require("fps", offer.fps)
                SLO_MS.require("slo_ms", offer.slo_ms)
