from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.files.tidy_table import levels, read_notes, read_tidy_table

TEXT = "# command: python x.py --a 1\nclients,trace,missed\n10,lte,0.5\n2,wifi,\n10,lte,0.25\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("columns", [{}, {"clients": int, "trace": str, "missed": float | None}])
def test_rows_are_read_with_the_notes_on_top(tmp_path: Path, columns: dict) -> None:
    path = write(tmp_path, TEXT)
    table = read_tidy_table(path, columns)
    assert read_notes(path) == {"command": "python x.py --a 1"}
    assert table.rows() == [(10, "lte", 0.5), (2, "wifi", None), (10, "lte", 0.25)]
    assert levels(table["clients"]) == [2, 10]  # by size, not as text
    assert levels(table["trace"]) == ["lte", "wifi"]


def test_a_column_that_was_asked_for_as_text_stays_text(tmp_path: Path) -> None:
    table = read_tidy_table(write(tmp_path, "policy,clients,note\n7,1,\n8,,x\n"), {"policy": str})
    assert table.rows() == [("7", 1, ""), ("8", None, "x")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"table\.csv:1: lacks the columns trace"),
        ("clients,missed\n1,2\n", r"table\.csv:1: lacks the columns trace"),
        ("# a: b\ntrace,missed\nlte\n", r"table\.csv:3: has 1 fields, the header 2"),
        ("trace,missed\nlte,1\nlte,1,2\n", r"table\.csv:3: has 3 fields, the header 2"),
        ('trace,missed\nlte,"2\n', r"table\.csv: "),
        ('trace,missed\n"a,b",1,2\n', r"table\.csv: "),
    ],
)
def test_what_is_no_table_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        read_tidy_table(write(tmp_path, text), {"trace": str})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": float | None}, r"table\.csv:3:a: 'x': must be a number or empty"),
        ({"b": float}, r"table\.csv:3:b: '': must be a number$"),
        ({"c": float}, r"table\.csv:3:c: 'nan': must be a number$"),
        ({"d": int}, r"table\.csv:3:d: '1.5': must be a whole number$"),
    ],
)
def test_a_cell_of_another_kind_is_named(tmp_path: Path, columns: dict, message: str) -> None:
    path = write(tmp_path, "# of: a test\na,b,c,d\nx,,nan,1.5\n")
    with pytest.raises(UsageError, match=message):
        read_tidy_table(path, columns)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv: cannot be read: No such file"):
        read_tidy_table(tmp_path / "none.csv", {})
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"binary\.csv: must be UTF-8 text"):
        read_notes(tmp_path / "binary.csv")
