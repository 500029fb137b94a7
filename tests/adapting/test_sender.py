"""Whatever happens in whatever order, each captured frame ends exactly once."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from moonjelly.adapting.client_link import ClientLink
from moonjelly.adapting.estimators import make_estimator
from moonjelly.adapting.frame_sizes import FrameChoices, FrameSize
from moonjelly.adapting.frames import OfferedFrame
from moonjelly.adapting.policies.registry import policy
from moonjelly.adapting.sender import NO_ANSWER_AFTER_MS, Encode, End, Send, Sender, ServerAnswer
from moonjelly.adapting.server_forecast import ServerTimes
from moonjelly.core.advice import SideAdvice
from moonjelly.core.ledger import LedgerError
from moonjelly.core.verdict import Drop, Place, Reason, Verdict

FPS, SLO_MS = 10.0, 200.0
SMALL, LARGE = FrameSize(128, 50.0, 0.2), FrameSize(256, 200.0, 0.4)
CHOICES = FrameChoices([SMALL, LARGE])
ADVICE = SideAdvice(256, 256)
ANSWER = ServerAnswer(ADVICE, times=ServerTimes(5.0, 3.0))


def sender_of(kbps=10_000.0, wire_ms=1.0, name="ladder", fps=FPS):
    estimator = make_estimator(kbps, wire_ms)
    return Sender(ClientLink(fps, SLO_MS, estimator, policy(name)))


def connected(**options):
    sender = sender_of(**options)
    sender.connected(CHOICES, ADVICE)
    return sender


def offer(sender, sequence, now_ms):
    sender.offered(OfferedFrame(sequence, now_ms), now_ms)
    return sender.tick(now_ms)


def send(sender, sequence, now_ms, kbits=50.0):
    """Has a frame sent at once; returns it."""
    (order,) = offer(sender, sequence, now_ms)
    sender.encoded(sequence, kbits, now_ms)
    assert sender.tick(now_ms) == [Send(order.frame)]
    sender.written(sequence)
    return order.frame


def ends(instructions):
    return [
        (one.frame.sequence, one.outcome.drop.reason if one.outcome.drop else one.outcome.verdict)
        for one in instructions
        if isinstance(one, End)
    ]


def test_a_frame_is_encoded_sent_and_answered():
    sender = connected()
    frame = send(sender, 3, 10.0)
    assert (frame.sent_ms, frame.side_px, frame.kbits) == (10.0, 256, 50.0)
    sender.acked(3, 1.0, 20.0)
    assert frame.network_ms == 9.0
    sender.answered(3, ANSWER, 210.0)
    assert ends(sender.tick(210.0)) == [(3, Verdict.IN_TIME)]
    assert sender.num_open == 0


def test_an_answer_is_late_beyond_the_slo():
    sender = connected()
    send(sender, 0, 10.0)
    sender.answered(0, ANSWER, 210.1)
    assert ends(sender.tick(210.1)) == [(0, Verdict.LATE)]


def test_a_newer_frame_supersedes_the_one_that_waits_and_never_the_one_in_hand():
    sender = connected()
    assert isinstance(offer(sender, 0, 0.0)[0], Encode)
    assert offer(sender, 1, 50.0) == []
    assert ends(offer(sender, 2, 100.0)) == [(1, Reason.SUPERSEDED)]
    sender.encoded(0, 50.0, 120.0)
    assert [type(one) for one in sender.tick(120.0)] == [Send]
    sender.acked(0, 0.0, 130.0)
    assert sender.tick(130.0) == [], "the transport has not taken the frame before"
    sender.written(0)
    (order,) = sender.tick(130.0)
    assert order.frame.sequence == 2


def test_what_waits_for_the_link_is_sent_when_its_ack_comes():
    sender = connected()
    send(sender, 0, 0.0)
    assert offer(sender, 1, 2.0) == []
    sender.acked(0, 0.0, 3.0)
    assert [type(one) for one in sender.tick(3.0)] == [Encode]


def test_on_a_long_wire_it_is_sent_when_the_link_is_through_with_the_one_before():
    sender = connected(wire_ms=60.0)
    send(sender, 0, 0.0)
    assert offer(sender, 1, 2.0) == []
    assert sender.wake_at_ms == pytest.approx(5.0)
    assert [type(one) for one in sender.tick(5.0)] == [Encode]


def test_what_was_not_sent_by_its_deadline_is_given_up_then():
    sender = connected()
    offer(sender, 1, 50.0)
    offer(sender, 2, 60.0)
    assert sender.wake_at_ms == 250.0
    assert ends(sender.tick(250.0)) == [(1, Reason.CLIENT_TOO_SLOW)]
    assert sender.wake_at_ms == 260.0
    assert ends(sender.tick(260.0)) == [(2, Reason.CLIENT_TOO_SLOW)]
    sender.encoded(1, 50.0, 261.0)
    assert sender.tick(261.0) == []
    assert [type(one) for one in offer(sender, 3, 262.0)] == [Encode]


def test_the_link_is_blamed_where_a_frame_waited_for_it_alone():
    sender = connected()
    send(sender, 0, 0.0)
    offer(sender, 1, 10.0)
    assert ends(sender.tick(210.0)) == [(1, Reason.LINK_TOO_SLOW)]


def test_a_frame_that_turned_out_too_large_is_not_sent():
    sender = connected()
    offer(sender, 0, 0.0)
    sender.encoded(0, 3000.0, 5.0)
    assert ends(sender.tick(5.0)) == [(0, Reason.LINK_TOO_SLOW)]
    assert sender.link.num_unacked == 0


def test_a_frame_that_probes_a_link_is_sent_though_it_will_hardly_be_in_time():
    sender = connected(kbps=100.0)
    frame = send(sender, 0, 0.0, kbits=3000.0)
    assert frame.bandwidth_kbps == 100.0
    assert sender.link.num_unacked == 1


def test_after_an_ack_nothing_is_to_be_decided_unless_a_frame_waits_for_it():
    sender = connected()
    send(sender, 0, 0.0)
    sender.acked(0, 0.0, 3.0)
    assert not sender.has_to_decide
    send(sender, 1, 100.0)
    offer(sender, 2, 102.0)
    sender.acked(1, 0.0, 103.0)
    assert sender.has_to_decide
    offer(sender, 3, 500.0)
    sender.acked(2, 0.0, 2500.0)
    assert sender.has_to_decide, "the time of frames is over"


def test_without_an_answer_a_frame_ends_two_seconds_after_its_slo():
    sender = connected()
    send(sender, 0, 5.0)
    due_ms = 5.0 + SLO_MS + NO_ANSWER_AFTER_MS
    assert sender.tick(due_ms - 0.1) == []
    assert sender.wake_at_ms == due_ms
    assert ends(sender.tick(due_ms)) == [(0, Reason.NO_ANSWER)]
    sender.answered(0, ANSWER, due_ms + 1)
    assert sender.tick(due_ms + 1) == []
    assert (sender.num_late_answers, sender.ledger.duplicated) == (1, 0)
    sender.answered(0, ANSWER, due_ms + 2)
    assert (sender.num_late_answers, sender.ledger.duplicated) == (1, 1)


def test_a_lost_session_ends_all_frames_and_what_was_encoded_for_it_is_forgotten():
    sender = connected(wire_ms=60.0)  # two frames may be under way
    send(sender, 0, 0.0)
    offer(sender, 1, 50.0)
    offer(sender, 2, 60.0)
    sender.disconnected(70.0)
    assert ends(sender.tick(70.0)) == [
        (0, Reason.CONNECTION_LOST),
        (1, Reason.NOT_CONNECTED),
        (2, Reason.NOT_CONNECTED),
    ]
    assert ends(offer(sender, 3, 80.0)) == [(3, Reason.NOT_CONNECTED)]
    assert sender.wake_at_ms == math.inf
    sender.connected(CHOICES, ADVICE)
    (order,) = offer(sender, 4, 90.0)
    sender.encoded(1, 50.0, 95.0)
    sender.written(1)
    assert sender.tick(95.0) == []
    sender.encoded(4, 50.0, 96.0)
    assert sender.tick(96.0) == [Send(order.frame)]


def test_while_the_server_drains_frames_end_at_once_but_for_those_under_way():
    sender = connected()
    send(sender, 0, 0.0)
    offer(sender, 1, 1.0)
    sender.draining(2.0)
    assert ends(sender.tick(2.0)) == [(1, Reason.DRAINING)]
    assert ends(offer(sender, 2, 3.0)) == [(2, Reason.DRAINING)]
    sender.answered(0, ANSWER, 10.0)
    assert ends(sender.tick(10.0)) == [(0, Verdict.IN_TIME)]


def test_what_a_server_cannot_know_is_an_error_and_changes_nothing():
    sender = connected()
    offer(sender, 0, 0.0)
    with pytest.raises(ValueError, match="sequence=0: answered but never sent"):
        sender.answered(0, ANSWER, 1.0)
    with pytest.raises(LedgerError):
        sender.answered(7, ANSWER, 1.0)
    assert sender.num_open == 1


class SenderMachine(RuleBasedStateMachine):
    """A camera, a server and an encoder do what they like; a second sender hears of each moment in another order."""

    def __init__(self):
        super().__init__()
        self.senders = [sender_of(wire_ms=30.0), sender_of(wire_ms=30.0)]
        self.now_ms = 0.0
        self.moment = {"camera": [], "server": [], "encoder": []}  # what is heard of in this moment
        self.next_sequence = 0
        self.is_connected = False
        self.making = None  # sequence of the frame that is encoded
        self.writing = None
        self.sent = []
        self.offered = []
        self.ended = {}

    def note(self, who, stimulus, *arguments):
        self.moment[who].append((stimulus, arguments))

    @rule(num_frames=st.integers(1, 2), late_ms=st.sampled_from([0.0, 0.0, 30.0, SLO_MS]))
    def capture(self, num_frames, late_ms):
        for _ in range(num_frames):
            self.note("camera", "offered", self.next_sequence, max(0.0, self.now_ms - late_ms))
            self.offered.append(self.next_sequence)
            self.next_sequence += 1

    @rule(reason=st.sampled_from([Reason.SOURCE_LOST, Reason.CLIENT_TOO_SLOW]))
    def miss(self, reason):
        self.note("camera", "missed", self.next_sequence, reason)
        self.offered.append(self.next_sequence)
        self.next_sequence += 1

    @precondition(lambda self: self.making is not None)
    @rule(kbits=st.sampled_from([1.0, 50.0, 200.0, 5000.0]))
    def encode(self, kbits):
        self.note("encoder", "encoded", self.making, kbits)
        self.making = None

    @precondition(lambda self: self.writing is not None)
    @rule()
    def write(self):
        self.note("encoder", "written", self.writing)
        self.writing = None

    @precondition(lambda self: self.sent and self.is_connected)
    @rule(data=st.data())
    def ack(self, data):
        self.note("server", "acked", data.draw(st.sampled_from(self.sent)))

    @precondition(lambda self: self.sent and self.is_connected)
    @rule(data=st.data(), reason=st.sampled_from([None, Reason.TOO_LATE, Reason.QUEUE_FULL]))
    def answer(self, data, reason):
        """Perhaps for the second time, perhaps out of order, perhaps of a frame that was given up."""
        self.note("server", "answered", data.draw(st.sampled_from(self.sent)), reason)

    @precondition(lambda self: self.is_connected)
    @rule()
    def drain(self):
        self.note("server", "draining")

    @rule()
    def lose_or_find_the_connection(self):
        if self.is_connected:
            self.note("server", "disconnected")
        self.is_connected = not self.is_connected
        self.end_the_moment(backwards=False)
        if self.is_connected:
            for sender in self.senders:
                sender.connected(CHOICES, ADVICE)

    @rule(backwards=st.booleans(), by_ms=st.sampled_from([0.0, 1.0, 7.5, 30.0, 100.0, SLO_MS]))
    def let_time_pass(self, backwards, by_ms):
        """Until then, and no longer than the sender wants to sleep."""
        self.end_the_moment(backwards)
        at_ms = self.senders[0].wake_at_ms
        assert at_ms == self.senders[1].wake_at_ms
        assert at_ms > self.now_ms, "it would not sleep at all"
        self.now_ms = min(self.now_ms + by_ms, at_ms)

    def end_the_moment(self, backwards):
        names = list(self.moment)
        told = [
            self.tell(sender, names[::-1] if is_other else names)
            for is_other, sender in enumerate(self.senders)
        ]
        if backwards:
            told.reverse()
        assert sorted(map(str, told[0])) == sorted(map(str, told[1]))
        assert self.senders[0].ledger.counts == self.senders[1].ledger.counts
        for stimuli in self.moment.values():
            stimuli.clear()
        for kind, sequence, outcome in told[0]:
            if kind is Encode:
                assert (self.making, self.writing) == (None, None), "one at a time"
                self.making = sequence
            elif kind is Send:
                assert sequence not in self.sent
                self.sent.append(sequence)
                self.writing = sequence
            else:
                assert sequence not in self.ended, "it ended twice"
                self.ended[sequence] = outcome
        if not self.is_connected:
            self.making = self.writing = None

    def tell(self, sender, names):
        """Tells one sender of the moment, and what it has done of it."""
        for name in names:
            for stimulus, arguments in self.moment[name]:
                if stimulus in ("offered", "missed"):
                    sequence, what = arguments
                    frame = OfferedFrame(sequence, what if stimulus == "offered" else self.now_ms)
                    what = self.now_ms if stimulus == "offered" else what
                    getattr(sender, stimulus)(frame, what)
                elif stimulus == "answered":
                    sequence, reason = arguments
                    drop = None if reason is None else Drop(Place.EXECUTOR, reason)
                    sender.answered(sequence, replace(ANSWER, drop=drop), self.now_ms)
                elif stimulus == "acked":
                    sender.acked(*arguments, 0.0, self.now_ms)
                elif stimulus == "written":
                    sender.written(*arguments)
                else:
                    getattr(sender, stimulus)(*arguments, self.now_ms)
        return [
            (type(one), one.frame.sequence, getattr(one, "outcome", None))
            for one in sender.tick(self.now_ms)
        ]

    @invariant()
    def frames_are_open_or_have_ended_once(self):
        for sender in self.senders:
            sender.ledger.check_invariants()
            assert sender.ledger.lost == sender.num_open
            assert sender.ledger.captured == len(self.ended) + sender.num_open

    @invariant()
    def the_socket_holds_no_more_than_a_round_trip_carries(self):
        assert self.senders[0].link.num_unacked <= 1 + round(2 * 30.0 * FPS / 1000)

    def teardown(self):
        """Left alone, every frame ends."""
        self.end_the_moment(backwards=False)
        sender = self.senders[0]
        for _ in range(100):
            at_ms = sender.wake_at_ms
            if at_ms == math.inf:
                break
            assert at_ms > self.now_ms
            self.now_ms = at_ms
            self.end_the_moment(backwards=False)
        assert sender.num_open == 0
        assert sorted(self.ended) == self.offered


TestSender = SenderMachine.TestCase
TestSender.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
