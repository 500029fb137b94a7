"""`moonjelly experiment run`: a matrix of runs on this machine, stopped and resumed at will."""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from ..core.errors import RunError
from .campaign import run_missing
from .experiment_file import SHIPPED_DIR, find_experiment, read_experiment
from .folder import open_folder
from .live import run_live
from .machine import describe_machine
from .progress import START_AND_STOP_S, TerminalObserver, duration
from .tables import RESULTS_FILE, SUMMARY_FILE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `moonjelly experiment`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    child = actions.add_parser("run", help="run what is left of an experiment", allow_abbrev=False)
    shipped = ", ".join(sorted(path.stem for path in SHIPPED_DIR.glob("*.yaml")))
    child.add_argument(
        "file", type=Path, metavar="FILE", help=f"YAML file, or one that is shipped: {shipped}"
    )
    child.add_argument(
        "--out", type=Path, metavar="DIR", help="results (default runs/ and the file's name)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs what is left; 1 if a run failed."""
    signal.signal(signal.SIGTERM, _leave)
    path = find_experiment(arguments.file)
    experiment = read_experiment(path)
    out_dir: Path = arguments.out or Path("runs") / experiment.name
    runs = experiment.runs()
    machine = describe_machine()
    console = Console(stderr=True, soft_wrap=True)
    try:
        with open_folder(out_dir, machine) as folder:
            num_finished = sum(folder.finished(one) is not None for one in runs)
            about_s = (len(runs) - num_finished) * (experiment.seconds + START_AND_STOP_S)
            console.print(
                f"{path}: {len(runs)} runs, {num_finished} finished before; about "
                f"{duration(about_s)} left; Ctrl-C stops, the same command goes on",
                markup=False, highlight=False,
            )  # fmt: skip
            observer = TerminalObserver(console, len(runs), num_finished, experiment.seconds)
            try:
                with observer:
                    num_failed = run_missing(
                        runs, folder, functools.partial(run_live, machine=machine), observer
                    )
            except KeyboardInterrupt:
                console.print(f"stopped after {observer.num_done} of {len(runs)} runs")
                raise
    except OSError as error:
        raise RunError(f"--out {out_dir}: {error}") from None
    sys.stdout.write(f"{out_dir / RESULTS_FILE}\n{out_dir / SUMMARY_FILE}\n")
    if num_failed:
        sys.stderr.write(
            f"moonjelly: {num_failed} of {len(runs)} runs failed; they lie in {out_dir / 'failed'}, "
            f"are in no table, and the same command tries them again\n"
        )
    return 1 if num_failed else 0


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    """Ends as by an error, so that whatever was started is stopped."""
    raise SystemExit(128 + signum)
