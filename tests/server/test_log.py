"""Whatever is sent, the log grows slowly, and says what it left out."""

from __future__ import annotations

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.server.log import (
    BURST_LINES,
    LINES_PER_S,
    MAX_CHARS,
    TELL_AFTER_S,
    CountingHandler,
    RepeatLimit,
)

STEPS = st.lists(
    st.tuples(st.floats(0, 5), st.sampled_from("abc"), st.sampled_from([1.0, 10.0])), max_size=300
)


@given(STEPS)
def test_each_line_is_written_or_counted_and_never_more_than_the_rate(steps):
    limit, now_s = RepeatLimit(), 0.0
    written, told, offered = (
        dict.fromkeys("abc", 0.0),
        dict.fromkeys("abc", 0),
        dict.fromkeys("abc", 0),
    )
    passed = dict.fromkeys("abc", 0)
    for step_s, place, lines in steps:
        now_s += step_s
        offered[place] += 1
        if limit.may_write(place, lines, now_s):
            written[place] += lines
            passed[place] += 1
        for where, count in limit.take_left_out(now_s):
            told[where] += count
    for where, count in limit.take_left_out(now_s, after_s=0.0):
        told[where] += count
    for place in "abc":
        assert passed[place] + told[place] == offered[place]
        assert written[place] <= BURST_LINES + LINES_PER_S * now_s + 1e-6


def test_what_was_left_out_is_told_while_the_flood_lasts():
    limit = RepeatLimit()
    told: list[int] = []
    for step in range(4000):
        now_s = step / 100
        limit.may_write("flooded", 1.0, now_s)
        told += [count for _, count in limit.take_left_out(now_s)]
    assert len(told) == pytest.approx(40 / TELL_AFTER_S, abs=1)


@pytest.fixture
def flooded():
    """A logger with a counting handler, and what was written."""
    stream = io.StringIO()
    handler = CountingHandler(stream)
    logger = logging.Logger("flooded")  # noqa: LOG001 one that no other test sees
    logger.addHandler(handler)
    yield logger, stream
    handler.close()


def test_a_flood_with_ever_new_words_is_cut_and_counted(flooded):
    logger, stream = flooded
    for number in range(10_000):
        logger.error("no such stream: %s", f"cam-{number}")
    logger.error("something else")
    logger.handlers[0].close()
    lines = stream.getvalue().splitlines()
    assert len(lines) <= BURST_LINES + 10
    assert "something else" in lines
    (summary,) = (line for line in lines if line.startswith("left out"))
    assert int(summary.split()[2]) + len(lines) - 2 == 10_000
    assert "no such stream: cam-9999" in summary


def test_tracebacks_are_few_and_no_record_is_long(flooded):
    logger, stream = flooded
    for number in range(1000):
        logger.error("failed", exc_info=ValueError(f"{number}" * 100_000))
    text = stream.getvalue()
    assert text.count("ValueError") == BURST_LINES / 10
    assert len(text) <= (BURST_LINES / 10 + 2) * (MAX_CHARS + 1)
