"""`moonjelly simulate run`."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..core.errors import RunError
from ..reporting.html import write_report
from ..reporting.run_folder import REPORT_FILE, SUMMARY_FILE, write_run_info
from ..reporting.run_logs import read_run_logs
from ..reporting.summary import Summary, summarise, write_summary
from ..reporting.table import outcome_table
from .run_folder import SimulationLogs, run_info, write_links
from .scenario import Scenario
from .scenario_file import read_scenario
from .simulation import Simulation

DEFAULT_OUT = Path("runs/simulation")
PROGRESS_STEP_MS = 250.0
MAX_DRAWN_STREAMS = 24  # figures have a row for each


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("scenario", type=Path, metavar="SCENARIO.yaml")
    parser.add_argument("--seed", type=_seed, metavar="N", help="in place of the scenario's")
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="default: %(default)s"
    )


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number of at least 0")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Runs a scenario; 1 if the frames do not add up."""
    scenario = read_scenario(arguments.scenario, arguments.seed)
    folder: Path = arguments.out
    console = Console(stderr=True, soft_wrap=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (REPORT_FILE, SUMMARY_FILE):  # of an earlier run; this one may fail
            (folder / name).unlink(missing_ok=True)
        simulation, took_s = _simulate(scenario, folder, console)
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        write_run_info(folder, run_info(simulation, command))
        summary = _report(folder, len(scenario.streams))
    except OSError as error:
        raise RunError(f"--out {folder}: {error}") from None
    Console().print(outcome_table(summary))
    for result in simulation.results():
        if result.refusal is not None:
            console.print(f"{result.stream.stream_id}: refused, {result.refusal.detail}")
    frames_per_s = summary.total.captured / max(took_s, 1e-9)
    console.print(
        f"{simulation.num_plans} plans; simulated in {took_s:.1f} s, {frames_per_s:.0f} frames/s"
    )
    sys.stdout.write(f"\nresults: {folder}\n")
    problems = summary.problems()
    for problem in problems:
        sys.stderr.write(f"moonjelly: {problem}\n")
    return 1 if problems else 0


def _simulate(scenario: Scenario, folder: Path, console: Console) -> tuple[Simulation, float]:
    """Runs behind a progress bar; returns the run, and how long it took (s)."""
    progress = Progress(
        TextColumn("simulated"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
        TimeElapsedColumn(),
        console=console,
    )
    write_links(folder, scenario)
    start_s = time.perf_counter()
    with SimulationLogs(folder, scenario) as logs, progress:
        simulation = Simulation(scenario, logs.observers())
        task = progress.add_task("", total=scenario.seconds)
        end_ms = 1000.0 * scenario.seconds
        for step in range(1, math.ceil(end_ms / PROGRESS_STEP_MS) + 1):
            simulation.run_until(step * PROGRESS_STEP_MS)
            progress.update(task, completed=min(step * PROGRESS_STEP_MS, end_ms) / 1000)
        simulation.run_until(math.inf)
    return simulation, time.perf_counter() - start_s


def _report(folder: Path, num_streams: int) -> Summary:
    """Writes summary, figures and page from the logs, as for a live run."""
    logs = read_run_logs(folder)
    summary = summarise(logs.info, (row for rows in logs.frames.values() for row in rows))
    write_summary(folder, summary)
    figures = []
    if summary.total.captured and num_streams <= MAX_DRAWN_STREAMS:
        from ..reporting.figures import write_figures  # noqa: PLC0415  # matplotlib takes a second

        figures = write_figures(folder, logs)
    write_report(folder, logs.info, summary, figures)
    return summary
