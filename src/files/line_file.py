"""A text file of whole lines: whatever happens to the disk or the program, none is cut in the middle."""

from __future__ import annotations

import bisect
import contextlib
import itertools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_log = logging.getLogger(__name__)

FLUSH_BYTES = 64 * 1024


class LineFile:
    """Gathers lines, and hands them to the operating system many at a time.

    Lines that find no room on the disk are lost and counted; what was written of them is taken back.

    Attributes:
        name: of the file.
        num_lost: lines that could not be written.
        problem: why the first one was lost, in the system's words; empty while none is.
    """

    def __init__(self, path: Path) -> None:
        """Creates the file, in place of an older one.

        Raises:
            OSError: if it cannot be created.
        """
        self.name = str(path)
        self.num_lost = 0
        self.problem = ""
        self._descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666
        )
        self._lines: list[str] = []
        self._num_gathered = 0
        self._is_closed = False

    def write(self, line: str) -> None:
        """Adds a line, which ends with a line break."""
        self._lines.append(line)
        self._num_gathered += len(line)
        if self._num_gathered >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hands what was gathered to the operating system."""
        if not self._lines or self._is_closed:
            return
        lines, self._lines = self._lines, []
        self._num_gathered = 0
        data = memoryview(_encoded("".join(lines)))
        num_written = 0
        try:
            while num_written < len(data):
                num_written += os.write(self._descriptor, data[num_written:])
        except OSError as error:
            ends = [0, *itertools.accumulate(len(_encoded(line)) for line in lines)]
            num_whole = bisect.bisect_right(ends, num_written) - 1
            self._take_back(num_written - ends[num_whole])
            self.num_lost += len(lines) - num_whole
            self.problem = self.problem or error.strerror or str(error)

    def close(self) -> None:
        """Flushes and closes the file; may be called twice."""
        if self._is_closed:
            return
        self.flush()
        self._is_closed = True
        try:
            os.close(self._descriptor)
        except OSError as error:  # where the system notices only now that there was no room
            self.problem = self.problem or error.strerror or str(error)

    def _take_back(self, num_bytes: int) -> None:
        """Cuts off the part of a line that was written."""
        if num_bytes:
            with contextlib.suppress(OSError):  # a device that cannot be cut
                end = os.lseek(self._descriptor, -num_bytes, os.SEEK_CUR)
                os.ftruncate(self._descriptor, end)


def whole_lines(file: IO[str], name: object) -> Iterator[str]:
    """The lines of a file, but for a last one that was cut, as by a program that was killed; that is said."""
    for line in file:
        if not line.endswith(("\n", "\r")):
            _log.warning("%s: its last line is cut, and left out", name)
            return
        yield line


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
