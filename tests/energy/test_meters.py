"""Joules of counters and of power: what is said of them when they wrap, stop, jump or are gone."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.errors import RunError
from moonjelly.energy.meters import (
    CHECK_MS,
    CheckedMeter,
    CountedMeter,
    IntegratedMeter,
    cross_check,
)
from moonjelly.energy.port import MeterFacts, Quality

FACTS = MeterFacts("toy", "device", 100.0)


class Source:
    """A counter or a power that a test sets; an error is raised."""

    def __init__(self, value: float | RunError = 0.0) -> None:
        self.value = value

    def __call__(self) -> float:
        if isinstance(self.value, RunError):
            raise self.value
        return self.value


def read_all(meter, source, readings):
    """The meter's words for pairs of time (ms) and value."""
    words = []
    for now_ms, value in readings:
        source.value = value
        words.append(meter.read(now_ms))
    return words


def counted(readings, range_mj=math.inf):
    source = Source()
    return read_all(CountedMeter(FACTS, source, range_mj), source, readings)


def test_a_counter_counts_from_its_first_reading():
    words = counted([(0, 5000), (100, 5500), (150, 5500), (200, 7000)])
    assert [word.total_mj for word in words] == [0, 500, 500, 2000]
    assert {word.quality for word in words} == {Quality.MEASURED}


def test_a_counter_that_wraps_goes_on():
    words = counted([(0, 999_900), (100, 100), (200, 300)], range_mj=1_000_000)
    assert [word.total_mj for word in words] == [0, 200, 400]
    assert words[-1].problem == ""


def test_a_counter_that_may_have_wrapped_unseen_is_not_believed():
    words = counted([(0, 0), (500_000, 100), (500_100, 200)], range_mj=1_000_000)
    assert words[1].quality is Quality.UNAVAILABLE
    assert "may have wrapped unseen" in words[1].problem
    assert [word.total_mj for word in words] == [0, 0, 100]


@pytest.mark.parametrize("range_mj", [math.inf, 262_143_328.0])
@pytest.mark.parametrize("to_mj", [4999.0, 0.0, 1e6, math.nan])
def test_a_counter_that_goes_backwards_or_jumps_adds_nothing(range_mj, to_mj):
    after = [(200, to_mj), (300, 7000), (400, 7100)] if math.isnan(to_mj) else [(200, to_mj)]
    words = counted([(0, 5000), (100, 5000.5), *after, (500, 7200)], range_mj)
    assert words[2].quality is Quality.UNAVAILABLE
    assert "\n" not in words[2].problem
    assert "toy: the counter went from" in words[2].problem
    assert all(later.total_mj >= word.total_mj for word, later in itertools.pairwise(words))
    assert words[2].total_mj == 0.5


def test_a_counter_that_stops_is_told_and_what_it_makes_up_later_is_not_known():
    words = counted([(0, 0), (100, 50), (1000, 50), (1100, 50), (1200, 90), (1300, 130)])
    assert [word.quality for word in words] == [
        Quality.MEASURED,
        Quality.MEASURED,
        Quality.MEASURED,
        Quality.UNAVAILABLE,
        Quality.UNAVAILABLE,
        Quality.MEASURED,
    ]
    assert [word.total_mj for word in words] == [0, 50, 50, 50, 50, 90]
    assert words[3].problem == "toy: the counter stands still"


def test_a_counter_that_is_gone_says_so_and_goes_on_when_it_is_back():
    gone = RunError("energy_uj: cannot be read: No such file or directory")
    words = counted([(0, 10), (100, gone), (200, 40), (300, 50)])
    assert [word.problem for word in words] == ["", str(gone), str(gone), ""]
    assert [word.total_mj for word in words] == [0, 0, 0, 10]


def test_a_counter_that_is_gone_from_the_first_is_never_a_silent_zero():
    words = counted([(0, RunError("denied")), (100, RunError("denied"))])
    assert {word.quality for word in words} == {Quality.UNAVAILABLE}


