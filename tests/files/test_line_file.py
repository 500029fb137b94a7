from __future__ import annotations

import errno
import json
import os
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.errors import UsageError
from moonjelly.files import line_file
from moonjelly.files.csv_log import CsvLog, read_records
from moonjelly.files.line_file import LineFile
from moonjelly.reporting.accuracy import read_answers


class Row(NamedTuple):
    name: str
    number: int


class FullDisk:
    """Has room for some bytes; stands in for `os.write`."""

    def __init__(self, num_free):
        self.num_free = num_free
        self.write = os.write

    def __call__(self, descriptor, data):
        if not self.num_free:
            raise OSError(errno.ENOSPC, "No space left on device")
        num_written = self.write(descriptor, data[: self.num_free])
        self.num_free -= num_written
        return num_written


def test_lines_are_handed_over_when_they_are_flushed_and_at_the_end(tmp_path):
    file = LineFile(tmp_path / "a.txt")
    file.write("one\n")
    assert (tmp_path / "a.txt").read_text() == ""
    file.flush()
    assert (tmp_path / "a.txt").read_text() == "one\n"
    file.write("two\n")
    file.close()
    file.close()
    file.flush()
    assert (tmp_path / "a.txt").read_text() == "one\ntwo\n"
    assert (file.num_lost, file.problem) == (0, "")


def test_much_is_handed_over_unasked(tmp_path):
    file = LineFile(tmp_path / "a.txt")
    for _ in range(1000):
        file.write("x" * 99 + "\n")
    size = (tmp_path / "a.txt").stat().st_size
    assert 50_000 < size < 100_000
    assert size % 100 == 0
    file.close()


@given(
    lines=st.lists(st.text(st.sampled_from("aé\n,"), max_size=9), max_size=12),
    flushes=st.sets(st.integers(0, 12)),
    num_free=st.integers(0, 80),
    is_freed=st.booleans(),
)
def test_on_a_full_disk_each_line_is_whole_or_lost_and_counted(
    tmp_path_factory, lines, flushes, num_free, is_freed
):
    path = tmp_path_factory.mktemp("disk") / "a.txt"
    disk = FullDisk(num_free)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_file.os, "write", disk)
        file = LineFile(path)
        for number, line in enumerate(lines):
            file.write(f"{number}{line}|\n")
            if number in flushes:
                file.flush()
        if is_freed:
            file.flush()
            disk.num_free = 10**6
            file.write("and more|\n")
        file.close()
    found = path.read_text().split("|\n")
    assert found.pop() == "", "no line is cut"
    if is_freed:
        assert found.pop() == "and more", "it goes on when there is room again"
    written = [f"{number}{line}" for number, line in enumerate(lines)]
    assert len(found) + file.num_lost == len(written)
    assert [one for one in written if one in found] == found
    assert (file.problem != "") == (file.num_lost > 0)


def test_a_device_that_takes_nothing_loses_every_line(tmp_path, caplog):
    (tmp_path / "a.csv").symlink_to("/dev/full")
    with CsvLog(tmp_path / "a.csv", Row) as log:
        for number in range(10):
            log.write(Row("a", number))
            log.flush()
    assert log.num_dropped == 11, "the header too"
    assert "No space left" in log.problem
    assert len(caplog.records) <= 1, "said once"


def test_a_log_whose_last_row_is_cut_is_read_without_it(tmp_path, caplog):
    path = tmp_path / "a.csv"
    for cut in ("b", "b,", "b,1"):
        path.write_text("name,number\na,1\n" + cut)
        assert read_records(path, Row) == [Row("a", 1)]
    assert caplog.messages == [f"{path}: its last line is cut, and left out"] * 3


def test_a_log_that_is_cut_before_its_first_row_says_so(tmp_path):
    path = tmp_path / "a.csv"
    for text in ("", "name,num", "name,number"):
        path.write_text(text)
        with pytest.raises(UsageError, match="lacks the columns name, number"):
            read_records(path, Row)


def test_detections_whose_last_line_is_cut_are_read_without_it(tmp_path, caplog):
    row = {"stream_id": "a", "sequence": 0, "boxes": [], "scores": [], "class_ids": []}
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row)[:-3])
    assert read_answers(path).keys() == {("a", 0)}
    assert "is cut" in caplog.text
