"""Tables as text: comma separated, checked cell by cell, every complaint with file, row and column.

The dialect is deliberately narrow. `# key: value` lines come before the header and nowhere else; the
header names the columns, in any order; cells hold no quotes; blank lines, CRLF line ends and a
byte order mark are taken; the last line ends with a line end, so that a truncated file shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.checks import echo, require_id
from ..core.errors import UsageError
from .text_file import read_text
from .whole_file import write_whole

MAX_ROWS = 100_000
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_LINE_CHARACTERS = 4096
ID_RULE = "must be 1 to 64 characters of [A-Za-z0-9._-]"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        path: the file.
        number: of the line in the file, from 1.
        cells: text by column.
    """

    path: Path
    number: int
    cells: Mapping[str, str]

    def error(self, column: str, rule: str) -> UsageError:
        """The complaint about one cell, to be raised."""
        shown = f"{echo(self.cells[column])}: {rule}" if column in self.cells else rule
        return UsageError(f"{self.path}:{self.number}:{column}: {shown}")

    def text(self, column: str) -> str:
        """The cell as it stands."""
        return self.cells[column]

    def id_of(self, column: str) -> str:
        """The cell as a name.

        Raises:
            UsageError: if it is none.
        """
        try:
            return require_id(column, self.cells[column])
        except ValueError:
            raise self.error(column, ID_RULE) from None

    def number_of(self, column: str, least: float, most: float) -> float:
        """The cell as a number in [least, most].

        Raises:
            UsageError: if it is none, or out of range.
        """
        text = self.cells[column]
        try:
            value = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and least <= value <= most):
            raise self.error(column, f"must be a number from {least:g} to {most:g}")
        return value

    def number_or_none(self, column: str, least: float, most: float) -> float | None:
        """The cell as a number in [least, most]; None if it is empty, or its column is not there.

        Raises:
            UsageError: if it is none, or out of range.
        """
        return self.number_of(column, least, most) if self.cells.get(column) else None

    def count_of(self, column: str, least: int, most: int) -> int:
        """The cell as a whole number in [least, most].

        Raises:
            UsageError: if it is none, or out of range.
        """
        text = self.cells[column]
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise self.error(column, f"must be a whole number from {least} to {most}")
        return int(text)


@dataclass(frozen=True, slots=True)
class Table:
    """A file's notes (its `# key: value` lines) and rows; at least one row."""

    path: Path
    notes: Mapping[str, str]
    rows: tuple[Row, ...]

    def note(self, key: str) -> str:
        """A note that has to be there.

        Raises:
            UsageError: if it is not.
        """
        if key not in self.notes:
            raise UsageError(f"{self.path}:1:{key}: a line '# {key}: ...' must be at the top")
        return self.notes[key]

    def note_error(self, key: str, rule: str) -> UsageError:
        """The complaint about one note, to be raised."""
        return UsageError(f"{self.path}:1:{key}: {echo(self.notes[key])}: {rule}")


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """Reads a table that has exactly these columns, whatever their order, and maybe the optional ones.

    Raises:
        UsageError: with `file:row:column: rule` if the file cannot be read or breaks the dialect.
    """
    notes: dict[str, str] = {}
    names: list[str] | None = None
    rows: list[Row] = []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        if line.startswith("#"):
            if names is not None:
                raise UsageError(f"{path}:{number}:1: comment lines must come before the header")
            key, colon, value = line[1:].partition(":")
            if not colon or not key.strip() or key.strip() in notes:
                raise UsageError(f"{path}:{number}:1: must be '# key: value', each key once")
            notes[key.strip()] = value.strip()
            continue
        cells = [cell.strip(" ") for cell in line.split(",")]
        if names is None:
            names = cells
            _check_header(path, number, names, columns, optional)
            continue
        if len(cells) != len(names):
            raise UsageError(
                f"{path}:{number}:{min(len(cells), len(names))}: "
                f"must have {len(names)} fields, has {len(cells)}"
            )
        rows.append(Row(path, number, dict(zip(names, cells, strict=True))))
        if len(rows) > MAX_ROWS:
            raise UsageError(f"{path}:{number}:1: must have at most {MAX_ROWS} rows")
    if names is None:
        raise UsageError(f"{path}:1:1: must begin with the header {','.join(columns)}")
    if not rows:
        raise UsageError(f"{path}:1:1: must have a row below its header")
    return Table(path, notes, tuple(rows))


def _lines(path: Path) -> list[str]:
    """The file's lines, read once."""
    text = read_text(path, MAX_FILE_BYTES)
    if not text:
        raise UsageError(f"{path}:1:1: is empty")
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_CHARACTERS:
            raise UsageError(
                f"{path}:{number}:{MAX_LINE_CHARACTERS}: "
                f"a line must have at most {MAX_LINE_CHARACTERS} characters"
            )
        for character, name in (("\0", "NUL"), ("\r", "carriage return"), ('"', "quote")):
            if character in line:
                raise UsageError(f"{path}:{number}:{line.index(character) + 1}: a {name} character")
    if lines.pop():
        raise UsageError(f"{path}:{len(lines) + 1}:1: must end with a line end; was it cut off?")
    return lines


def _check_header(
    path: Path,
    number: int,
    names: Sequence[str],
    columns: Sequence[str],
    optional: Sequence[str],
) -> None:
    for name in names:
        if name not in columns and name not in optional:
            raise UsageError(
                f"{path}:{number}:{echo(name)}: unknown column; "
                f"must be {','.join((*columns, *optional))}"
            )
        if names.count(name) > 1:
            raise UsageError(f"{path}:{number}:{name}: the column is there twice")
    for name in columns:
        if name not in names:
            raise UsageError(f"{path}:{number}:{name}: the column is missing")


def write_table(
    path: Path,
    notes: Mapping[str, str],
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
) -> None:
    """Writes a table, whole or not at all; its folder is made.

    Raises:
        ValueError: if a value would break the dialect.
        OSError: if it cannot be written.
    """
    lines = [f"# {key}: {value}" for key, value in notes.items()]
    lines.append(",".join(columns))
    for row in rows:
        cells = [str(cell) for cell in row]
        if any(mark in cell for cell in cells for mark in ',"\r\n\0'):
            raise ValueError(f"row {cells}: a cell must hold no comma, quote or line end")
        lines.append(",".join(cells))
    for line in lines:
        if any(mark in line for mark in '"\r\n\0'):
            raise ValueError(f"line {echo(line)}: must hold no quote or line end")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "\n".join(lines) + "\n")
