from __future__ import annotations

import math

import pytest
from adaptation_situations import ZOO, certain, situation
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.adapting.frame_sizes import DEFAULT_QUALITY, FrameSize
from moonjelly.adapting.policies.ladder import LATE_COST, LadderPolicy, _best_choice
from moonjelly.adapting.policies.odds import MAX_FRAMES, ArrivalOdds
from moonjelly.adapting.policies.port import LinkForecast, Sending
from moonjelly.adapting.policies.rungs import Knob, parse_ladder
from moonjelly.core.quality import JpegQuality
from moonjelly.core.verdict import Reason

SMALL, LARGE = FrameSize(128, 100.0, 0.2), FrameSize(256, 400.0, 0.4)
TWO = (SMALL, LARGE)
HALF = JpegQuality(60, 0.95, 0.5)


def chosen(kbps, ladder=("size+quality", "skip"), **values):
    return LadderPolicy(ladder).choose(situation(kbps, **values))


def test_a_fast_link_carries_what_the_variant_takes_and_not_more():
    assert chosen(1e6).size.side_px == 608
    assert chosen(1e6, advised_px=128, served_px=416).size.side_px == 416
    assert chosen(1e6, advised_px=320).size.side_px == 320, (
        "the advice, where nothing else is known"
    )
    assert chosen(1e6, advised_px=0).size.side_px == 128


def test_what_the_server_needs_is_kept_free():
    # 10 Mbit/s: 400 kbit take 40 ms, 100 kbit 10 ms; nothing is in doubt
    values = {"sizes": TWO, "left_ms": 100.0}
    assert chosen(10_000.0, server_ms=(40.0, 60.0), **values).size is LARGE
    assert chosen(10_000.0, server_ms=(61.0, 80.0), **values).size is SMALL
    assert chosen(10_000.0, server_ms=(95.0, 99.0), **values) is Reason.LINK_TOO_SLOW


def test_value_by_hand():
    # LARGE is in time with one of two server times, SMALL with both.
    values = {"sizes": TWO, "left_ms": 100.0, "server_ms": (50.0, 70.0)}
    asked = situation(10_000.0, **values)
    assert 0.5 * LARGE.accuracy - 0.5 * LATE_COST < SMALL.accuracy
    assert LadderPolicy().choose(asked).size is SMALL


def test_doubt_makes_frames_smaller():
    sure = chosen(0, link=certain(15_000.0), server_ms=(20.0,))
    doubtful = chosen(0, link=LinkForecast(15_000.0), server_ms=(20.0,))
    assert doubtful.size.kbits < sure.size.kbits


def test_lower_quality_is_taken_where_it_is_worth_more_and_known():
    values = {"sizes": TWO, "left_ms": 30.0}  # LARGE takes 40 ms, or 20 ms at half the bits
    assert chosen(10_000.0, **values).size is SMALL
    both = (DEFAULT_QUALITY, HALF)
    assert chosen(10_000.0, qualities=both, **values) == Sending(LARGE, HALF)
    assert chosen(10_000.0, ("size", "skip"), qualities=both, **values).size is SMALL


def test_knobs_are_turned_in_the_order_of_the_ladder():
    values = {"sizes": TWO, "left_ms": 30.0, "qualities": (DEFAULT_QUALITY, HALF)}
    assert chosen(10_000.0, ("size", "quality"), **values) == Sending(SMALL, DEFAULT_QUALITY)
    assert chosen(10_000.0, ("quality", "size"), **values) == Sending(LARGE, HALF)


def test_frames_are_left_out_evenly_where_the_ladder_begins_with_fps():
    # 4 Mbit/s carry 400 kbit 10 times a second, not 15; in time they are.
    values = {"sizes": TWO, "slo_ms": 200.0, "left_ms": 200.0}
    policy = LadderPolicy(("fps", "size"))
    choices = [policy.choose(situation(4000.1, sequence=k, **values)) for k in range(4)]
    assert choices == [Sending(LARGE), Reason.SKIPPED, Sending(LARGE), Reason.SKIPPED]
    assert chosen(4000.1, ("size", "fps"), **values).size is SMALL


def test_where_nothing_is_in_time_nothing_is_sent():
    assert chosen(100.0) is Reason.LINK_TOO_SLOW
    assert chosen(1e6, left_ms=0.0) is Reason.LINK_TOO_SLOW