def integrated(readings):
    source = Source()
    return read_all(IntegratedMeter(FACTS, source), source, readings)


def test_power_is_added_up_over_time():
    words = integrated([(0, 10), (100, 10), (300, 20)])
    assert [word.total_mj for word in words] == [0, 1000, 4000]


@pytest.mark.parametrize("power", [math.nan, math.inf, -1.0, 1e5])
def test_a_power_that_cannot_be_is_not_added(power):
    words = integrated([(0, 10), (100, power), (200, 10), (300, 10)])
    assert [word.total_mj for word in words] == [0, 0, 0, 1000]
    assert words[1].problem == f"toy: says {power:g} W, which cannot be"
    assert [word.quality for word in words[1:]] == [
        Quality.UNAVAILABLE,
        Quality.UNAVAILABLE,
        Quality.MEASURED,
    ]


def test_power_says_nothing_of_the_time_in_which_it_was_not_read():
    words = integrated([(0, 10), (5000, 10), (5100, 10)])
    assert [word.total_mj for word in words] == [0, 0, 1000]
    assert words[1].problem == "toy: was not read for 5000 ms"


@pytest.mark.parametrize(
    ("counted_mj", "integrated_mj", "is_believed"),
    [
        (1000, 1000, True),
        (1000, 1250, True),
        (1250, 1000, True),
        (1000, 1251, False),
        (1251, 1000, False),
        (0, 1000, False),
        (187_000, 327_000, False),  # as seen on a card
    ],
)
def test_counter_and_power_may_be_a_quarter_apart(counted_mj, integrated_mj, is_believed):
    problem = cross_check("toy", counted_mj, integrated_mj)
    assert (problem == "") == is_believed
    assert is_believed or problem.endswith("neither is believed")


def checked(counter_w, power_w, seconds=8.0, is_read=lambda ms: True):
    counter, gauge = Source(), Source()
    meter = CheckedMeter(CountedMeter(FACTS, counter), IntegratedMeter(FACTS, gauge))
    words = []
    for ms in range(0, round(1000 * seconds), 100):
        counter.value = counter_w * ms if is_read(ms) else RunError("gone")
        gauge.value = power_w
        words.append((ms, meter.read(ms)))
    return words


def test_a_counter_is_measured_once_power_has_said_the_same():
    words = checked(50, 45)
    assert next(ms for ms, word in words if word.quality is Quality.MEASURED) == CHECK_MS
    assert words[0][1].problem == "toy: the counter is being checked for 5 s"
    assert words[-1][1].total_mj == pytest.approx(50 * 7900)


def test_a_counter_that_power_contradicts_is_never_called_measured():
    words = checked(50, 87.5)
    assert {word.quality for _, word in words} == {Quality.UNAVAILABLE}
    said = "toy: the counter says 250 J and power 438 J of the same time: neither is believed"
    assert words[-1][1].problem == said


def test_a_check_that_was_disturbed_begins_again():
    words = checked(50, 45, seconds=9, is_read=lambda ms: ms != 3000)
    first_ms = next(ms for ms, word in words if word.quality is Quality.MEASURED)
    assert first_ms == 3200 + CHECK_MS  # after a reading without the gap before it


@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.sampled_from([0.0, 1.0, 40.0, -30.0, math.nan, 1e9]))
    ),
    st.sampled_from([math.inf, 1e6]),
)
def test_joules_never_fall_and_are_finite_whatever_a_counter_does(steps, range_mj):
    source = Source(1000.0)
    meter = CountedMeter(FACTS, source, range_mj)
    now_ms, total_mj = 0.0, 0.0
    for elapsed_ms, power_w in steps:
        now_ms += elapsed_ms
        source.value += power_w * elapsed_ms
        if math.isnan(source.value):
            source.value = 1000.0
        word = meter.read(now_ms)
        assert total_mj <= word.total_mj < math.inf
        assert (word.quality is Quality.UNAVAILABLE) == bool(word.problem)
        total_mj = word.total_mj
