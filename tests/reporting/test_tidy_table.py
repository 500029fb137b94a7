from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.reporting.tidy_table import read_header, read_tidy_table

TEXT = "# command: python x.py --a 1\nclients,trace,missed\n10,lte,0.5\n2,wifi,\n10,lte,0.25\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_rows_are_read_with_the_notes_on_top(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    table = read_tidy_table(path, ("trace",))
    assert table.notes == {"command": "python x.py --a 1"}
    assert table.columns == read_header(path) == ("clients", "trace", "missed")
    assert [row.number("missed") for row in table.rows] == [0.5, None, 0.25]
    assert table.levels("clients") == ["2", "10"]  # by size, not as text
    assert table.levels("trace") == ["lte", "wifi"]
    assert [row["missed"] for row in table.where(clients="10", trace="lte").rows] == ["0.5", "0.25"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"table\.csv:1: lacks the columns trace"),
        ("clients,missed\n1,2\n", r"table\.csv:1: lacks the columns trace"),
        ("# a: b\ntrace,missed\nlte\n", r"table\.csv:3: has 1 fields, the header 2"),
        ('trace,missed\nlte,"2\n', r"table\.csv:2: "),
    ],
)
def test_what_is_no_table_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_tidy_table(write(tmp_path, text), ("trace",))


def test_a_cell_that_is_no_number_is_named(tmp_path: Path) -> None:
    row = read_tidy_table(write(tmp_path, "a,b,c\nx,,nan\n")).rows[0]
    with pytest.raises(UsageError, match=r"table\.csv:2:a: 'x': must be a number or empty"):
        row.number("a")
    with pytest.raises(UsageError, match=r"table\.csv:2:b: is empty: must be a number"):
        row.required("b")
    with pytest.raises(UsageError, match=r"table\.csv:2:c: 'nan'"):
        row.number("c")


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv: cannot be read: No such file"):
        read_tidy_table(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"binary\.csv: must be UTF-8 text"):
        read_header(tmp_path / "binary.csv")
