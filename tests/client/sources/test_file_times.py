from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.client.sources.video import FileTimes

times = st.lists(
    st.one_of(st.none(), st.floats(-1e9, 1e9), st.just(math.nan)), min_size=1, max_size=50
)


@given(times_s=times, length_s=st.sampled_from([5.0, math.inf]), may_jump=st.booleans())
def test_whatever_a_file_says_its_pictures_begin_at_0_and_rise(times_s, length_s, may_jump):
    file = FileTimes(0.04, length_s, may_jump)
    shown_s = [file.shown_s(time_s, None) for time_s in times_s]
    assert shown_s[0] == 0
    assert all(a < b for a, b in itertools.pairwise(shown_s))
    assert file.ends_s == pytest.approx(shown_s[-1] + 0.04)
    if math.isfinite(length_s):
        assert shown_s[-1] <= length_s + 1 + 0.04 * len(times_s)


@given(gaps_s=st.lists(st.floats(0.002, 9.0), min_size=1, max_size=50), start_s=st.floats(-5, 5))
def test_a_sound_file_is_believed(gaps_s, start_s):
    file = FileTimes(0.04, math.inf, may_jump=True)
    wanted_s = list(itertools.accumulate(gaps_s, initial=0.0))
    shown_s = [file.shown_s(start_s + time_s, 0.04) for time_s in wanted_s]
    assert shown_s == pytest.approx(wanted_s)


def test_pictures_without_times_follow_one_another():
    file = FileTimes(0.5, math.inf, may_jump=False)
    assert [file.shown_s(None, None), file.shown_s(None, 0.1), file.shown_s(None, None)] == [
        0.0, 0.5, 0.6,
    ]  # fmt: skip


def test_times_that_begin_anew_go_on_from_there():
    file = FileTimes(0.5, math.inf, may_jump=True)
    shown_s = [file.shown_s(time_s, None) for time_s in (7.0, 7.5, 90_000.0, 90_000.5, 3.0, 3.5)]
    assert shown_s == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])


def test_one_time_beyond_the_end_of_the_file_is_not_believed():
    file = FileTimes(0.5, 10.0, may_jump=False)
    assert [file.shown_s(time_s, None) for time_s in (0.0, 0.5, 4e6, 1.5)] == [0.0, 0.5, 1.0, 1.5]
