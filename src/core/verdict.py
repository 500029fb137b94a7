"""How a frame ends: exactly one verdict, with place and reason where it was dropped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .checks import plain


class Verdict(StrEnum):
    """The three ends of a captured frame."""

    __hash__ = (
        str.__hash__
    )  # an enumeration's own takes longer, and every frame is counted by its verdict

    IN_TIME = "in_time"
    LATE = "late"
    DROPPED = "dropped"


class Place(StrEnum):
    """Who gave a frame up."""

    CLIENT = "client"
    ENDPOINT = "endpoint"
    EXECUTOR = "executor"
    OTHER = "other"  # a word of a newer peer


class Reason(StrEnum):
    """Why a frame was given up; one value per cause."""

    SUPERSEDED = "superseded"  # a newer frame was captured before this one could be sent
    LINK_TOO_SLOW = "link_too_slow"  # could not have arrived in time
    SKIPPED = "skipped"  # left out on purpose, so that the link carries the others
    CLIENT_TOO_SLOW = "client_too_slow"  # was not captured and encoded in time
    SOURCE_LOST = "source_lost"  # its source had no picture: a camera that vanished, a spoiled file
    NOT_CONNECTED = "not_connected"  # no session when it was captured
    CONNECTION_LOST = "connection_lost"  # sent, and the connection broke before the answer
    NO_ANSWER = "no_answer"  # sent, and nothing came back in the time allowed
    TOO_LATE = "too_late"  # could not have been answered in time any more
    NOT_PLACED = "not_placed"  # the current plan serves this stream nowhere
    PREEMPTED = "preempted"  # likewise, and streams that go before it have its place
    QUEUE_FULL = "queue_full"  # too many frames of this stream waiting
    NO_SLOT = "no_slot"  # shared memory full
    RATE_EXCEEDED = "rate_exceeded"  # more frames than the stream declared
    EXECUTOR_LOST = "executor_lost"  # its executor died and no other could take it in time
    BAD_FRAME = "bad_frame"  # checksum, size or picture data wrong
    MODEL_OUTPUT = "model_output"  # the detector failed on it
    DRAINING = "draining"  # the server is shutting down
    OTHER = "other"  # a word of a newer peer; the detail has it


def reason_named(word: str, detail: str = "") -> tuple[Reason, str]:
    """Reads a reason as a peer names it, which may be newer than we are.

    Returns:
        The reason, and the detail; of a word that is not known here `OTHER`, with the word kept in front of
        the detail.
    """
    try:
        return Reason(word), detail
    except ValueError:
        return Reason.OTHER, ": ".join(part for part in (plain(word), detail) if part)


@dataclass(frozen=True, slots=True)
class Drop:
    """Where and why a frame was given up."""

    place: Place
    reason: Reason
