"""`moonjelly experiment`: a matrix of runs, here or on hosts, stopped and resumed at will."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from ..core.errors import RunError, UsageError
from ..files.process import leave_at_sigterm
from .experiment_file import SHIPPED_DIR, find_experiment, read_experiment
from .folder import PROBLEMS_FILE, ExperimentFolder, open_folder
from .hosts.fleet import Fleet
from .hosts.host import Host, read_hosts
from .live import has_networks, run_live
from .machine import describe_machine
from .matrix import RunConfig, detections_words
from .progress import START_AND_STOP_S, TerminalObserver, duration
from .running_all import CannotGoOnError, RunOne, run_missing
from .simulated import run_simulated
from .tables import RESULTS_FILE, SUMMARY_FILE

_ACTIONS = {
    "run": "run what is left of an experiment",
    "status": "tell how much is left of an experiment",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `moonjelly experiment`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    shipped = ", ".join(sorted(path.stem for path in SHIPPED_DIR.glob("*.yaml")))
    for name, summary in _ACTIONS.items():
        child = actions.add_parser(name, help=summary, allow_abbrev=False)
        child.add_argument(
            "file",
            type=Path,
            metavar="FILE",
            help=f"YAML file, or one that is shipped: {shipped}",
        )
        child.add_argument(
            "--out", type=Path, metavar="DIR", help="results (default runs/ and the file's name)"
        )
        if name == "run":
            child.add_argument(
                "--hosts",
                type=Path,
                metavar="FILE",
                help="YAML file of machines to run on, over SSH",
            )
            child.add_argument(
                "--simulated", action="store_true", help="simulate the runs in place of making them"
            )


def run(arguments: argparse.Namespace) -> int:
    """Runs what is left, or tells what that is; 1 if a run failed."""
    path = find_experiment(arguments.file)
    if arguments.action == "status":
        experiment = read_experiment(path, is_elsewhere=True)
        return _tell_status(experiment.runs(), arguments.out or Path("runs") / experiment.name)
    if arguments.hosts and arguments.simulated:
        raise UsageError("--simulated: needs no --hosts")
    hosts = read_hosts(arguments.hosts) if arguments.hosts else ()
    experiment = read_experiment(path, is_elsewhere=bool(hosts))
    name = f"{experiment.name}-simulated" if arguments.simulated else experiment.name
    out_dir: Path = arguments.out or Path("runs") / name
    runs = experiment.runs()
    if experiment.detections_zoo and not arguments.simulated and any(map(has_networks, runs)):
        raise UsageError(f"{path}: detections_zoo: is for replayed devices alone, or --simulated")
    console = Console(stderr=True, soft_wrap=True)
    try:
        leave_at_sigterm()
        with (
            open_folder(out_dir) as folder,
            _run_maker(arguments.simulated, hosts, folder, runs, console) as (run_one, machine),
        ):
            folder.claim(machine)
            folder.note_command(sys.argv, detections_words(experiment.detections_zoo))
            left = [one for one in runs if folder.finished(one) is None]
            num_finished = len(runs) - len(left)
            about_s = sum(one.span_s + START_AND_STOP_S for one in left)
            console.print(
                f"{path}: {len(runs)} runs, {num_finished} finished before; about "
                f"{duration(about_s)} left; Ctrl-C stops, the same command goes on",
                markup=False, highlight=False,
            )  # fmt: skip
            observer = TerminalObserver(
                console, len(runs), num_finished, about_s / max(1, len(left))
            )
            try:
                with observer:
                    num_failed = run_missing(runs, folder, run_one, observer)
            except (KeyboardInterrupt, CannotGoOnError):
                console.print(f"stopped after {observer.num_done} of {len(runs)} runs")
                raise
            _draw(out_dir, console)
    except OSError as error:
        raise RunError(f"--out {out_dir}: {error}") from None
    sys.stdout.write(f"{out_dir / RESULTS_FILE}\n{out_dir / SUMMARY_FILE}\n")
    if num_failed:
        sys.stderr.write(
            f"moonjelly: {num_failed} of {len(runs)} runs failed; they lie in {out_dir / 'failed'}, "
            f"are in no table, and the same command tries them again\n"
        )
    return 1 if num_failed else 0


@contextlib.contextmanager
def _run_maker(
    is_simulated: bool,
    hosts: Sequence[Host],
    folder: ExperimentFolder,
    runs: Sequence[RunConfig],
    console: Console,
) -> Iterator[tuple[RunOne, Mapping[str, str]]]:
    """What makes a run, here or on hosts, and the machines that it uses."""
    if not hosts:
        machine = {"kind": "simulation" if is_simulated else "live run", **describe_machine()}
        yield (
            functools.partial(run_simulated if is_simulated else run_live, machine=machine),
            machine,
        )
        return
    missing = [one for one in runs if folder.finished(one) is None]
    fleet = Fleet(hosts, folder.experiment_id, console, missing)
    with asyncio.Runner() as runner:
        try:
            runner.run(fleet.open())
            yield (
                lambda run, draft, on_progress: runner.run(fleet.make_run(run, draft, on_progress)),
                fleet.machine,
            )
        finally:
            runner.run(fleet.close())


def _draw(out_dir: Path, console: Console) -> None:
    """Draws the figures of the finished runs."""
    from ..reporting.figures import draw_folder  # noqa: PLC0415 matplotlib takes a second
    from ..reporting.figures.experiment import read_experiment as read_tables  # noqa: PLC0415

    try:
        read_tables(out_dir).pool_latencies()
        drawn = draw_folder(out_dir)
    except UsageError as error:  # for example, no run has finished
        console.print(f"no figures: {error}", markup=False, highlight=False)
    else:
        console.print(f"{len(drawn)} files in {out_dir / 'figures'}", markup=False, highlight=False)


def _tell_status(runs: Sequence[RunConfig], out_dir: Path) -> int:
    """Writes how many runs have finished, have failed and are left; 1 if one failed."""
    folder = ExperimentFolder(out_dir)
    finished = [run for run in runs if folder.finished(run) is not None]
    failed = [path for run in runs if (path := folder.failed(run)) is not None]
    sys.stdout.write(
        f"{out_dir}: {len(runs)} runs: {len(finished)} finished, {len(failed)} failed, "
        f"{len(runs) - len(finished) - len(failed)} not tried\n"
    )
    for path in failed:
        problems = (path / PROBLEMS_FILE).read_text(encoding="utf-8").splitlines()
        sys.stdout.write(f"failed: {path}: {problems[0] if problems else 'unknown'}\n")
    return 1 if failed else 0
