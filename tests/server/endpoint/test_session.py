from __future__ import annotations

import random

import pytest

from moonjelly.core.verdict import Place, Reason
from moonjelly.scheduling.streams.intake import frame_limit
from moonjelly.server.endpoint.frame import ArrivedFrame
from moonjelly.server.endpoint.problems import Code, SessionError
from moonjelly.server.endpoint.registration import Registration
from moonjelly.server.endpoint.session import Session
from moonjelly.server.endpoint.sessions import Sessions


def declared(**changes: float) -> Registration:
    values = {"fps": 10.0, "slo_ms": 200.0, "bandwidth_kbps": 1000.0, "wire_ms": 1.0}
    return Registration(stream_id="cam", **(values | changes))


def session_of(**changes: float) -> Session:
    return Sessions().make(declared(**changes), 1.2, 0.0)


def test_the_size_ratio_is_a_high_percentile() -> None:
    session, rng = session_of(), random.Random(2)
    for _ in range(3000):
        session.observed.observe_size(rng.uniform(0.5, 1.5))
    assert 1.35 <= session.observed.size_ratio <= 1.5


def test_larger_frames_are_learned_fast_and_nothing_runs_away() -> None:
    session = session_of()
    for _ in range(20):
        session.observed.observe_size(2.0)
    assert 1.9 <= session.observed.size_ratio <= 2.2
    for _ in range(10_000):
        session.observed.observe_size(1e9)
    assert session.observed.size_ratio == 20.0


@pytest.mark.parametrize(("fps", "limit_ms"), [(30.0, 2000.0), (0.5, 6000.0)])
def test_silence_is_longer_than_2_s_and_3_periods(fps: float, limit_ms: float) -> None:
    session = session_of(fps=fps)
    assert not session.observed.is_silent(limit_ms)
    assert session.observed.is_silent(limit_ms + 1)
    assert session.state(limit_ms + 1).bandwidth_kbps == 0


def test_the_scheduler_hears_at_once_of_links_that_jump() -> None:
    session = session_of()
    session.state(0.0)
    session.observed.observe_link(0.0, 1200.0, 1.0)
    assert not session.observed.has_jumped(0.0)
    session.observed.observe_link(2000.0, 300.0, 1.0)
    session.observed.last_frame_ms = 2000.0
    assert session.observed.has_jumped(2000.0)
    session.state(2000.0)
    assert not session.observed.has_jumped(2000.0)
    assert session.observed.has_jumped(9000.0)  # silent


def test_the_frames_under_way_are_bounded_by_rate_and_slo() -> None:
    assert frame_limit(10.0, 200.0) == 4
    assert frame_limit(240.0, 1000.0) == 242


def test_a_polite_session_closes_when_nothing_is_under_way() -> None:
    session = session_of()
    frame = ArrivedFrame(session, 0, 0.0, 1, 128)
    session.under_way.add(frame)
    session.is_leaving = True
    session.close_when_done()
    assert not session.outbox.is_closed
    session.under_way.discard(frame)
    session.close_when_done()
    assert session.outbox.is_closed


def test_the_first_failure_counts() -> None:
    session = session_of()
    session.fail(SessionError(Code.ABORTED, "first"))
    session.fail(SessionError(Code.INTERNAL, "second"))
    assert session.end is not None
    assert session.end.detail == "first"


def test_what_ended_is_counted_once() -> None:
    session = session_of()
    session.num_answered = 2
    session.drops[Place.ENDPOINT, Reason.TOO_LATE] += 3
    assert session.num_ended == 5


def test_sessions_are_found_by_their_secret_alone() -> None:
    sessions = Sessions()
    session = sessions.make(declared(), 1.2, 0.0)
    assert len(sessions) == 0
    sessions.add(session)
    assert len(session.token) >= 20
    with pytest.raises(SessionError, match="not known"):
        sessions.open("cam", 0.0)
    assert sessions.open(session.token, 0.0) is session
    with pytest.raises(SessionError, match="open already"):
        sessions.open(session.token, 0.0)
    assert sessions.remove(session)
    assert not sessions.remove(session)
    assert sessions.find_stream("cam") is None


def test_a_newer_session_of_a_stream_stays_when_the_older_goes() -> None:
    sessions = Sessions()
    older, newer = (sessions.make(declared(), 1.2, 0.0) for _ in range(2))
    sessions.add(older)
    sessions.add(newer)
    assert older.token != newer.token
    assert sessions.remove(older)
    assert sessions.find_stream("cam") is newer


def test_details_are_cut_to_512_bytes() -> None:
    error = SessionError(Code.INTERNAL, "ä" * 400)
    assert len(error.detail.encode()) <= 512
    assert set(error.detail) == {"ä"}
