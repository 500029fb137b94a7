"""Runs a study part by part on some processes, into a table that is whole at any moment."""

from __future__ import annotations

import argparse
import csv
import itertools
import multiprocessing
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeAlias

from rich.console import Console

from ...core.errors import UsageError
from ...files.progress import LEFT, progress_bar
from ...files.tidy_table import read_notes, read_tidy_table
from ...files.whole_file import whole_file
from ...scheduling.planning.registry import planner
from ...scheduling.planning.rules import Score, score
from .instances import Size, StudyInstance
from .options import make_folder, planners_of, sizes_of

Row: TypeAlias = Mapping[str, object]
TextRow: TypeAlias = Mapping[str, str]
KEYS = ("num_devices", "clients_per_device", "instance")


@dataclass(frozen=True, slots=True)
class Part:
    """One instance of a study."""

    size: Size
    number: int

    def keys(self) -> dict[str, object]:
        """The columns of its rows that name it."""
        values = (self.size.num_devices, self.size.clients_per_device, self.number)
        return dict(zip(KEYS, values, strict=True))


def timed_plan(drawn: StudyInstance, name: str, seed: int) -> tuple[Score, float, float]:
    """How good a planner's plan is, and what it took (ms): time, and time of the processor."""
    chosen, random = planner(name), Random(seed)  # noqa: S311 - a seed fixes the plan
    start_s, start_processor_s = time.perf_counter(), time.process_time()
    plan = chosen.plan(drawn.problem, drawn.first, random)
    plan_ms = 1000 * (time.perf_counter() - start_s)
    processor_ms = 1000 * (time.process_time() - start_processor_s)
    return score(drawn.problem, plan), plan_ms, processor_ms


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
        self.rows: list[TextRow] = []
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


def run_study(
    arguments: argparse.Namespace,
    name: str,
    columns: Sequence[str],
    notes: Mapping[str, str],
    work: Callable[..., list[Row]],
    summary_line: Callable[[Sequence[TextRow]], str],
) -> int:
    """Works through what is left of a study, sums it up for each size and planner, and draws it.

    Args:
        arguments: what was asked for.
        name: of its table and its figure.
        columns: see `StudyTable`; `planner` is one.
        notes: what its rows depend on beside seed and planners.
        work: makes the rows of a part; takes `seed` and `planners` too.
        summary_line: tells of the rows of one planner at one size.
    """
    from ...reporting.figures import draw_folder  # noqa: PLC0415 - matplotlib takes a second

    sizes, names = sizes_of(arguments), planners_of(arguments)
    folder: Path = arguments.out
    make_folder(folder)
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    made_with = {"command": command, "seed": str(arguments.seed), "planners": ",".join(names)}
    table = StudyTable(folder / f"{name}.csv", columns, made_with | dict(notes))
    done = table.parts()
    parts = [
        part
        for number in range(arguments.instances)
        for part in (Part(size, number) for size in sizes)
        if tuple(part.keys().values()) not in done
    ]
    work = partial(work, seed=arguments.seed, planners=names)
    progress = progress_bar(
        "{task.completed:.0f}/{task.total:.0f}", *LEFT, console=Console(stderr=True)
    )
    with progress:
        for rows in progress.track(
            _results(parts, work, arguments.workers), len(parts), description="instances"
        ):
            table.add(rows)
    for size, rows in itertools.groupby(table.rows, lambda row: (row[KEYS[0]], row[KEYS[1]])):
        of_size = list(rows)
        for one in names:
            if own := [row for row in of_size if row["planner"] == one]:
                line = f"{size[0]:>2s} x {size[1]:>2s} {one}: {summary_line(own)}"
                sys.stdout.write(f"{line}\n")
    paths = draw_folder(folder, folder, [name])
    sys.stdout.write(f"\n{folder / name}.csv\n" + "".join(f"{path}\n" for path in paths))
    return 0


def _results(
    parts: Sequence[Part], work: Callable[[Part], list[Row]], num_workers: int
) -> Iterator[list[Row]]:
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
