from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.errors import UsageError
from moonjelly.core.records import BatchRecord, FrameRecord, PlanRecord, ServerFrameRecord
from moonjelly.files.csv_log import CsvLog, read_records
from moonjelly.reporting.run_logs import LinkRate


class Sample(NamedTuple):
    name: str
    number: int
    share: float
    side_px: int | None = None
    spent_ms: float | None = None


ROWS = [Sample("7", 1, 0.5), Sample('a,"b"', -2, 1e3, 416, 1.25), Sample("", 0, 0.0)]


def write(path: Path) -> None:
    with CsvLog(path, Sample) as log:
        for row in ROWS:
            log.write(row)


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    write(tmp_path / "log.csv")
    assert read_records(tmp_path / "log.csv", Sample) == ROWS


def test_columns_may_be_added_later_without_hurting_old_readers(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("extra,name,number,share,side_px,spent_ms\nx,a,1,2,,\n")
    assert read_records(path, Sample) == [Sample("a", 1, 2.0)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name,number\na,1\n", r"log\.csv:1: lacks the columns share, side_px, spent_ms"),
        ("", r"log\.csv:1: lacks the columns"),
        ("name,number,share,side_px,spent_ms\na,1,2,,\nb,one,2,,\n", r"log\.csv:3:number: 'one'"),
        ("name,number,share,side_px,spent_ms\na,1\n", r"log\.csv:2: "),
    ],
)
def test_a_broken_log_is_refused_with_its_row(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_records(path, Sample)


def test_a_log_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"log\.csv: cannot be read"):
        read_records(tmp_path / "log.csv", Sample)


def test_a_full_disk_costs_rows_and_not_the_run() -> None:
    log = CsvLog(Path("/dev/full"), Sample)
    for _ in range(10_000):
        log.write(ROWS[0])
    log.flush()
    log.close()
    assert log.num_dropped > 0


@pytest.mark.parametrize(
    "record", [FrameRecord, ServerFrameRecord, PlanRecord, BatchRecord, LinkRate]
)
def test_every_column_of_every_log_is_explained(record: type[NamedTuple]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    missing = [name for name in record._fields if f"`{name}`" not in text]
    assert missing == []


class Odd(NamedTuple):
    name: str
    spent_ms: float | None
    number: int | None


@given(
    st.lists(
        st.builds(
            Odd,
            st.text(st.sampled_from(["a", "é", ",", '"', "\n", "\r", " ", "%", "'"]), max_size=6),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.integers(),
        ),
        max_size=5,
    )
)
def test_rows_are_written_as_the_csv_module_writes_them(rows: list[Odd]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        with CsvLog(path, Odd) as log:
            for row in rows:
                log.write(row)
        written = path.read_bytes().decode()
    expected = io.StringIO()
    writer = csv.writer(expected, lineterminator="\n")
    writer.writerow(Odd._fields)
    for name, spent_ms, number in rows:
        writer.writerow([name, "" if spent_ms is None else f"{spent_ms:.3f}", number])
    assert written == expected.getvalue()


def test_what_serves_or_streams_starts_without_the_library_that_reads_tables() -> None:
    modules = (
        "client, client.command, server.command, server.endpoint.process, server.executors.process"
    )
    imports = ", ".join(f"moonjelly.{name.strip()}" for name in modules.split(","))
    code = f"import sys, {imports}; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
