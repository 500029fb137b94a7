"""The server's log: one stream for all processes, that no client can flood and that fills no disk."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import sys
import time
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TextIO, TypeVar

BURST_LINES = 50.0  # from one place in the code, before any is left out
LINES_PER_S = 2.0
TRACEBACK_LINES = 10.0  # what a record with a traceback counts as
TELL_AFTER_S = 10.0
MAX_CHARS = 8192  # of one record
LOG_LIMIT_BYTES = 32 * 1024 * 1024

_log = logging.getLogger(__name__)

Place = TypeVar("Place", bound=Hashable)


@dataclass(slots=True)
class _Bucket:
    lines: float
    filled_s: float
    num_left_out: int = 0
    since_s: float = 0.0


class RepeatLimit(Generic[Place]):
    """Which lines to leave out, by the place in the code that they come from.

    Not by their words: these may hold what a client sent, and it sends something else each time.
    """

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self._buckets: dict[Place, _Bucket] = {}
        self._cut: set[Place] = set()

    def may_write(self, place: Place, num_lines: float, now_s: float) -> bool:
        """Whether a record that counts as so many lines may be written; else it is counted."""
        bucket = self._buckets.get(place)
        if bucket is None:
            bucket = self._buckets[place] = _Bucket(BURST_LINES, now_s)
        earned = LINES_PER_S * max(0.0, now_s - bucket.filled_s)
        bucket.lines = min(BURST_LINES, bucket.lines + earned)
        bucket.filled_s = now_s
        if bucket.lines >= num_lines:
            bucket.lines -= num_lines
            return True
        if not bucket.num_left_out:
            bucket.since_s = now_s
            self._cut.add(place)
        bucket.num_left_out += 1
        return False

    def take_left_out(self, now_s: float, after_s: float = TELL_AFTER_S) -> list[tuple[Place, int]]:
        """Where lines have been left out for so long without a word of it, and how many."""
        told: list[tuple[Place, int]] = []
        for place in [*self._cut]:
            bucket = self._buckets[place]
            if now_s - bucket.since_s >= after_s:
                told.append((place, bucket.num_left_out))
                bucket.num_left_out = 0
                self._cut.discard(place)
        return told


class CountingHandler(logging.StreamHandler[TextIO]):
    """Writes records, counts those of a place that says too much, and tells how many there were."""

    def __init__(self, stream: TextIO) -> None:
        """Writes to a stream, which stays open."""
        super().__init__(stream)
        self._limit: RepeatLimit[tuple[str, int]] = RepeatLimit()
        self._last: dict[tuple[str, int], logging.LogRecord] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Writes or counts one record."""
        now_s = time.monotonic()
        self._tell(now_s, TELL_AFTER_S)
        place = (record.pathname, record.lineno)
        if self._limit.may_write(place, TRACEBACK_LINES if record.exc_info else 1.0, now_s):
            super().emit(record)
        else:
            self._last[place] = record

    def format(self, record: logging.LogRecord) -> str:
        """One record as text of a bounded length."""
        text = super().format(record)
        return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 4]} ..."

    def close(self) -> None:
        """Tells what is still untold."""
        self._tell(time.monotonic(), after_s=0.0)
        super().close()

    def _tell(self, now_s: float, after_s: float) -> None:
        for place, count in self._limit.take_left_out(now_s, after_s):
            last = self._last.pop(place)
            words = last.getMessage().partition("\n")[0]
            summary = logging.LogRecord(
                last.name, last.levelno, last.pathname, last.lineno,
                "left out %d more like: %.200s", (count, words), None,
            )  # fmt: skip
            super().emit(summary)


def set_up_log(name: str, level: str) -> None:
    """Has this process log under a name to what `sys.stderr` is now."""
    handler = CountingHandler(sys.stderr)
    logging.basicConfig(
        handlers=[handler],
        level=level.upper(),
        format=f"%(asctime)s {name} %(levelname)s %(name)s: %(message)s",
    )


def rotate_own_log(limit_bytes: int = LOG_LIMIT_BYTES, descriptor: int | None = None) -> bool:
    """Copies a log that has grown to the limit to `NAME.1`, and empties it; returns whether it did.

    The file is what all processes of the server have as their standard error: they share its
    position, so it can be emptied below them. Pipes, terminals, and files without a name are left
    alone.
    """
    descriptor = sys.stderr.fileno() if descriptor is None else descriptor
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size < limit_bytes:
            return False
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not path.is_file() or not os.path.samestat(path.stat(), facts):
            return False
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        _log.warning("the log cannot be rotated: %s", error.strerror)
        return False
    return True
