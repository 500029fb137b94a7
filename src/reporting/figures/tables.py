"""The figures of tables that benchmarks write, known by their columns."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from ...files.tidy_table import Columns, read_notes, read_tidy_table
from ..latency_table import LATENCIES_FILE
from . import boards, estimators, planning, sharing, studies, twin
from .experiment import RESULTS_FILE, RIVALS_TEXT, SUMMARY_FILE
from .plate import Kind, Plate
from .rivals import draw_rivals

COMMAND_NOTE = "command"
OF_EXPERIMENTS = (RESULTS_FILE, SUMMARY_FILE, LATENCIES_FILE)


@dataclass(frozen=True, slots=True)
class TableFigure(Kind[pl.DataFrame]):
    """A figure of a table, which must have certain columns to be drawn so."""

    columns: Columns


POLICIES_COLUMNS = {
    "trace": str, "slo_ms": float, "policy": str, "seed": int, "captured": int, "late": int,
    "dropped": int, "profile_map": float | None,
}  # fmt: skip


def _draw_policies(table: pl.DataFrame) -> Figure:
    factors = table.columns[: table.columns.index("captured")]
    return draw_rivals(table.with_columns(rival="policy"), factors)


TABLE_FIGURES: tuple[TableFigure, ...] = (
    TableFigure(
        "rivals",
        _draw_policies,
        "Rival policies",
        RIVALS_TEXT,
        columns=POLICIES_COLUMNS,
    ),
    TableFigure(
        "estimators",
        estimators.draw_estimators,
        "Errors of bandwidth estimators",
        "Share of estimates that are off the true rate of the link by at most x % at the moment when a "
        "frame is sent, on each recorded link. Further left is better; the median is where a line crosses "
        "the dotted one.",
        columns=estimators.COLUMNS,
    ),
    TableFigure(
        "twin",
        twin.draw_twin,
        "Live runs against the same runs simulated",
        "Each point is a cell of an experiment, by medians over its runs. On the dotted line both agree; "
        "in the grey band their shares in time differ by at most two points.",
        columns=twin.COLUMNS,
    ),
    TableFigure(
        "compare",
        studies.draw_compare,
        "Planners against the proved optimum",
        "Accuracy below the optimum on random instances, where it was proved and as many were served: least, "
        "quartiles, most. Under each size, the share of instances whose optimum was found.",
        columns=studies.COMPARE_COLUMNS,
    ),
    TableFigure(
        "timings",
        studies.draw_timings,
        "Time of a plan",
        "Median processor time of a plan by devices and clients of each; the bars reach from the least to the "
        "most, the line is a period of 0.5 s.",
        columns=studies.TIMINGS_COLUMNS,
    ),
    TableFigure(
        "sharing",
        sharing.draw_sharing,
        "Sharing a device",
        "Shares of the time and energy of finished inferences, by the time-fair factor phi. Points were measured (simulated, "
        "or live where they are hollow), lines are what the closed form entitles to.",
        columns=sharing.COLUMNS,
    ),
    TableFigure(
        "arrival",
        sharing.draw_arrival,
        "Sharing a device with one that comes and goes",
        "Shares of the device's time in windows that end at each point; lines are what the closed form entitles to.",
        columns=sharing.ARRIVAL_COLUMNS,
    ),
    TableFigure(
        "planning",
        planning.draw_planning,
        "Planners by size",
        "Processor time of a plan, with a line at a period of 0.5 s, and by how much its accuracy is below the "
        "bound of the relaxation, where everybody is served.",
        columns=planning.COLUMNS,
    ),
    TableFigure(
        "boards",
        boards.draw_boards,
        "Boards with clocks",
        "Each point is a load under a policy: what all boards draw by frames, idle power included, and the share of frames that were "
        "answered by their deadlines.",
        columns=boards.COLUMNS,
    ),
)


def table_plates(folder: Path) -> list[Plate]:
    """The figures that the tables of a folder allow.

    Raises:
        UsageError: if a table cannot be read.
    """
    headers = {
        path: _header(path)
        for path in sorted(folder.glob("*.csv"))
        if path.name not in OF_EXPERIMENTS
    }
    plates: list[Plate] = []
    for figure in TABLE_FIGURES:
        paths = [path for path, header in headers.items() if figure.columns.keys() <= header]
        plates += [
            figure.plate(
                (path,),
                _command(path),
                partial(read_tidy_table, path, figure.columns),
                path.stem if len(paths) > 1 else "",
            )
            for path in paths
        ]
    return plates


def _header(path: Path) -> Set[str]:
    """The columns of a file; none if it is no table."""
    try:
        lazy = pl.scan_csv(path, comment_prefix="#", infer_schema=False, glob=False)
        return lazy.collect_schema().keys()
    except (pl.exceptions.PolarsError, OSError):
        return set()


def _command(path: Path) -> str:
    return read_notes(path).get(COMMAND_NOTE, f"not noted in {path}")
