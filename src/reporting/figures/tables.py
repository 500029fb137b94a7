"""The figures of tables that benchmarks write, known by their columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from ..tidy_table import TidyTable, read_header, read_tidy_table
from .experiment import RESULTS_FILE, RIVALS_TEXT, SUMMARY_FILE
from .plate import Plate
from .rivals import draw_rivals

COMMAND_NOTE = "command"
OF_EXPERIMENTS = (RESULTS_FILE, SUMMARY_FILE)


@dataclass(frozen=True, slots=True)
class TableFigure:
    """One figure of a table.

    Attributes:
        name: as `--only` takes it.
        columns: that a table must have to be drawn so.
        draw: draws it.
        title: heading of its caption.
        text: what it shows, in a sentence or two.
    """

    name: str
    columns: tuple[str, ...]
    draw: Callable[[TidyTable], Figure]
    title: str
    text: str


def _draw_policies(table: TidyTable) -> Figure:
    factors = table.columns[: table.columns.index("captured")]
    policies = {name: table.where(policy=name) for name in table.levels("policy")}
    return draw_rivals(table, factors, policies)


TABLE_FIGURES: tuple[TableFigure, ...] = (
    TableFigure(
        "rivals",
        ("trace", "slo_ms", "policy", "seed", "captured", "late", "dropped", "profile_map"),
        _draw_policies,
        "Rival policies",
        RIVALS_TEXT,
    ),
)


def table_plates(folder: Path) -> list[Plate]:
    """The figures that the tables of a folder allow.

    Raises:
        UsageError: if a table cannot be read.
    """
    return [
        Plate(
            figure=figure.name,
            part="" if path.stem == figure.name else path.stem,
            title=figure.title,
            text=figure.text,
            sources=(path,),
            command=_command(path),
            draw=partial(_draw, figure, path),
        )
        for path in sorted(folder.glob("*.csv"))
        for figure in TABLE_FIGURES
        if path.name not in OF_EXPERIMENTS and set(figure.columns) <= set(read_header(path))
    ]


def _draw(figure: TableFigure, path: Path) -> Figure:
    return figure.draw(read_tidy_table(path, figure.columns))


def _command(path: Path) -> str:
    return read_tidy_table(path).notes.get(COMMAND_NOTE, f"not noted in {path}")
