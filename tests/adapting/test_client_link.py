from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.adapting.client_link import PROBE_AFTER_MS, ClientLink
from moonjelly.adapting.estimators import MAX_KBPS, make_estimator
from moonjelly.adapting.frame_sizes import FrameChoices, FrameSize
from moonjelly.adapting.policies.port import Sending
from moonjelly.adapting.policies.registry import policy
from moonjelly.adapting.server_forecast import ServerTimes
from moonjelly.core.advice import SideAdvice
from moonjelly.core.quality import JpegQuality
from moonjelly.core.verdict import Reason

SMALL, LARGE = FrameSize(128, 50.0, 0.2), FrameSize(256, 100.0, 0.4)
CHOICES = FrameChoices([SMALL, LARGE])
ADVICE = SideAdvice(256, 256)


class FixedEstimator:
    """Says one rate, and remembers what it is told."""

    def __init__(self, kbps, wire_ms=0.0):
        self.kbps, self.wire_ms, self.seen = kbps, wire_ms, []

    def observe(self, frame, net_ms, now_ms):
        self.seen.append((frame.kbits, net_ms, frame.side_px, now_ms))

    def bandwidth_kbps(self, now_ms, oldest=None):
        return self.kbps


def link_of(fps, kbps, wire_ms=0.0, name="best", slo_ms=1000.0):
    return ClientLink(fps, slo_ms, FixedEstimator(kbps, wire_ms), policy(name))


def send(link, sequence, sending, kbits, now_ms):
    link.on_sent(sequence, sending, kbits, link.forecast(now_ms), now_ms)


def test_sizes_of_this_stream_are_learned_whatever_the_quality():
    link = link_of(10, 1e6)
    low = JpegQuality(60, 0.9, 0.5)
    for k in range(40):
        quality = low if k % 2 else CHOICES.qualities[0]
        send(link, k, Sending(LARGE, quality), 80.0 * quality.size_ratio, float(k))
        link.on_ack(k, 0.0, float(k))
    assert link.expected_kbits(FrameSize(512, 400)) == pytest.approx(320, rel=0.01)


def test_one_frame_may_follow_while_the_last_one_is_on_the_wire():
    link = link_of(100, 1000, wire_ms=5)
    assert link.may_send_at_ms(7.0) == 7.0
    send(link, 0, Sending(SMALL), 50.0, 0.0)  # through at 50 ms, ack due at 60 ms
    assert link.may_send_at_ms(10.0) == 50.0
    assert link.may_send_at_ms(55.0) == 55.0
    assert link.may_send_at_ms(61.0) == math.inf, "the ack is overdue"
    assert link.on_ack(0, 0.0, 62.0) == 62.0
    assert link.may_send_at_ms(62.0) == 62.0


def test_a_long_link_holds_what_one_round_trip_needs():
    link = link_of(20, 1e6, wire_ms=200)  # 8 frames in a round trip
    for k in range(8):
        assert link.may_send_at_ms(k * 50.0) == k * 50.0
        send(link, k, Sending(SMALL), 50.0, k * 50.0)
    assert link.may_send_at_ms(399.0) == 399.0
    send(link, 8, Sending(SMALL), 50.0, 399.0)
    assert link.may_send_at_ms(400.0) == math.inf


def test_an_ack_measures_the_round_trip_less_what_the_server_held():
    link = link_of(10, 1000)
    send(link, 3, Sending(SMALL), 44.0, 100.0)
    assert link.on_ack(3, 2.5, 160.0) == 57.5
    assert link._estimator.seen == [(44.0, 57.5, 128, 160.0)]
    assert link.on_ack(3, 2.5, 161.0) is None, "an ack counts once"
    assert link.on_ack(99, 0.0, 161.0) is None


def test_an_ack_or_answer_covers_the_frames_before_it():
    link = link_of(100, 1e6, wire_ms=50)
    for k in range(4):
        send(link, k, Sending(SMALL), 50.0, float(k))
    link.on_ack(1, 0.0, 10.0)
    assert link.num_unacked == 2
    link.on_answer(3)
    assert link.num_unacked == 0
    send(link, 4, Sending(SMALL), 50.0, 20.0)
    link.on_disconnect()
    assert link.num_unacked == 0


