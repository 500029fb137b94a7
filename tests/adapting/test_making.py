"""A client that cannot make its frames in time asks less of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.adapting.client_link import ClientLink
from moonjelly.adapting.estimators import make_estimator
from moonjelly.adapting.frame_sizes import FrameChoices, FrameSize
from moonjelly.adapting.frames import OfferedFrame
from moonjelly.adapting.making import MakingCost
from moonjelly.adapting.policies.registry import policy
from moonjelly.adapting.sender import Encode, Send, Sender, ServerAnswer
from moonjelly.core.advice import SideAdvice
from moonjelly.core.verdict import Reason, Verdict

SIDES_PX = (128, 224, 320, 416, 512, 608)
CHOICES = FrameChoices([FrameSize(side, side * side / 600, 0.2 + side / 1200) for side in SIDES_PX])
ADVICE = SideAdvice(608, 608)


def test_nothing_is_known_at_first():
    assert MakingCost().expected_ms(608) == 0


def test_what_one_side_takes_tells_what_others_may():
    cost = MakingCost()
    for _ in range(5):
        cost.add(608, 6.2)
    assert cost.expected_ms(608) == pytest.approx(6.2)
    assert 1.5 < cost.expected_ms(320) < 4.0


@pytest.mark.parametrize("fixed_ms", [0.0, 1.0, 10.0])
def test_two_sides_tell_the_shares(fixed_ms):
    cost = MakingCost()
    for side_px in (320, 608) * 20:
        cost.add(side_px, fixed_ms + 20e-6 * side_px * side_px)
    assert cost.expected_ms(480) == pytest.approx(fixed_ms + 20e-6 * 480 * 480, rel=0.02)


def test_a_slower_machine_is_believed_after_two_frames_and_a_faster_one_after_some_more():
    cost = MakingCost()
    for _ in range(50):
        cost.add(320, 3.0)
    cost.add(320, 12.0)
    assert cost.expected_ms(320) == pytest.approx(3.0), "one frame may have had bad luck"
    cost.add(320, 12.0)
    assert cost.expected_ms(320) == pytest.approx(12.0)
    assert cost.expected_ms(608) > 20.0
    for _ in range(6):
        cost.add(320, 3.0)
    assert cost.expected_ms(320) == pytest.approx(12.0)
    cost.add(320, 3.0)
    assert cost.expected_ms(320) == pytest.approx(3.0)


@given(st.lists(st.tuples(st.sampled_from(SIDES_PX), st.floats(0, 1e5)), max_size=60))
def test_costs_are_finite_not_negative_and_rise_with_the_side(made):
    cost = MakingCost()
    for side_px, took_ms in made:
        cost.add(side_px, took_ms)
    expected = [cost.expected_ms(side_px) for side_px in SIDES_PX]
    assert expected == sorted(expected)
    assert 0 <= expected[0] <= expected[-1] < float("inf")


class Client:
    """A stream on a fast link with a prompt server; encoding takes what a function of side and time says."""

    def __init__(self, making_ms, fps=10.0, slo_ms=200.0, name="ladder"):
        self.making_ms = making_ms
        self.period_ms = 1000.0 / fps
        link = ClientLink(fps, slo_ms, make_estimator(100_000.0, 1.0), policy(name))
        self.sender = Sender(link)
        self.sender.connected(CHOICES, ADVICE)
        self.now_ms = 0.0
        self.sequence = 0
        self.ready = []  # when the frame in hand is encoded, and its number
        self.sides_px = {}

    def run(self, num_frames):
        """Captures that many frames; returns the sides that were sent, and how the frames ended."""
        ended = []
        first, last = self.sequence, self.sequence + num_frames
        while self.sequence < last or self.sender.num_open:
            due_ms = self.sequence * self.period_ms if self.sequence < last else float("inf")
            at_ms = min(self.sender.wake_at_ms, due_ms, *(r for r, _ in self.ready))
            self.now_ms = max(self.now_ms, at_ms)
            if self.ready and self.ready[0][0] <= self.now_ms:
                _, order = self.ready.pop()
                size = order.sending.size
                self.sender.encoded(
                    order.frame.sequence, size.kbits, self.now_ms, needs_writing=False
                )
            if due_ms <= self.now_ms:
                self.sender.offered(OfferedFrame(self.sequence, due_ms), self.now_ms)
                self.sequence += 1
            ended += self.act()
        sides_px = [self.sides_px[k] for k in range(first, last) if k in self.sides_px]
        return sides_px, ended

    def act(self):
        ended = []
        for one in self.sender.tick(self.now_ms):
            if isinstance(one, Encode):
                took_ms = self.making_ms(one.sending.size.side_px, self.now_ms)
                self.ready.append((self.now_ms + took_ms, one))
            elif isinstance(one, Send):
                self.sides_px[one.frame.sequence] = one.frame.side_px
                self.sender.acked(one.frame.sequence, 0.0, self.now_ms)
                self.sender.answered(one.frame.sequence, ServerAnswer(ADVICE), self.now_ms + 1)
                ended += self.act()
            else:
                drop = one.outcome.drop
                ended.append(drop.reason if drop else one.outcome.verdict)
        return ended


def test_a_client_that_encodes_slowly_sends_smaller_frames_in_place_of_fewer():
    client = Client(lambda side_px, _: 300e-6 * side_px * side_px)  # 111 ms at 608, 31 ms at 320
    client.run(10)
    sides_px, ended = client.run(100)
    assert ended.count(Verdict.IN_TIME) >= 98
    assert min(sides_px) >= 320
    assert sides_px.count(608) <= 2, "now and then it tries"


def test_the_published_policies_leave_frames_out():
    client = Client(lambda side_px, _: 300e-6 * side_px * side_px, name="best")
    _, ended = client.run(100)
    assert ended.count(Reason.SUPERSEDED) >= 5


def test_a_machine_that_is_busy_for_ten_seconds_gets_smaller_frames_for_about_that_long():
    def making_ms(side_px, now_ms):
        return 20e-6 * side_px * side_px * (20 if 10_000 <= now_ms < 20_000 else 1)

    client = Client(making_ms)  # 7 ms at 608, then 148
    before, _ = client.run(100)
    assert set(before[5:]) == {608}
    during, ended = client.run(100)
    assert ended.count(Verdict.IN_TIME) >= 98
    assert max(during[3:]) < 608
    after, ended = client.run(50)
    assert ended.count(Verdict.IN_TIME) >= 49
    assert set(after[15:]) == {608}


def test_where_no_frame_can_be_made_in_time_the_client_says_so_and_goes_on_trying():
    client = Client(lambda *_: 500.0 if client.now_ms < 5000 else 5.0)
    _, ended = client.run(50)
    assert ended.count(Reason.CLIENT_TOO_SLOW) + ended.count(Reason.SUPERSEDED) >= 48
    client.run(40)
    _, ended = client.run(50)
    assert ended.count(Verdict.IN_TIME) == 50
