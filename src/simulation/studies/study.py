"""Runs the parts of a study on some processes, into a table that is whole at any moment."""

from __future__ import annotations

import csv
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from ...core.errors import UsageError
from ...files.progress import LEFT, progress_bar
from ...files.tidy_table import read_notes, read_tidy_table
from ...files.whole_file import whole_file

Part = TypeVar("Part")
Row = Mapping[str, object]
KEYS = ("num_devices", "clients_per_device", "instance")


class StudyTable:
    """A CSV file to which whole parts are added; an interrupted study goes on from it.

    Attributes:
        rows: so far, as text.
    """

    def __init__(self, path: Path, columns: Sequence[str], notes: Mapping[str, str]) -> None:
        """Reads what is there already.

        Args:
            path: of the file.
            columns: of its rows; the first are KEYS, which name a part.
            notes: what it was made with; `command` may differ, others may not.

        Raises:
            UsageError: if the file is another study's.
        """
        self._path = path
        self._columns = tuple(columns)
        self._notes = notes
        self.rows: list[Mapping[str, str]] = []
        if path.exists():
            former = read_notes(path)
            for key, value in notes.items():
                if key != "command" and former.get(key) != value:
                    raise UsageError(
                        f"--out: {path} was made with {key} {former.get(key, 'unknown')}, "
                        f"not {value}: give the same options, or another folder"
                    )
            self.rows += read_tidy_table(path, dict.fromkeys(self._columns, str)).to_dicts()

    def parts(self) -> set[tuple[int, ...]]:
        """The parts that are there, by KEYS."""
        return {tuple(int(row[key]) for key in KEYS) for row in self.rows}

    def add(self, rows: Sequence[Row]) -> None:
        """Adds the rows of one part, and replaces the file."""
        self.rows += [{name: _text(row[name]) for name in self._columns} for row in rows]
        self.rows.sort(key=lambda row: tuple(int(row[key]) for key in KEYS))
        with whole_file(self._path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            file.writelines(f"# {key}: {value}\n" for key, value in self._notes.items())
            writer = csv.DictWriter(file, self._columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


def run_parts(
    parts: Sequence[Part],
    work: Callable[[Part], list[dict[str, object]]],
    table: StudyTable,
    num_workers: int,
) -> None:
    """Works through parts, adds each to the table, and shows how far it is and how long it takes."""
    amount = "{task.completed:.0f}/{task.total:.0f}"
    progress = progress_bar(amount, *LEFT, console=Console(stderr=True))
    with progress:
        task = progress.add_task("instances", total=len(parts))
        for rows in _results(parts, work, num_workers):
            table.add(rows)
            progress.advance(task)


def _results(
    parts: Sequence[Part], work: Callable[[Part], list[dict[str, object]]], num_workers: int
) -> Iterator[list[dict[str, object]]]:
    if num_workers == 1:
        yield from map(work, parts)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_workers, mp_context=context)
    try:
        for done in as_completed([pool.submit(work, part) for part in parts]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _text(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)
