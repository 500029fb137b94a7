"""Whatever happens in whatever order, each captured frame gets exactly one answer, and the counts say so."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from streaming import FLAT

from moonjelly.client import Drop, Place, Reason, Verdict
from moonjelly.client.account import Account
from moonjelly.core.ledger import LedgerError
from moonjelly.protos import serving_pb2 as pb

SLO_MS = 100.0

words = st.sampled_from([str(one) for one in Reason]) | st.text(max_size=8)
verdicts = st.sampled_from([pb.ANSWERED, pb.DROPPED]) | st.integers(-5, 99)
places = st.sampled_from([pb.ENDPOINT, pb.EXECUTOR]) | st.integers(-5, 99)


class AccountMachine(RuleBasedStateMachine):
    """A stream's account under frames, answers, repetitions, sessions that are lost and words of a newer server."""

    def __init__(self):
        super().__init__()
        self.answers = []
        self.account = Account("a", SLO_MS, 0.0, self.answers.append)
        self.now_ms = 0.0
        self.next_sequence = 0
        self.sent = set()  # sequences
        self.num_broken = 0

    @rule(gap=st.integers(0, 3), has_image=st.booleans())
    def capture(self, gap, has_image):
        sequence = self.next_sequence + gap
        self.next_sequence = sequence + 1
        self.account.capture(sequence, self.now_ms, FLAT if has_image else None)

    @rule(by_ms=st.floats(0, 200))
    def wait(self, by_ms):
        self.now_ms += by_ms

    @precondition(lambda self: self.account.num_open)
    @rule(data=st.data())
    def send(self, data):
        frame = data.draw(st.sampled_from(self.account.open_frames()))
        frame.sent_ms = self.now_ms
        self.sent.add(frame.sequence)

    @precondition(lambda self: self.account.num_open)
    @rule(data=st.data(), reason=st.sampled_from(Reason), detail=st.text(max_size=5))
    def give_up(self, data, reason, detail):
        frame = data.draw(st.sampled_from(self.account.open_frames()))
        self.account.give_up(frame, reason, detail)
        self.account.give_up(frame, reason, "again")
        assert self.answers[-1].drop == Drop(Place.CLIENT, reason)
        assert self.answers[-1].detail == detail

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), verdict=verdicts, place=places, reason=words, detail=words)
    def settle(self, data, verdict, place, reason, detail):
        """The server says something about a frame that was sent, perhaps not for the first time."""
        sequence = data.draw(st.sampled_from(sorted(self.sent)))
        frame = self.account.find(sequence)
        drop = pb.Drop(place=place, reason=reason, detail=detail)
        self.account.settle(pb.Result(sequence=sequence, verdict=verdict, drop=drop), self.now_ms)
        if frame is None:
            return
        newest = self.answers[-1]
        assert newest.sequence == sequence
        if verdict == pb.ANSWERED:
            is_in_time = self.now_ms - frame.captured_ms <= SLO_MS
            assert newest.verdict is (Verdict.IN_TIME if is_in_time else Verdict.LATE)
        else:
            assert newest.verdict is Verdict.DROPPED
            assert newest.drop.reason in set(Reason)
            assert newest.drop.place in {Place.ENDPOINT, Place.EXECUTOR, Place.OTHER}
            assert (newest.drop.reason == reason) or newest.drop.reason is Reason.OTHER

    @rule(data=st.data())
    def say_what_cannot_be(self, data):
        """About a frame that was never captured or sent, or with boxes that are none."""
        unsent = [one.sequence for one in self.account.open_frames() if one.sent_ms is None]
        sequence = data.draw(st.sampled_from([*unsent, self.next_sequence, 2**63]))
        num_before = len(self.answers)
        try:
            self.account.settle(pb.Result(sequence=sequence, verdict=pb.ANSWERED), self.now_ms)
        except (ValueError, LedgerError):
            self.num_broken += 1
        else:
            raise AssertionError("it was believed")
        assert len(self.answers) == num_before

    @rule()
    def lose_the_session(self):
        for frame in self.account.open_frames():
            was_sent = frame.sent_ms is not None
            self.account.give_up(
                frame, Reason.CONNECTION_LOST if was_sent else Reason.NOT_CONNECTED
            )
        assert self.account.num_open == 0

    @invariant()
    def each_captured_frame_has_one_answer_or_is_open(self):
        ledger = self.account.ledger
        ledger.check_invariants()
        sequences = [answer.sequence for answer in self.answers]
        assert len(set(sequences)) == len(sequences)
        assert ledger.captured == len(sequences) + self.account.num_open
        assert ledger.lost == self.account.num_open
        for verdict in Verdict:
            assert ledger.total(verdict) == sum(one.verdict is verdict for one in self.answers)

    @invariant()
    def rows_of_the_log_say_the_same(self):
        for answer in self.answers[-1:]:
            record = answer.record
            assert (record.sequence, record.verdict) == (answer.sequence, answer.verdict)
            assert (record.place, record.reason) == (
                (answer.drop.place, answer.drop.reason) if answer.drop else ("", "")
            )


TestAccount = AccountMachine.TestCase
TestAccount.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