def test_a_link_that_seems_too_slow_is_probed_now_and_then():
    link = link_of(10, 100)  # the smallest frame takes 500 ms
    first = link.choose_sending(0, CHOICES, ADVICE, 200.0, 0.0)
    assert first == Sending(SMALL, may_be_late=True), "nothing was sent for long"
    send(link, 0, first, 50.0, 0.0)
    assert (
        link.choose_sending(1, CHOICES, ADVICE, 200.0, 2 * PROBE_AFTER_MS) is Reason.LINK_TOO_SLOW
    )
    link.on_ack(0, 0.0, 600.0)
    assert link.choose_sending(2, CHOICES, ADVICE, 200.0, 600.0) == first
    send(link, 2, first, 50.0, 600.0)
    link.on_ack(2, 0.0, 700.0)
    waits = 600.0 + PROBE_AFTER_MS
    assert link.choose_sending(3, CHOICES, ADVICE, 200.0, waits - 1) is Reason.LINK_TOO_SLOW
    assert link.choose_sending(4, CHOICES, ADVICE, 200.0, waits) == first


NAMES = ("ladder", "best", "aggressive", "server-independent", "slo-split", "none", "fixed:256")


@settings(max_examples=60, deadline=None)
@given(
    acks=st.lists(
        st.tuples(st.floats(0.1, 5000), st.floats(0, 5000), st.floats(allow_nan=True)), max_size=25
    ),
    wire_ms=st.floats(0, 500),
    fps=st.floats(0.1, 240),
    name=st.sampled_from(NAMES),
    left_ms=st.floats(1, 2000),
)
def test_whatever_the_acks_say_the_link_stays_sane(acks, wire_ms, fps, name, left_ms):
    link = ClientLink(fps, left_ms, make_estimator(10_000.0, wire_ms), policy(name))
    now_ms = 0.0
    for sequence, (kbits, later_ms, held_ms) in enumerate(acks):
        assert link.may_send_at_ms(now_ms) == now_ms
        sending = link.choose_sending(sequence, CHOICES, ADVICE, left_ms, now_ms)
        assert isinstance(sending, Reason) or sending.size in (SMALL, LARGE)
        send(link, sequence, Sending(SMALL), kbits, now_ms)
        now_ms += later_ms
        network_ms = link.on_ack(sequence, held_ms, now_ms)
        assert network_ms is None or 0 <= network_ms <= later_ms + 1e-6
        assert 0 < link.bandwidth_kbps(now_ms) <= MAX_KBPS * (1 + 1e-9)
        assert math.isfinite(link.forecast(now_ms).round_trip_ms(100.0))
        link.on_answer(sequence, ServerTimes(held_ms, held_ms))


@settings(max_examples=80, deadline=None)
@given(
    rates_kbps=st.lists(st.floats(200, 50_000), min_size=5, max_size=60),
    slo_ms=st.sampled_from([75.0, 100.0, 150.0]),
    server_ms=st.floats(1, 60),
)
def test_ours_sends_nothing_that_would_be_late_by_its_own_estimate(rates_kbps, slo_ms, server_ms):
    link = ClientLink(15, slo_ms, make_estimator(10_000.0, 1.0), policy("ladder"))
    now_ms = 0.0
    for sequence, rate_kbps in enumerate(rates_kbps):
        now_ms += 1000 / 15
        start_ms = link.may_send_at_ms(now_ms)
        assert start_ms == now_ms, "everything before is acknowledged"
        sending = link.choose_sending(sequence, CHOICES, ADVICE, slo_ms - 2, now_ms)
        if isinstance(sending, Sending):
            if not sending.may_be_late:
                kbits = link.expected_kbits(sending.size)
                assert link.forecast(now_ms).round_trip_ms(kbits) <= slo_ms - 2
            send(link, sequence, sending, sending.size.kbits, now_ms)
            through_ms = now_ms + 1000 * sending.size.kbits / rate_kbps
            assert not link.may_send_at_ms(now_ms) <= now_ms, "only what one round trip needs"
            now_ms = max(now_ms, through_ms + 2)
            link.on_ack(sequence, 0.0, now_ms)
            link.on_answer(sequence, ServerTimes(server_ms, server_ms / 2))
