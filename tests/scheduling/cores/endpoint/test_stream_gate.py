from __future__ import annotations

import random

import pytest

from moonjelly.core.codes import Code
from moonjelly.core.stream import StreamKey
from moonjelly.core.verdict import Drop, Place, Reason
from moonjelly.scheduling.cores.endpoint.gate import Declared, StreamGate, frame_limit


def gate_of(**changes: float) -> StreamGate:
    values = {"fps": 10.0, "slo_ms": 200.0, "bandwidth_kbps": 1000.0, "wire_ms": 1.0}
    return StreamGate(1, Declared(StreamKey.parse("cam"), **(values | changes)), 0.0, 1.2, 32)


def test_the_size_ratio_is_a_high_percentile() -> None:
    observed, rng = gate_of().observed, random.Random(2)
    for _ in range(3000):
        observed.observe_size(rng.uniform(0.5, 1.5))
    assert 1.35 <= observed.size_ratio <= 1.5


def test_larger_frames_are_learned_fast_and_nothing_runs_away() -> None:
    observed = gate_of().observed
    for _ in range(20):
        observed.observe_size(2.0)
    assert 1.9 <= observed.size_ratio <= 2.2
    for _ in range(10_000):
        observed.observe_size(1e9)
    assert observed.size_ratio == 20.0


@pytest.mark.parametrize(("fps", "limit_ms"), [(30.0, 2000.0), (0.5, 6000.0)])
def test_silence_is_longer_than_2_s_and_3_periods(fps: float, limit_ms: float) -> None:
    observed = gate_of(fps=fps).observed
    assert not observed.is_silent(limit_ms)
    assert observed.is_silent(limit_ms + 1)
    assert observed.tell(limit_ms + 1).bandwidth_kbps == 0


def test_the_scheduler_hears_at_once_of_links_that_jump() -> None:
    observed = gate_of().observed
    observed.tell(0.0)
    observed.observe_link(0.0, 1200.0, 1.0)
    assert not observed.has_jumped(0.0)
    observed.observe_link(2000.0, 300.0, 1.0)
    observed.last_frame_ms = 2000.0
    assert observed.has_jumped(2000.0)
    observed.tell(2000.0)
    assert not observed.has_jumped(2000.0)
    assert observed.has_jumped(9000.0)  # silent


def test_the_frames_under_way_are_bounded_by_rate_and_slo_and_by_the_server() -> None:
    assert frame_limit(10.0, 200.0) == gate_of().most_under_way == 4
    assert frame_limit(240.0, 1000.0) == 242
    assert gate_of(fps=240.0, slo_ms=1000.0).most_under_way == 32


def test_numbers_have_to_rise() -> None:
    gate = gate_of()
    assert gate.check_order(5, 0.0) is None
    again, back = gate.check_order(5, 0.0), gate.check_order(3, 0.0)
    assert again is not None
    assert back is not None
    assert (again.code, back.code) == (Code.ALREADY_EXISTS, Code.INVALID_ARGUMENT)
    assert gate.check_order(6, 0.0) is None


def test_what_ended_is_counted_once() -> None:
    gate = gate_of()
    gate.num_answered = 2
    gate.drops[Drop(Place.ENDPOINT, Reason.TOO_LATE)] += 3
    assert gate.num_ended == 5
