"""The one kind of progress bar that people see."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_A_DAY_S = 86_400.0  # the time left is that of all steps so far: one of them may take minutes


def progress_bar(
    console: Console, *told: str | ProgressColumn, is_long: bool = False, is_kept: bool = True
) -> Progress:
    """What is done, a bar, and the time that it has taken.

    Args:
        console: where it is shown.
        told: what stands behind the bar, as rich takes it.
        is_long: whether the time that is left is shown, too.
        is_kept: whether the bar stays when it is full.
    """
    left = ("left", TimeRemainingColumn()) if is_long else ()
    return Progress(
        "{task.description}",
        BarColumn(),
        *told,
        TimeElapsedColumn(),
        *left,
        console=console,
        transient=not is_kept,
        speed_estimate_period=_A_DAY_S,
    )
