from __future__ import annotations

import pytest

from moonjelly.client.reconcile import compare, reconcile
from moonjelly.core.errors import UsageError
from moonjelly.core.records import FrameRecord, ServerFrameRecord
from moonjelly.files.csv_log import CsvLog


def ours(sequence, verdict="in_time", place="", reason="", stream_id="a", is_sent=True):
    return FrameRecord(
        stream_id, sequence, 1.0, verdict, place, reason, sent_ms=2.0 if is_sent else None
    )


def theirs(sequence, verdict="answered", place="", reason="", stream_id="a"):
    return ServerFrameRecord(
        stream_id, 0, sequence, 1.0, 0.5, 1.0, 1000, 128, 1e4, 1e4, verdict, place, reason
    )


SOUND_OURS = [
    ours(0),
    ours(1, "late"),
    ours(2, "dropped", "executor", "too_late"),
    ours(3, "dropped", "client", "superseded", is_sent=False),
    ours(4, "dropped", "client", "connection_lost"),
    ours(5, "dropped", "client", "connection_lost"),
    ours(6, "dropped", "client", "no_answer"),
    ours(0, stream_id="b"),
]
SOUND_THEIRS = [
    theirs(0),
    theirs(1),
    theirs(2, "dropped", "executor", "too_late"),
    theirs(4),
    theirs(6, "dropped", "endpoint", "connection_lost"),
    theirs(0, stream_id="b"),
    theirs(9, stream_id="of-another-client"),
]


def test_logs_that_agree_have_no_problems():
    assert compare(SOUND_OURS, SOUND_THEIRS) == []
    assert compare([], []) == []


def test_words_of_a_newer_server_agree_with_other():
    newer = [theirs(0, "dropped", "gate", "mood"), theirs(1, "dropped", "executor", "mood")]
    client = [ours(0, "dropped", "other", "other"), ours(1, "dropped", "executor", "other")]
    assert compare(client, newer) == []
    older = [theirs(0, "dropped", "executor", "too_late"), newer[1]]
    assert compare(client, older) == [
        "a frame 0: dropped other other at the client, dropped executor too_late at the server"
    ]


@pytest.mark.parametrize(
    ("client_rows", "server_rows", "problem"),
    [
        ([ours(0)], [], "a frame 0: in_time at the client, unknown to the server"),
        (
            [ours(0, "dropped", "executor", "too_late")],
            [],
            "dropped executor too_late at the client, unknown to the server",
        ),
        (
            [ours(0)],
            [theirs(0, "dropped", "executor", "too_late")],
            "answered, but dropped executor",
        ),
        ([ours(0, "dropped", "executor", "too_late")], [theirs(0)], "answered at the server"),
        (
            [ours(0, "dropped", "executor", "too_late")],
            [theirs(0, "dropped", "endpoint", "no_slot")],
            "dropped executor too_late at the client, dropped endpoint no_slot at the server",
        ),
        (
            [ours(0, "dropped", "client", "superseded", is_sent=False)],
            [theirs(0)],
            "the client says it was not sent",
        ),
        (
            [ours(0, "dropped", "client", "link_too_slow")],
            [theirs(0)],
            "dropped client link_too_slow at the client",
        ),
        ([ours(0)], [theirs(0), theirs(1)], "a frame 1: reached the server but was never captured"),
        ([ours(0), ours(0)], [theirs(0)], "two verdicts at the client"),
        ([ours(0)], [theirs(0), theirs(0)], "two verdicts at the server"),
    ],
)
def test_each_disagreement_is_found(client_rows, server_rows, problem):
    problems = compare(client_rows, server_rows)
    assert any(problem in one for one in problems), problems


@pytest.mark.parametrize("index", range(len(SOUND_OURS)))
def test_a_frame_missing_at_the_client_is_found_if_the_server_has_it(index):
    rows = SOUND_OURS[:index] + SOUND_OURS[index + 1 :]
    gone = SOUND_OURS[index]
    server_has_it = any(
        (row.stream_id, row.sequence) == (gone.stream_id, gone.sequence) for row in SOUND_THEIRS
    )
    is_last_of_its_stream = gone.stream_id == "b"
    assert bool(compare(rows, SOUND_THEIRS)) == (server_has_it and not is_last_of_its_stream)


def test_the_files_are_read(tmp_path):
    paths = tmp_path / "frames.csv", tmp_path / "server_frames.csv"
    for path, kind, rows in zip(
        paths, (FrameRecord, ServerFrameRecord), (SOUND_OURS, SOUND_THEIRS), strict=True
    ):
        with CsvLog(path, kind) as log:
            for row in rows:
                log.write(row)
    assert reconcile(*paths) == []
    with CsvLog(paths[1], ServerFrameRecord) as log:
        for row in SOUND_THEIRS:
            log.write(row._replace(verdict="dropped", place="executor", reason="too_late"))
    assert len(reconcile(*paths)) == 3, "frames 0 and 1 of a, 0 of b"
    with pytest.raises(UsageError, match="cannot be read"):
        reconcile(paths[0], tmp_path / "absent.csv")
