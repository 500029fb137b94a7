"""The bar that commands show while they work."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LEFT = (TextColumn("left"), TimeRemainingColumn())
PERCENT = "{task.percentage:>3.0f}%"


def progress_bar(
    amount: str, *more: ProgressColumn, console: Console, is_transient: bool = False
) -> Progress:
    """A bar between what is being done and how much of it is (fields of `task`), with the time that it took so far.

    More may stand at the end, for instance `*LEFT`; a transient one goes when it is done.
    """
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn(amount), TimeElapsedColumn(), *more,
        console=console, transient=is_transient,
    )  # fmt: skip
