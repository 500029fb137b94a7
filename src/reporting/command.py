"""`moonjelly figures`: draws what the files of a folder allow."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..core.errors import RunError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `moonjelly figures`."""
    from .figures import figure_names  # noqa: PLC0415  # matplotlib takes a second

    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="of a run, an experiment, a zoo, or results of benchmarks",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: FOLDER/figures")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help=f"draw these alone, may be repeated: {', '.join(figure_names())}",
    )


def run(arguments: argparse.Namespace) -> int:
    """Draws the figures and prints the paths of the pictures."""
    from .figures import draw_folder  # noqa: PLC0415

    try:
        paths = draw_folder(arguments.folder, arguments.out, arguments.only)
    except OSError as error:
        raise RunError(f"figures of {arguments.folder}: {error}") from None
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return 0
