from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from moonjelly.core.errors import RunError
from moonjelly.reporting.csv_log import read_csv
from moonjelly.server.run_log import open_log


class Row(NamedTuple):
    number: int


def test_no_folder_means_no_log() -> None:
    assert open_log("", "rows", Row) is None


def test_a_successor_writes_beside_its_predecessor(tmp_path: Path) -> None:
    for number in range(3):
        log = open_log(str(tmp_path), "rows", Row)
        assert log is not None
        with log:
            log.write(Row(number))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["rows-2.csv", "rows-3.csv", "rows.csv"]
    assert read_csv(tmp_path / "rows-2.csv") == [{"number": 1}]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="out_dir="):
        open_log(str(tmp_path / "missing"), "rows", Row)
