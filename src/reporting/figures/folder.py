"""Draws every figure that the files of a folder allow, each with a caption that says where it is from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from ...core.errors import UsageError
from .experiment import experiment_plates
from .gallery import FOLLOWING, RUN_FIGURES, run_plates
from .plate import Plate
from .tables import TABLE_FIGURES, table_plates
from .zoo import zoo_plates

OUT_DIR = "figures"  # in the folder itself
SOURCES: tuple[tuple[str, Callable[[Path], list[Plate]]], ...] = (
    ("a run (run.json, frames.csv)", run_plates),
    ("an experiment (results.csv, summary.csv, runs/)", experiment_plates),
    ("a zoo (variants.csv, latency-*.csv)", zoo_plates),
    ("tables of benchmarks (*.csv)", table_plates),
)


def figure_names() -> tuple[str, ...]:
    """The kinds of figures there are."""
    names = [one.name for one in (*RUN_FIGURES, FOLLOWING)]
    names += ["clients", "joules", "latency_cdf", "profiles", *(one.name for one in TABLE_FIGURES)]
    return tuple(names)


def draw_folder(
    folder: Path, out_dir: Path | None = None, only: Collection[str] = ()
) -> list[Path]:
    """Draws the figures of a run, an experiment, a zoo or the results of benchmarks.

    Each becomes NAME.pdf, NAME.png, and NAME.txt with its caption, the command that made its data and
    the one that draws it. The same files give the same bytes.

    Args:
        folder: with the data.
        out_dir: made if it is not there; `figures` in the folder if None.
        only: kinds of figures to draw; all if empty.

    Raises:
        UsageError: if there is nothing to draw, or a file is broken.
        OSError: if they cannot be written.
    """
    names = figure_names()
    for name in only:
        if name not in names:
            raise UsageError(f"figure {name}: must be one of {', '.join(names)}")
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder")
    plates = [plate for _, find in SOURCES for plate in find(folder)]
    if not plates:
        known = "; ".join(what for what, _ in SOURCES)
        raise UsageError(f"{folder}: holds nothing to draw; it must hold {known}")
    found = dict.fromkeys(plate.figure for plate in plates)
    for name in only:
        if name not in found:
            raise UsageError(
                f"figure {name}: {folder} holds no data for it; it has data for {', '.join(found)}"
            )
    out_dir = out_dir or folder / OUT_DIR
    out_dir.mkdir(parents=True, exist_ok=True)
    return [
        path
        for plate in plates
        if not only or plate.figure in only
        for path in plate.write(folder, out_dir)
    ]
