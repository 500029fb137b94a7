from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.network.client_link import MIN_UNACKED, ClientLink, FrameSize
from moonjelly.network.estimators import MAX_KBPS, SentFrame, make_estimator

# The published zoo: sides 128 to 608 in steps of 32, frame sizes in kbit (1024 bit there).
PUBLISHED_KBITS = (
    80.33, 116.55, 161.04, 207.77, 265.65, 316.97, 373.19, 442.95, 509.66, 583.35, 657.17, 727.66,
    811.20, 896.24, 975.90, 1065.55,
)  # fmt: skip
ZOO = [FrameSize(128 + 32 * i, kbits) for i, kbits in enumerate(PUBLISHED_KBITS)]


class FixedEstimator:
    def __init__(self, kbps, wire_ms=0.0):
        self.kbps, self.wire_ms, self.seen = kbps, wire_ms, []

    def observe(self, frame, net_ms, now_ms):
        self.seen.append((frame, net_ms, now_ms))

    def bandwidth_kbps(self, now_ms, oldest=None):
        return self.kbps

    def quantile_kbps(self, quantile, now_ms, oldest=None):
        return self.kbps


@pytest.mark.parametrize(
    ("mbps", "indices"),
    [(2.855, (4, 2, 1)), (5, (8, 5, 2)), (7.5, (11, 8, 4)), (10, (14, 10, 6)), (15, (15, 14, 9))],
)
def test_the_largest_side_that_fits_the_rate_is_the_published_one(mbps, indices):
    for fps, index in zip((10, 15, 25), indices, strict=True):
        link = ClientLink(fps, FixedEstimator(mbps * 1024))
        assert link.choose_size(ZOO, 608, math.inf, 0.0) == ZOO[index]


def test_the_advice_is_never_exceeded():
    link = ClientLink(10, FixedEstimator(1e6))
    assert link.choose_size(ZOO, 320, 1000, 0.0).side_px == 320
    assert link.choose_size(ZOO, 335, 1000, 0.0).side_px == 320
    assert link.choose_size(ZOO, 4096, 1000, 0.0).side_px == 608
    assert link.choose_size(ZOO, 0, 1000, 0.0).side_px == 128, "no advice: the smallest"


def test_equality_does_not_fit():
    sizes = [FrameSize(128, 10), FrameSize(256, 100)]
    assert ClientLink(10, FixedEstimator(1000)).choose_size(sizes, 256, 1e9, 0.0) is sizes[0]
    assert ClientLink(10, FixedEstimator(1000.1)).choose_size(sizes, 256, 1e9, 0.0) is sizes[1]


def test_a_side_that_would_be_late_is_not_chosen():
    link = ClientLink(1, FixedEstimator(1000, wire_ms=10))  # 100 kbit take 100 + 20 ms
    sizes = [FrameSize(128, 10), FrameSize(256, 100)]
    assert link.choose_size(sizes, 256, 120.0, 0.0) is sizes[1]
    assert link.choose_size(sizes, 256, 119.0, 0.0) is sizes[0]
    assert link.choose_size(sizes, 256, 29.0, 0.0) is None


def test_the_smallest_side_need_not_be_carried_at_the_full_rate():
    link = ClientLink(100, FixedEstimator(1000))
    assert link.choose_size([FrameSize(128, 50)], 128, 100, 0.0) is not None


def test_sizes_of_this_stream_are_learned():
    link = ClientLink(10, FixedEstimator(1e6))
    size = FrameSize(128, 100)
    for k in range(40):
        link.on_sent(k, size, 50.0, float(k))
        link.on_ack(k, 0.0, float(k))
    assert link.expected_kbits(FrameSize(256, 400)) == pytest.approx(200, rel=0.01)


def test_one_frame_may_follow_when_the_first_is_through():
    link = ClientLink(10, FixedEstimator(1000, wire_ms=5))
    assert link.may_send_at_ms(7.0) == 7.0
    link.on_sent(0, FrameSize(128, 50), 50.0, 0.0)  # through at 50 ms
    assert link.may_send_at_ms(10.0) == 50.0
    assert link.may_send_at_ms(60.0) == 60.0
    link.on_sent(1, FrameSize(128, 50), 50.0, 60.0)
    assert link.num_unacked == MIN_UNACKED
    assert link.may_send_at_ms(1000.0) == math.inf, "the acks are overdue"
    assert link.on_ack(0, 0.0, 61.0) == 61.0
    assert link.may_send_at_ms(62.0) == 110.0
    link.on_ack(1, 0.0, 200.0)
    assert link.may_send_at_ms(200.0) == 200.0


def test_a_long_link_holds_more_frames():
    link = ClientLink(20, FixedEstimator(1e6, wire_ms=200))  # 8 frames in a round trip
    for k in range(9):
        assert link.may_send_at_ms(k * 50.0) == k * 50.0
        link.on_sent(k, FrameSize(128, 50), 50.0, k * 50.0)
    assert link.may_send_at_ms(1000.0) == math.inf


def test_an_ack_measures_the_round_trip_less_what_the_server_held():
    estimator = FixedEstimator(1000)
    link = ClientLink(10, estimator)
    link.on_sent(3, FrameSize(128, 50), 44.0, 100.0)
    assert link.on_ack(3, 2.5, 160.0) == 57.5
    assert estimator.seen == [(SentFrame(3, 128, 44.0, 100.0), 57.5, 160.0)]
    assert link.on_ack(3, 2.5, 161.0) is None, "an ack counts once"
    assert link.on_ack(99, 0.0, 161.0) is None


def test_an_ack_or_answer_covers_the_frames_before_it():
    link = ClientLink(100, FixedEstimator(1e6, wire_ms=50))
    for k in range(4):
        link.on_sent(k, FrameSize(128, 50), 50.0, float(k))
    link.on_ack(1, 0.0, 10.0)
    assert link.num_unacked == 2
    link.on_answer(3)
    assert link.num_unacked == 0
    link.on_sent(4, FrameSize(128, 50), 50.0, 20.0)
    link.on_disconnect()
    assert link.num_unacked == 0


@settings(max_examples=60, deadline=None)
@given(
    acks=st.lists(
        st.tuples(st.floats(0.1, 5000), st.floats(0, 5000), st.floats(allow_nan=True)), max_size=25
    ),
    wire_ms=st.floats(0, 500),
    fps=st.floats(0.1, 240),
)
def test_whatever_the_acks_say_the_estimate_stays_sane(acks, wire_ms, fps):
    link = ClientLink(fps, make_estimator(10_000.0, wire_ms))
    now_ms = 0.0
    for sequence, (kbits, later_ms, held_ms) in enumerate(acks):
        link.on_sent(sequence, ZOO[0], kbits, now_ms)
        now_ms += later_ms
        network_ms = link.on_ack(sequence, held_ms, now_ms)
        assert network_ms is None or 0 <= network_ms <= later_ms + 1e-6
        assert 0 < link.bandwidth_kbps(now_ms) <= MAX_KBPS * (1 + 1e-9)
        assert math.isfinite(link.network_ms(100.0, now_ms))
        assert link.may_send_at_ms(now_ms) == now_ms
        assert link.choose_size(ZOO, 608, math.inf, now_ms) in ZOO


@pytest.mark.parametrize("values", [(0, 1), (-1, 1), (128, 0), (128, math.nan), (5000, 1)])
def test_impossible_sizes_are_refused(values):
    with pytest.raises(ValueError, match="must be a number"):
        FrameSize(*values)
