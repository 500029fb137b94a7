"""What the scripts under `plots/` have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from ...core.errors import MoonjellyError
from ..run_logs import RunLogs, read_run_logs
from .style import save_png


def rebuild(description: str, name: str, draw: Callable[[RunLogs], Figure]) -> int:
    """Rebuilds one figure of a run from its folder, as the command line says; returns the exit status.

    Args:
        description: one line of help.
        name: of the file, `<name>.png` in the run's folder if nothing else is asked for.
        draw: draws the figure.
    """
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"default: RUN/{name}.png")
    arguments = parser.parse_args()
    try:
        figure = draw(read_run_logs(arguments.run))
    except MoonjellyError as error:
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return error.exit_status
    out: Path = arguments.out or arguments.run / f"{name}.png"
    save_png(figure, out)
    sys.stdout.write(f"{out}\n")
    return 0
