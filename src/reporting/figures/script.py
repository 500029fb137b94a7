"""What the scripts under `plots/` have in common."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ...core.errors import MoonjellyError
from .folder import OUT_DIR, draw_folder


def rebuild(name: str, description: str) -> int:
    """Draws one kind of figure of a folder, as the command line says; returns the exit status.

    Args:
        name: of the figure.
        description: of the script; its first line is shown as help.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0], allow_abbrev=False)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with the data")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"default: FOLDER/{OUT_DIR}")
    arguments = parser.parse_args()
    try:
        paths = draw_folder(arguments.folder, arguments.out, [name])
    except MoonjellyError as error:
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return error.exit_status
    except OSError as error:
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return 1
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return 0
