"""Proves from their logs that clients and server agree about every frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from enum import StrEnum
from pathlib import Path

from ..core.records import FrameRecord, ServerFrameRecord
from ..core.verdict import Place, Reason, Verdict
from ..files.csv_log import read_records

ANSWERED = "answered"

_ANSWERED_HERE = frozenset({Verdict.IN_TIME, Verdict.LATE})
_GIVEN_UP = frozenset({Reason.CONNECTION_LOST, Reason.NO_ANSWER})
"""The client closed a frame that it had sent, without knowing what became of it."""


def reconcile(client_frames_csv: Path, server_frames_csv: Path) -> list[str]:
    """Compares `frames.csv` with `server_frames.csv`.

    Frames that the client gave up after it had sent them (`connection_lost`, `no_answer`) may have any
    end at the server, or be unknown there. Streams that only the server knows are other clients' affair.

    Returns:
        What does not fit, one line each; empty if everything does.

    Raises:
        UsageError: if a file cannot be read or is broken.
    """
    clients = read_records(client_frames_csv, FrameRecord)
    server = read_records(server_frames_csv, ServerFrameRecord)
    return compare(clients, server)


def compare(clients: Iterable[FrameRecord], server: Iterable[ServerFrameRecord]) -> list[str]:
    """Compares the rows of the two logs; see `reconcile`."""
    problems: list[str] = []
    by_client: dict[tuple[str, int], FrameRecord] = {}
    for row in clients:
        if (row.stream_id, row.sequence) in by_client:
            problems.append(f"{_name(row)}: has two verdicts at the client")
        by_client[row.stream_id, row.sequence] = row
    streams = {stream_id for stream_id, _ in by_client}
    by_server: dict[tuple[str, int], ServerFrameRecord] = {}
    for theirs in server:
        if theirs.stream_id not in streams:
            continue
        key = (theirs.stream_id, theirs.sequence)
        if key in by_server:
            problems.append(f"{_name(theirs)}: has two verdicts at the server")
        by_server[key] = theirs
        if key not in by_client:
            problems.append(f"{_name(theirs)}: reached the server but was never captured")
    for key, ours in by_client.items():
        problem = _disagreement(ours, by_server.get(key))
        if problem:
            problems.append(f"{_name(ours)}: {problem}")
    if not problems:
        problems.extend(_count_mismatches(by_client.values(), by_server.values()))
    return problems


def _disagreement(ours: FrameRecord, theirs: ServerFrameRecord | None) -> str:
    """What does not fit between the two ends of one frame; empty if all does."""
    was_sent = ours.sent_ms is not None
    if theirs is None:
        is_known_here_only = ours.place == Place.CLIENT
        return "" if is_known_here_only else f"{_end(ours)} at the client, unknown to the server"
    if not was_sent:
        return f"reached the server, but the client says it was not sent ({_end(ours)})"
    if ours.place == Place.CLIENT:
        if ours.reason in _GIVEN_UP:
            return ""
        return f"{_end(ours)} at the client, {_end(theirs)} at the server"
    if ours.verdict in _ANSWERED_HERE:
        return "" if theirs.verdict == ANSWERED else f"answered, but {_end(theirs)} at the server"
    if not (_fits(ours.place, theirs.place, Place) and _fits(ours.reason, theirs.reason, Reason)):
        return f"{_end(ours)} at the client, {_end(theirs)} at the server"
    return ""


def _fits(ours: str, theirs: str, known: type[StrEnum]) -> bool:
    """Whether both ends mean the same; `other` stands for any word that only a newer server knows."""
    return ours == theirs or (ours == "other" and theirs not in set(known))


def _count_mismatches(
    clients: Collection[FrameRecord], server: Collection[ServerFrameRecord]
) -> list[str]:
    """Counts both sides again, without looking at single frames."""
    here = Counter(row.stream_id for row in clients if row.verdict in _ANSWERED_HERE)
    unheard = Counter(row.stream_id for row in clients if row.reason in _GIVEN_UP)
    there = Counter(row.stream_id for row in server if row.verdict == ANSWERED)
    return [
        f"{stream_id}: {there[stream_id]} answers left the server, {here[stream_id]} arrived "
        f"and {unheard[stream_id]} frames were given up unheard"
        for stream_id in sorted(here.keys() | there.keys())
        if not here[stream_id] <= there[stream_id] <= here[stream_id] + unheard[stream_id]
    ]


def _end(row: FrameRecord | ServerFrameRecord) -> str:
    return f"{row.verdict} {row.place} {row.reason}".strip()


def _name(row: FrameRecord | ServerFrameRecord) -> str:
    return f"{row.stream_id} frame {row.sequence}"