def test_frames_that_one_displaces_count_as_those_that_are_late():
    # 10 frame/s, each in time for certain. LARGE takes 90 or 225 ms, and displaces a frame with one of the two.
    odds = ArrivalOdds()
    for k in range(MAX_FRAMES):
        odds.add(90.0, 90.0 if k % 2 else 226.0)
    values = {"sizes": TWO, "fps": 10.0, "slo_ms": 1000.0, "left_ms": 1000.0}
    link = LinkForecast(4400.0, 0.0, odds)
    assert LARGE.accuracy - 0.5 * (LARGE.accuracy + LATE_COST) < SMALL.accuracy
    assert chosen(0, link=link, **values).size is SMALL
    assert chosen(0, link=certain(4400.0), **values).size is LARGE
    assert chosen(0, link=certain(4400.0), **(values | {"left_ms": 895.0})).size is LARGE
    late = values | {"left_ms": 880.0}  # 120 ms old: the next one waits, and is displaced at 200 ms
    assert chosen(0, link=certain(4400.0), **late).size is SMALL
    assert chosen(0, link=certain(4400.0), **(late | {"left_ms": 895.0}), ack_ms=25.0).size is SMALL


@given(
    frames=st.lists(st.tuples(st.floats(1, 300), st.floats(0, 3000)), max_size=50),
    kbps=st.tuples(st.floats(100, 1e5), st.floats(100, 1e5)),
    slo_ms=st.tuples(st.floats(20, 500), st.floats(20, 500)),
    age_ms=st.floats(0, 100),
    fps=st.floats(1, 60),
    server_ms=st.lists(st.floats(0, 200), max_size=5).map(sorted),
    ack_ms=st.floats(0, 20),
)
def test_a_looser_slo_or_a_faster_link_never_lowers_what_is_expected(
    frames, kbps, slo_ms, age_ms, fps, server_ms, ack_ms
):
    odds = ArrivalOdds()
    for predicted, actual in frames:
        odds.add(predicted, actual)
    (slow, fast), (tight, loose) = sorted(kbps), sorted(slo_ms)

    def expected(kbps, slo_ms):
        asked = situation(
            0,
            link=LinkForecast(kbps, 1.0, odds),
            slo_ms=slo_ms,
            left_ms=slo_ms - age_ms,
            fps=fps,
            server_ms=server_ms,
            ack_ms=ack_ms,
            qualities=(DEFAULT_QUALITY, HALF),
        )
        choice = _best_choice(asked, LadderPolicy()._rungs[0])
        return -math.inf if choice is None else choice[0]

    assert expected(slow, tight) <= expected(slow, loose) + 1e-9
    assert expected(slow, tight) <= expected(fast, tight) + 1e-9


@given(
    kbps=st.floats(100, 1e5),
    left_ms=st.floats(-10, 300),
    server_ms=st.lists(st.floats(0, 200), max_size=5).map(sorted),
    served_px=st.sampled_from([0, *(size.side_px for size in ZOO)]),
    ladder=st.sampled_from([("size",), ("fps", "size", "skip"), ("quality", "size"), ("skip",)]),
)
def test_a_frame_that_is_late_by_the_estimate_is_never_sent(
    kbps, left_ms, server_ms, served_px, ladder
):
    asked = situation(
        kbps,
        link=LinkForecast(kbps, 1.0),
        left_ms=left_ms,
        server_ms=server_ms,
        served_px=served_px,
        qualities=(DEFAULT_QUALITY, HALF),
    )
    sending = LadderPolicy(ladder).choose(asked)
    if isinstance(sending, Sending):
        needed_ms = asked.link.round_trip_ms(asked.kbits(sending.size, sending.quality))
        assert needed_ms + (server_ms[0] if server_ms else 0) <= left_ms
        assert sending.size in asked.useful_sizes()
        assert not sending.may_be_late
    else:
        assert sending is Reason.LINK_TOO_SLOW


def test_ladders_are_read():
    assert parse_ladder(("fps", "size+quality", "skip")) == (
        {Knob.FPS},
        {Knob.FPS, Knob.SIZE, Knob.QUALITY},
        set(Knob),
    )


@pytest.mark.parametrize(
    ("ladder", "rule"),
    [
        ((), "at least one rung"),
        (("height",), "must be of fps, quality, size, skip"),
        (("size", "fps+size"), "size is there twice"),
        (("skip", "size"), "must not come after skip"),
        (("",), "must be of"),
    ],
)
def test_ladders_that_make_no_sense_are_refused(ladder, rule):
    with pytest.raises(ValueError, match=rule):
        parse_ladder(ladder)
