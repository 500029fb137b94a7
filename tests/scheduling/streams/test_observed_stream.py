from __future__ import annotations

import math
import random
import statistics

import pytest

from moonjelly.scheduling.streams.observed_stream import REPLY_MARGIN_MS, ObservedStream

PERIOD_MS = 1000 / 15


def served(num_frames: int, kbps: float) -> tuple[ObservedStream, float]:
    """A stream that has sent frames, and when it sent the last one."""
    stream = ObservedStream("a", 15, 150, kbps, 1.0, 0.0)
    for number in range(1, num_frames + 1):
        send(stream, number * PERIOD_MS, kbps)
    return stream, num_frames * PERIOD_MS


def send(stream: ObservedStream, at_ms: float, kbps: float) -> None:
    stream.take_frame(at_ms, 5.0, 100.0, 100.0, kbps, 1.0)


@pytest.mark.parametrize("outage_ms", [400.0, 5000.0])
def test_the_estimate_after_an_outage_is_not_planned_with(outage_ms: float) -> None:
    """It tells of the time in which nothing got through, not of what comes."""
    stream, last_ms = served(20, 20_000)
    back_ms = last_ms + outage_ms
    send(stream, back_ms, 80)
    assert stream.planned_kbps(back_ms) == pytest.approx(20_000)
    send(stream, back_ms + PERIOD_MS, 15_000)
    assert 15_000 <= stream.planned_kbps(back_ms + PERIOD_MS) <= 20_000


def test_a_silent_stream_that_is_back_is_planned_for_at_once() -> None:
    stream, last_ms = served(20, 20_000)
    assert stream.tell(last_ms + 3000).bandwidth_kbps == 0
    send(stream, last_ms + 5000, 80)
    assert stream.has_jumped(last_ms + 5000)
    assert stream.tell(last_ms + 5000).bandwidth_kbps == pytest.approx(20_000)


def test_a_link_that_has_become_slow_is_learned_even_if_each_frame_takes_long() -> None:
    stream, last_ms = served(20, 20_000)
    for number in range(1, 9):
        send(stream, last_ms + number * 600.0, 300)
    assert stream.planned_kbps(last_ms + 8 * 600.0) == pytest.approx(300)


def test_between_jumps_the_harmonic_mean_of_the_last_second_counts() -> None:
    stream, last_ms = served(30, 10_000)
    send(stream, last_ms + PERIOD_MS, 12_000)
    planned_kbps = stream.planned_kbps(last_ms + PERIOD_MS)
    assert 10_000 < planned_kbps < 10_300


@pytest.mark.parametrize("kbps", [4_000, 30_000])
def test_what_was_said_before_a_jump_counts_no_more(kbps: float) -> None:
    stream, last_ms = served(30, 10_000)
    send(stream, last_ms + PERIOD_MS, kbps)
    assert stream.planned_kbps(last_ms + PERIOD_MS) == pytest.approx(kbps)
    assert stream.has_jumped(last_ms + PERIOD_MS)


@pytest.mark.parametrize("median_ratio", [0.3, 1.0, 3.0])
def test_the_size_of_frames_settles_at_their_95th_percentile(median_ratio: float) -> None:
    generator = random.Random(3)
    stream = ObservedStream("a", 15, 150, 10_000, 1.0, 0.0)
    for _ in range(300):
        stream.observe_size(median_ratio * generator.lognormvariate(0.0, 0.15))
    num_larger, settled = 0, []
    for _ in range(3000):
        ratio = median_ratio * generator.lognormvariate(0.0, 0.15)
        num_larger += ratio > stream.size_ratio
        stream.observe_size(ratio)
        settled.append(stream.size_ratio)
    assert 0.03 < num_larger / 3000 < 0.08
    expected = median_ratio * math.exp(1.645 * 0.15)
    assert statistics.median(settled) == pytest.approx(expected, rel=0.05)


def test_what_decoding_takes_is_learned_for_the_stream_alone() -> None:
    light, heavy = (ObservedStream(name, 15, 150, 10_000, 1.0, 0.0) for name in "ab")
    for _ in range(400):
        heavy.decoding.add(60.0)
    assert light.tell(0.0).decode_ms == 0.0
    assert heavy.tell(0.0).decode_ms == pytest.approx(60.0, rel=0.05)


@pytest.mark.parametrize("age_ms", [10.0, 190.0])
def test_the_deadline_leaves_time_for_the_answers_way_back(age_ms: float) -> None:
    stream, _ = served(20, 20_000)
    way_ms, deadline_ms = stream.take_frame(5000.0, age_ms, 100.0, 100.0, 5000.0, 3.0)
    assert way_ms == pytest.approx(23.0)
    assert deadline_ms == pytest.approx(5000 + 150 - age_ms - 23 - 3 - REPLY_MARGIN_MS)


def test_a_frame_of_a_dead_link_has_its_deadline_behind_it() -> None:
    stream, _ = served(20, 20_000)
    assert stream.take_frame(5000.0, 0.0, 100.0, 100.0, 0.0, 3.0)[1] == -math.inf
