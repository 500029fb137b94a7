"""`moonjelly simulate run`."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from ..core.errors import RunError
from ..files.csv_log import CsvLog
from ..files.process import leave_at_sigterm
from ..files.progress import LEFT, progress_bar
from ..reporting.device_outcome import read_devices
from ..reporting.energy import read_energy
from ..reporting.html import Picture, write_report
from ..reporting.profile_accuracy import ProfileAccuracy
from ..reporting.run_folder import TENANTS_FILE, write_run_info
from ..reporting.run_logs import read_run_logs
from ..reporting.summary import RunTally, Summary, write_summary
from ..reporting.table import outcome_table
from ..reporting.tenant_outcome import TenantWindow
from ..reporting.tenant_outcome import rows as tenant_windows
from .options import add_scenario, scenario_of
from .run_folder import replaced_run, run_info, simulation_logs, write_links
from .scenario import Scenario
from .simulation import Observers, Simulation

DEFAULT_OUT = Path("runs/simulation")
STEP_MS = 250.0  # between two looks at how far it is
MAX_DRAWN_STREAMS = 24  # figures have a row for each
MAX_DRAWN_FRAMES = 200_000  # figures hold all of them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_scenario(parser)
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--no-logs", action="store_true", help="keep the summary alone, no row for each frame"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs a scenario; 1 if the frames do not add up."""
    scenario = scenario_of(arguments)
    console = Console(stderr=True, soft_wrap=True)
    tally = RunTally(ProfileAccuracy(scenario.variants, scenario.qualities).of)
    leave_at_sigterm()
    try:
        with replaced_run(arguments.out) as folder:
            start_s = time.perf_counter()
            with _observers(folder, scenario, tally, has_logs=not arguments.no_logs) as observers:
                simulation = Simulation(scenario, observers)
                run_with_progress(simulation, console)
            took_s = time.perf_counter() - start_s
            summary = _report(folder, simulation, tally, has_logs=not arguments.no_logs)
    except OSError as error:
        raise RunError(f"--out {arguments.out}: {error}") from None
    Console().print(outcome_table(summary))
    _print_refusals(simulation, console)
    frames_per_s = summary.total.captured / max(took_s, 1e-9)
    console.print(
        f"{simulation.num_plans} plans; simulated in {took_s:.1f} s, {frames_per_s:.0f} frames/s"
    )
    sys.stdout.write(f"\nresults: {arguments.out}\n")
    problems = summary.problems()
    for problem in problems:
        sys.stderr.write(f"moonjelly: {problem}\n")
    return 1 if problems else 0


@contextlib.contextmanager
def _observers(
    folder: Path, scenario: Scenario, tally: RunTally, *, has_logs: bool
) -> Iterator[Observers]:
    """Who counts the frames, and writes all logs if there are to be any."""
    if not has_logs:
        yield Observers(on_frame=tally.add)
        return
    write_links(folder, scenario)
    with simulation_logs(folder, scenario, tally.add) as observers:
        yield observers


def run_with_progress(simulation: Simulation, console: Console) -> None:
    """Runs to the end behind a bar of virtual time, with the time that is left."""
    seconds = simulation.scenario.seconds
    with progress_bar(
        "{task.completed:.0f} of {task.total:.0f} s", *LEFT, console=console
    ) as progress:
        task = progress.add_task("simulated", total=seconds)
        for step in range(1, math.ceil(1000.0 * seconds / STEP_MS) + 1):
            simulation.run_until(step * STEP_MS)
            progress.update(task, completed=min(step * STEP_MS / 1000, seconds))
        simulation.run_until(math.inf)


def _report(folder: Path, simulation: Simulation, tally: RunTally, *, has_logs: bool) -> Summary:
    """Writes description, summary, figures and page, as for a live run."""
    info = run_info(simulation, " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))
    write_run_info(folder, info)
    summary = tally.summary(info, devices=read_devices(folder), energy=read_energy(folder))
    write_summary(folder, summary)
    if summary.tenants:
        with CsvLog(folder / TENANTS_FILE, TenantWindow) as log:
            for row in tenant_windows(tally.windows(info), has_worth=tally.knows_worth):
                log.write(row)
    figures: list[Picture] = []
    is_small = len(info.streams) <= MAX_DRAWN_STREAMS
    if has_logs and is_small and 0 < summary.total.captured <= MAX_DRAWN_FRAMES:
        from ..reporting.figures import write_figures  # noqa: PLC0415  # matplotlib takes a second

        figures = write_figures(folder, read_run_logs(folder))
    write_report(folder, info, summary, figures)
    return summary


def _print_refusals(simulation: Simulation, console: Console) -> None:
    """Says who was refused: one by one, or only how many if there are more than fit a screen."""
    refused = [result for result in simulation.results() if result.refusal is not None]
    if len(refused) > MAX_DRAWN_STREAMS:
        console.print(f"{len(refused)} streams were refused")
        return
    for result in refused:
        if result.refusal is not None:
            console.print(f"{result.stream.stream_id}: refused, {result.refusal.detail}")
