from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.ledger import Ledger, LedgerError, Outcome
from moonjelly.core.verdict import Drop, Place, Reason, Verdict

IN_TIME = Outcome(Verdict.IN_TIME)
LATE = Outcome(Verdict.LATE)
SUPERSEDED = Outcome(Verdict.DROPPED, Drop(Place.CLIENT, Reason.SUPERSEDED))
OUTCOMES = (IN_TIME, LATE, SUPERSEDED)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("open"), st.integers(1, 3)),
            st.tuples(st.just("close"), st.integers(0, 40), st.sampled_from(OUTCOMES)),
        ),
        max_size=80,
    )
)
def test_whatever_happens_each_frame_ends_at_most_once_and_the_counts_add_up(events):
    ledger = Ledger()
    newest = -1
    ended = {}
    num_opened = num_refused = 0
    for event in events:
        if event[0] == "open":
            newest += event[1]
            ledger.open(newest)
            num_opened += 1
            continue
        _, sequence, outcome = event
        if sequence > newest:
            with pytest.raises(LedgerError, match="never entered"):
                ledger.close(sequence, outcome)
        elif sequence in ledger._open:
            assert ledger.close(sequence, outcome)
            ended[sequence] = outcome
        else:
            assert not ledger.close(sequence, outcome)
            num_refused += 1
        ledger.check_invariants()
    assert ledger.captured == num_opened
    assert ledger.duplicated == num_refused
    assert ledger.lost == num_opened - len(ended) == len(ledger._open)
    for verdict in Verdict:
        assert ledger.total(verdict) == sum(o.verdict is verdict for o in ended.values())
    assert all(sequence not in ledger._open for sequence in ended)


def test_a_sequence_that_does_not_rise_is_refused():
    ledger = Ledger()
    ledger.open(5)
    for sequence in (5, 4):
        with pytest.raises(LedgerError, match="entered after 5"):
            ledger.open(sequence)
    assert ledger.captured == 1


def test_the_first_verdict_stays():
    ledger = Ledger()
    ledger.open(0)
    assert ledger.close(0, IN_TIME)
    assert not ledger.close(0, LATE)
    assert ledger.counts == {IN_TIME: 1}
    assert ledger.duplicated == 1


def test_open_frames_come_oldest_first():
    ledger = Ledger()
    for sequence in (1, 4, 9):
        ledger.open(sequence)
    ledger.close(4, LATE)
    assert sorted(ledger._open) == [1, 9]


def test_a_ledger_that_was_tampered_with_is_noticed():
    ledger = Ledger()
    ledger.open(0)
    ledger.captured += 1
    with pytest.raises(LedgerError, match="captured=2 but 0 verdicts and 1 open"):
        ledger.check_invariants()


@pytest.mark.parametrize(
    ("verdict", "drop"),
    [
        (Verdict.DROPPED, None),
        (Verdict.IN_TIME, Drop(Place.CLIENT, Reason.SUPERSEDED)),
        (Verdict.LATE, Drop(Place.EXECUTOR, Reason.TOO_LATE)),
    ],
)
def test_a_drop_belongs_to_dropped_frames_alone(verdict, drop):
    with pytest.raises(ValueError, match="drop="):
        Outcome(verdict, drop)
