from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.checks import (
    ECHO_LIMIT,
    echo,
    require_id,
    require_not_negative,
    require_positive,
)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, -math.inf, "7", None, 10.5])
def test_a_value_that_is_not_positive_finite_and_within_its_bound_is_named(value):
    with pytest.raises(ValueError, match=r"fps=.*above 0 and at most 10"):
        require_positive("fps", value, 10)


def test_zero_is_not_positive_but_not_negative_either():
    assert require_not_negative("overhead_ms", 0) == 0
    with pytest.raises(ValueError, match="overhead_ms=0: must be a number above 0 and finite"):
        require_positive("overhead_ms", 0)


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf, "0", 11])
def test_a_value_that_is_negative_or_beyond_its_bound_is_named(value):
    with pytest.raises(ValueError, match=r"wire_ms=.*at least 0 and at most 10"):
        require_not_negative("wire_ms", value, 10)


@pytest.mark.parametrize("value", ["a", "cam-1", "x" * 64, "A.b_c-9", ".a"])
def test_plain_names_are_ids(value):
    assert require_id("stream_id", value) == value


@pytest.mark.parametrize("value", ["", "x" * 65, ".", "..", "a b", "a/b", "é", "a\n", 7, None])
def test_what_could_be_a_path_or_a_trick_is_no_id(value):
    with pytest.raises(ValueError, match="stream_id="):
        require_id("stream_id", value)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.floats()))
def test_an_echo_is_short_and_printable(value):
    text = echo(value)
    assert len(text) <= ECHO_LIMIT
    assert text.isascii()
    assert text.isprintable()
