"""Makes one run of an experiment in the simulator: the same cameras, links, frames and server."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

from ..devices.discovery import find_devices
from ..live_run.as_scenario import CALM, Chance, simulated_run
from ..live_run.scoring import score_truth
from ..reporting.device_outcome import read_devices
from ..reporting.energy import read_energy
from ..reporting.run_folder import write_run_info
from ..reporting.run_logs import read_run_logs
from ..reporting.summary import summarise, write_summary
from ..simulation.run_folder import run_info, simulation_logs, write_links
from ..simulation.simulation import Simulation
from .live import outcome_of, recorded_sizes, see, server_config, truth_words
from .matrix import RunConfig, detections_words
from .outcome import write_outcome
from .running_all import OnProgress


def run_simulated(
    run: RunConfig,
    folder: Path,
    on_progress: OnProgress,
    machine: Mapping[str, str],
    chance: Chance = CALM,
) -> list[str]:
    """Simulates a run, and scores it as a live one; other arguments and errors as of `run_live`."""
    config = server_config(run)
    cameras = run.cameras()
    scenario = simulated_run(
        cameras,
        run.seconds,
        run.start_seed,
        config,
        config.devices or find_devices(),
        {camera.stream_id: recorded_sizes(run, camera, on_progress) for camera in cameras},
        chance,
    )
    write_links(folder, scenario)
    with simulation_logs(folder, scenario) as observers:
        simulation = Simulation(scenario, observers)
        simulation.run_until(math.inf)
    info = run_info(simulation, "")
    detections = {
        "detections": detections_words(run.detections_zoo) or "none",
        "truth": truth_words(run),
    }
    settings = {**info.settings, **run.factor_texts(), **detections}
    streams = tuple(
        dataclasses.replace(stream, link=link)
        for stream, link in zip(info.streams, run.link_texts(), strict=True)
    )
    info = dataclasses.replace(
        info, seconds=run.seconds, streams=streams, settings=settings, host=machine
    )
    write_run_info(folder, info)
    logs = read_run_logs(folder)
    frames = [frame for rows in logs.frames.values() for frame in rows]
    seen = see(run, logs, on_progress)
    accuracy = score_truth(frames, seen.answers, seen.truth, seen.class_names)
    summary = summarise(info, frames, accuracy, read_devices(folder), read_energy(folder))
    write_summary(folder, summary)
    refused = [one.stream.stream_id for one in simulation.results() if one.refusal is not None]
    write_outcome(folder, outcome_of(run, summary, frames, refused, seen))
    return summary.problems()
