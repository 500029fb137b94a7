"""Run logs: CSV files whose columns are the fields of a record class, which is a named tuple."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Generic, NamedTuple, Self, TypeVar, get_type_hints

from .line_file import LineFile
from .tidy_table import read_log

_log = logging.getLogger(__name__)

Record = TypeVar("Record", bound=NamedTuple)


class CsvLog(Generic[Record]):
    """Appends records to a CSV file; a disk that is full never stops the run.

    Attributes:
        num_bytes: about what was written so far.
    """

    def __init__(self, path: Path, record_class: type[Record]) -> None:
        """Creates the file with its header.

        Raises:
            OSError: if it cannot be created.
        """
        self.num_bytes = 0
        self._templates: dict[tuple[type, ...], str] = {}
        self._num_commas = len(record_class._fields) - 1
        self._file = LineFile(path)
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(record_class._fields)
        self._file.flush()

    @property
    def num_dropped(self) -> int:
        """Rows that could not be written."""
        return self._file.num_lost

    @property
    def problem(self) -> str:
        """Why rows could not be written; empty while all were."""
        return self._file.problem

    def write(self, record: Record) -> None:
        """Appends one row; counts it instead where that fails.

        A template for each pattern of types writes rows in half the time of `csv.writer`, which is
        left those that need quoting.
        """
        types = tuple(map(type, record))
        template = self._templates.get(types)
        if template is None:
            template = self._templates[types] = ",".join(map(_conversion, types))
        row = template % record
        self.num_bytes += len(row) + 1
        if (
            row.count(",") == self._num_commas
            and row
            and not ('"' in row or "\n" in row or "\r" in row)
        ):
            self._file.write(row + "\n")
        else:
            self._writer.writerow([_conversion(type(value)) % value for value in record])

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        num_before = self.num_dropped
        self._file.flush()
        self._warn(num_before)

    def close(self) -> None:
        """Flushes and closes the file."""
        num_before = self.num_dropped
        self._file.close()
        self._warn(num_before)

    def _warn(self, num_before: int) -> None:
        if self.num_dropped and not num_before:
            _log.warning("%s: rows are being lost: %s", self._file.name, self.problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_records(path: Path, record_class: type[Record]) -> list[Record]:
    """Reads a run log as the records that were written.

    Raises:
        UsageError: naming file and row, if it cannot be read or is no such log. A last row that was cut is
            left out.
    """
    table = read_log(path, get_type_hints(record_class))
    return [record_class._make(row) for row in table.iter_rows()]


def _conversion(kind: type) -> str:
    """How a value of that type is written: None as nothing, floats with three decimals."""
    if kind is type(None):
        return "%.0s"
    return "%.3f" if issubclass(kind, float) else "%s"
