"""Run logs: CSV files whose columns are the fields of a record class."""

from __future__ import annotations

import csv
import dataclasses
import logging
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ..core.errors import UsageError

_log = logging.getLogger(__name__)

Record = TypeVar("Record")


class CsvLog(Generic[Record]):
    """Appends records to a CSV file; a disk that is full never stops the run.

    Attributes:
        num_dropped: rows that could not be written.
    """

    def __init__(self, path: Path, record_class: type[Record]) -> None:
        """Creates the file with its header.

        Raises:
            OSError: if it cannot be created.
        """
        self.num_dropped = 0
        self._names = tuple(field.name for field in dataclasses.fields(record_class))  # type: ignore[arg-type]
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(self._names)

    def write(self, record: Record) -> None:
        """Appends one row; counts it instead where that fails."""
        try:
            self._writer.writerow([_text(getattr(record, name)) for name in self._names])
        except OSError as error:
            self._count(error)

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        try:
            self._file.flush()
        except OSError as error:
            self._count(error)

    def close(self) -> None:
        """Flushes and closes the file."""
        try:
            self._file.close()
        except OSError as error:
            self._count(error)

    def _count(self, error: OSError) -> None:
        if not self.num_dropped:
            _log.warning("%s: rows are being lost: %s", self._file.name, error)
        self.num_dropped += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_records(path: Path, record_class: type[Record]) -> list[Record]:
    """Reads a run log back as the records that were written.

    Raises:
        UsageError: naming file and row, if it cannot be read or is no such log.
    """
    kinds = {field.name: str(field.type) for field in dataclasses.fields(record_class)}  # type: ignore[arg-type]
    records: list[Record] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            if missing := kinds.keys() - set(reader.fieldnames or ()):
                raise UsageError(f"{path}:1: lacks the columns {', '.join(sorted(missing))}")
            records.extend(
                record_class(**{name: _typed(row[name], kind) for name, kind in kinds.items()})
                for row in reader
            )
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, csv.Error) as error:
        raise UsageError(f"{path}:{len(records) + 2}: {error}") from None
    return records


def _typed(text: str, kind: str) -> object:
    if kind == "str":
        return text
    if not text and kind.endswith("None"):
        return None
    return int(text) if kind.startswith("int") else float(text)


def read_csv(path: Path) -> list[dict[str, Any]]:
    """Reads a run log: one dict a row; numbers become int or float, empty fields None."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(file)]


def _text(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else value


def _value(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None
