"""Tables in CSV files: a row for each observation. Figures are drawn from them, and run logs are such.

Lines `# key: value` may stand on top; `command` says what made the data.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from ..core.checks import echo
from ..core.errors import UsageError

if TYPE_CHECKING:  # what only writes logs starts without it
    import polars as pl

Columns = Mapping[str, object]
"""Name to `str`, `int` or `float`, or `float | None` and the like where a cell may be empty."""
_log = logging.getLogger(__name__)


class _Cells(NamedTuple):
    notes: Mapping[str, str]
    text: pl.DataFrame


def read_notes(path: Path) -> Mapping[str, str]:
    """The lines on top of a table.

    Raises:
        UsageError: if the file cannot be read.
    """
    return _read(path).notes


def read_tidy_table(path: Path, columns: Columns) -> pl.DataFrame:
    """Reads a table that must have these columns. It may have others: of numbers, if all of their cells are, else of text.

    Raises:
        UsageError: naming file and line, if it cannot be read or is no such table.
    """
    import polars as pl  # noqa: PLC0415

    cells = _read(path, columns)
    table = cells.text.with_columns(_column(path, cells, name, columns[name]) for name in columns)
    for name in table.columns:
        text = cells.text[name]
        for kind in (pl.Float64, pl.Int64) if name not in columns else ():
            number = text.cast(kind, strict=False)
            if (number.is_not_null() | (text == "")).all():
                table = table.with_columns(number)
    return table


def read_log(path: Path, columns: Columns) -> pl.DataFrame:
    """Reads these columns of a run log, whose last row is left out if it was cut; see `read_tidy_table`."""
    import polars as pl  # noqa: PLC0415

    cells = _read(path, columns, is_log=True)
    return pl.DataFrame([_column(path, cells, name, kind) for name, kind in columns.items()])


def polars_type(kind: object) -> type[pl.DataType]:
    """What columns of a kind (see `Columns`) hold."""
    import polars as pl  # noqa: PLC0415

    kinds: dict[object, type[pl.DataType]] = {str: pl.String, int: pl.Int64, float: pl.Float64}
    return next(kinds[one] for one in get_args(kind) or (kind,) if one is not NoneType)


def levels(column: pl.Series) -> list[Any]:
    """The values of a column, each once: numbers by size, words as they first come."""
    found = column.unique(maintain_order=True)
    return (found.sort() if found.dtype.is_numeric() else found).to_list()


def _column(path: Path, cells: _Cells, name: str, kind: object) -> pl.Series:
    """A column of a kind; UsageError naming file, line and column, if a cell is of another."""
    text = cells.text[name]
    dtype = polars_type(kind)
    if dtype == text.dtype:
        return text
    found = text.cast(dtype, strict=False)
    is_good = found.is_finite().fill_null(value=False)
    may_be_empty = NoneType in get_args(kind)
    if may_be_empty:
        is_good |= text == ""
    if not is_good.all():
        row = (~is_good).arg_max() or 0
        rule = "must be a whole number" if dtype.is_integer() else "must be a number"
        rule += " or empty" if may_be_empty else ""
        line = len(cells.notes) + row + 2
        raise UsageError(f"{path}:{line}:{name}: {echo(text[row])}: {rule}")
    return found


def _read(path: Path, columns: Iterable[str] = (), *, is_log: bool = False) -> _Cells:
    """Reads all cells as text."""
    import polars as pl  # noqa: PLC0415

    try:
        data = path.read_bytes()
        data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: must be UTF-8 text") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    if is_log and not data.endswith((b"\n", b"\r")):  # as by a program that was killed
        _log.warning("%s: its last line is cut, and left out", path)
        data = data[: data.rfind(b"\n") + 1]
    notes: dict[str, str] = {}
    while data.startswith(b"#"):
        line, _, data = data.partition(b"\n")
        key, _, text = line[1:].decode().partition(":")
        notes[key.strip()] = text.strip()
    header, *rows = data.splitlines() or [b""]
    if b'"' not in data:
        for number, row in enumerate(rows, len(notes) + 2):
            if row.count(b",") != header.count(b","):
                rule = f"has {row.count(b',') + 1} fields, the header {header.count(b',') + 1}"
                raise UsageError(f"{path}:{number}: {rule}")
    try:
        cells = pl.read_csv(data, infer_schema=False).fill_null("")
    except pl.exceptions.NoDataError:
        cells = pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"{path}: {str(error).splitlines()[0]}") from None
    if missing := [name for name in columns if name not in cells.columns]:
        raise UsageError(f"{path}:{len(notes) + 1}: lacks the columns {', '.join(missing)}")
    return _Cells(notes, cells)
