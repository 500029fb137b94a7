"""Tidy tables: CSV files with a row for each observation, which figures are drawn from.

Lines `# key: value` may stand on top, as in the tables under `profiles/`; `command` says what made the data.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError


@dataclass(frozen=True, slots=True)
class TidyRow:
    """One row; numbers are parsed when they are asked for."""

    where: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def number(self, column: str) -> float | None:
        """A cell as a number; None if it is empty.

        Raises:
            UsageError: naming file, line and column, if it is neither.
        """
        text = self.cells[column]
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UsageError(f"{self.where}:{column}: {text!r}: must be a number or empty")
        return value

    def required(self, column: str) -> float:
        """A cell as a number that must be there.

        Raises:
            UsageError: naming file, line and column, if it is none.
        """
        value = self.number(column)
        if value is None:
            raise UsageError(f"{self.where}:{column}: is empty: must be a number")
        return value


@dataclass(frozen=True, slots=True)
class TidyTable:
    """A table.

    Attributes:
        path: of the file.
        notes: the lines on top.
        columns: in their order.
        rows: in their order.
    """

    path: Path
    notes: Mapping[str, str]
    columns: tuple[str, ...]
    rows: tuple[TidyRow, ...]

    def levels(self, column: str) -> list[str]:
        """The values of a column, each once: numbers by size, words as they first come."""
        found = list(dict.fromkeys(row[column] for row in self.rows))
        return sorted(found, key=float) if all(map(_is_number, found)) else found

    def where(self, **values: str) -> TidyTable:
        """The rows that have these values."""
        kept = tuple(
            row for row in self.rows if all(row[name] == value for name, value in values.items())
        )
        return TidyTable(self.path, self.notes, self.columns, kept)


def read_header(path: Path) -> tuple[str, ...]:
    """The columns of a table; nothing if it has none.

    Raises:
        UsageError: if the file cannot be read.
    """
    return tuple(next(csv.reader(line for line in _lines(path) if not line.startswith("#")), ()))


def read_tidy_table(path: Path, columns: Sequence[str] = ()) -> TidyTable:
    """Reads a table.

    Args:
        path: of the file.
        columns: that it must have; it may have others.

    Raises:
        UsageError: naming file and line, if it cannot be read or is no such table.
    """
    notes: dict[str, str] = {}
    header: list[str] = []
    rows: list[TidyRow] = []
    number = 0
    lines = _lines(path)
    for line in lines:
        number += 1
        if not line.startswith("#"):
            header = next(csv.reader([line]), [])
            break
        key, _, value = line[1:].partition(":")
        notes[key.strip()] = value.strip()
    if missing := [name for name in columns if name not in header]:
        raise UsageError(f"{path}:{max(1, number)}: lacks the columns {', '.join(missing)}")
    for cells in _parsed(path, number, lines):
        number += 1
        if len(cells) != len(header):
            raise UsageError(f"{path}:{number}: has {len(cells)} fields, the header {len(header)}")
        rows.append(TidyRow(f"{path}:{number}", dict(zip(header, cells, strict=True))))
    return TidyTable(path, notes, tuple(header), tuple(rows))


def _parsed(path: Path, number: int, lines: Iterator[str]) -> Iterator[list[str]]:
    reader = csv.reader(lines, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise UsageError(f"{path}:{number + reader.line_num}: {error}") from None


def _lines(path: Path) -> Iterator[str]:
    try:
        return iter(path.read_text(encoding="utf-8-sig").splitlines())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: must be UTF-8 text") from None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
