"""Runs a simulation and shows how far it is."""

from __future__ import annotations

import math

from rich.console import Console

from ..files.progress import LEFT, progress_bar
from .simulation import Simulation

STEP_MS = 250.0


def run_with_progress(simulation: Simulation, console: Console) -> None:
    """Runs to the end behind a bar of virtual time, with the time that is left."""
    amount = "{task.completed:.0f} of {task.total:.0f} s"
    progress = progress_bar(amount, *LEFT, console=console)
    end_ms = 1000.0 * simulation.scenario.seconds
    with progress:
        task = progress.add_task("simulated", total=simulation.scenario.seconds)
        for step in range(1, math.ceil(end_ms / STEP_MS) + 1):
            simulation.run_until(step * STEP_MS)
            progress.update(task, completed=min(step * STEP_MS, end_ms) / 1000)
        simulation.run_until(math.inf)
