"""Run logs of the server's processes: tables in parts of a bounded size, and never a reason to die.

A process that is restarted goes on in a file beside, and so does one whose part is full. What a
folder holds of one name, of whatever process, is bounded.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Generic

from ..files.csv_log import CsvLog, Record

PART_BYTES = 64 * 1024 * 1024
MAX_PARTS = 16  # of one name, if full; then the oldest one goes
FULL_TO_LEAST_RATIO = 64  # of a full part to what any counts as at least

_log = logging.getLogger(__name__)


class RunLog(Generic[Record]):
    """Appends records to `NAME.csv`, `NAME-2.csv` and so on.

    Where a part cannot be made, because the folder is gone or the disk is full, the process goes on
    without, and says so once.

    Attributes:
        num_dropped: rows for which there was no file.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        record_class: type[Record],
        part_bytes: int = PART_BYTES,
        max_parts: int = MAX_PARTS,
    ) -> None:
        """Makes the first part, beside whatever is there."""
        self.num_dropped = 0
        self._folder = folder
        self._name = name
        self._record_class = record_class
        self._part_bytes = part_bytes
        self._max_parts = max_parts
        self._part = self._open_part()

    def write(self, record: Record) -> None:
        """Appends one row, or counts it."""
        if self._part is None:
            self.num_dropped += 1
            return
        self._part.write(record)
        if self._part.num_bytes >= self._part_bytes:
            self._part.close()
            self._part = self._open_part()

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        if self._part is not None:
            self._part.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        if self._part is not None:
            self._part.close()

    def _open_part(self) -> CsvLog[Record] | None:
        try:
            path = _new_file(self._folder, self._name)
            self._make_room(path)
            part = CsvLog(path, self._record_class)
        except OSError as error:
            _log.error(
                "out_dir=%s: %s; serving without %s", self._folder, error.strerror, self._name
            )
            return None
        return part

    def _make_room(self, new: Path) -> None:
        """Deletes the oldest parts of this name that are too much beside the new one."""
        is_part = re.compile(re.escape(self._name) + r"(-\d+)?\.csv").fullmatch
        found: list[tuple[os.stat_result, Path]] = []
        for path in self._folder.iterdir():
            if is_part(path.name) and path.is_file() and path != new:
                with suppress(FileNotFoundError):  # another process makes room as well
                    found.append((path.stat(), path))
        left_bytes = (self._max_parts - 1) * self._part_bytes
        for facts, path in sorted(found, key=lambda one: -one[0].st_mtime_ns):
            left_bytes -= min(
                self._part_bytes, max(facts.st_size, self._part_bytes // FULL_TO_LEAST_RATIO)
            )
            if left_bytes < 0:
                _log.warning("%s is deleted, to make room for %s", path.name, new.name)
                path.unlink(missing_ok=True)


def open_log(folder: str, name: str, record_class: type[Record]) -> RunLog[Record] | None:
    """Opens a run log in the folder; None where none is wanted."""
    return RunLog(Path(folder), name, record_class) if folder else None


def _new_file(folder: Path, name: str) -> Path:
    for number in itertools.count(1):
        path = folder / (f"{name}.csv" if number == 1 else f"{name}-{number}.csv")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            continue
        return path
    raise AssertionError
