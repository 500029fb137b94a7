from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import pytest

from moonjelly.files.tidy_table import read_tidy_table
from moonjelly.server.run_log import RunLog, open_log


class Row(NamedTuple):
    number: int


def test_no_folder_means_no_log() -> None:
    assert open_log("", "rows", Row) is None


def test_a_successor_writes_beside_its_predecessor(tmp_path: Path) -> None:
    for number in range(3):
        log = RunLog(tmp_path, "rows", Row)
        log.write(Row(number))
        log.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["rows-2.csv", "rows-3.csv", "rows.csv"]
    assert read_tidy_table(tmp_path / "rows-2.csv", {}).to_dicts() == [{"number": 1}]


@pytest.mark.parametrize("spoil", ["missing", "file"])
def test_without_its_folder_a_process_goes_on_and_says_so_once(tmp_path, caplog, spoil) -> None:
    folder = tmp_path / "out"
    if spoil == "file":
        folder.touch()
    log = RunLog(folder, "rows", Row)
    for number in range(100):
        log.write(Row(number))
    log.flush()
    log.close()
    assert log.num_dropped == 100
    (record,) = caplog.records
    assert f"out_dir={folder}: " in record.getMessage()
    assert "serving without rows" in record.getMessage()


def test_a_folder_in_the_place_of_the_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").mkdir()
    log = RunLog(tmp_path, "rows", Row)
    log.write(Row(1))
    log.close()
    assert read_tidy_table(tmp_path / "rows-2.csv", {}).to_dicts() == [{"number": 1}]


def test_a_long_log_comes_in_parts_that_together_hold_every_row_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "rows", Row, part_bytes=100)
    for number in range(200):
        log.write(Row(number))
    log.close()
    parts = [*tmp_path.iterdir()]
    assert all(path.stat().st_size < 120 for path in parts)
    rows = [row["number"] for path in parts for row in read_tidy_table(path, {}).to_dicts()]
    assert sorted(rows) == [*range(200)]


def test_the_oldest_part_goes_when_there_are_too_many(tmp_path: Path, caplog) -> None:
    others = [tmp_path / "rows-elsewhere.csv", tmp_path / "other.csv"]
    for other in others:
        other.write_text("another log's\n")
    log = RunLog(tmp_path, "rows", Row, part_bytes=100, max_parts=3)
    for number in range(1000):
        log.write(Row(number))
    log.close()
    assert all(other.exists() for other in others)
    parts = [path for path in tmp_path.iterdir() if path not in others]
    assert len(parts) == 3
    rows = [row["number"] for path in parts for row in read_tidy_table(path, {}).to_dicts()]
    assert sorted(rows) == [*range(1000 - len(rows), 1000)]
    assert any(record.levelno == logging.WARNING for record in caplog.records)


def test_what_processes_that_came_before_have_left_counts(tmp_path: Path) -> None:
    for number in range(1000):
        log = RunLog(tmp_path, "rows", Row, part_bytes=320, max_parts=3)
        log.write(Row(number))
        log.close()
    names = [*tmp_path.iterdir()]
    assert 3 < len(names) < 3 * 320 / len("number\n999\n")
    rows = [row["number"] for path in names for row in read_tidy_table(path, {}).to_dicts()]
    assert sorted(rows) == [*range(1000 - len(rows), 1000)]


def test_a_folder_that_vanishes_later_costs_the_log_alone(tmp_path: Path, caplog) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    log = RunLog(folder, "rows", Row, part_bytes=100)
    log.write(Row(1))
    (folder / "rows.csv").unlink()
    folder.rmdir()
    for number in range(100):
        log.write(Row(number))
    log.close()
    assert log.num_dropped > 0
    assert len(caplog.records) == 1
