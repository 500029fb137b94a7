"""Writes a simulated run's folder: the same files with the same columns as a live run."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..core.records import (
    BatchRecord,
    EnergyRecord,
    FrameRecord,
    LoadRecord,
    PlanRecord,
    ServerFrameRecord,
)
from ..files.csv_log import CsvLog
from ..reporting.run_folder import (
    FRAMES_FILE,
    REPORT_FILE,
    RUN_FILE,
    SUMMARY_FILE,
    TENANTS_FILE,
    RunInfo,
    StreamInfo,
    describe_host,
    link_file,
)
from ..reporting.run_logs import LinkRate
from .scenario import Scenario, SimulatedStream
from .simulation import Observers, Simulation, StreamResult

PLANS_FILE = "plans.csv"
SERVER_FRAMES_FILE = "server_frames.csv"
KIND = "simulation"
_RUN_FILES = (
    *(FRAMES_FILE, SERVER_FRAMES_FILE, PLANS_FILE, "batches-*.csv", "loads-*.csv", "link-*.csv"),
    *("energy-*.csv", TENANTS_FILE),
    *(RUN_FILE, SUMMARY_FILE, REPORT_FILE),
)


@contextlib.contextmanager
def replaced_run(folder: Path) -> Iterator[Path]:
    """A draft of a run's folder. It takes the place of the run in `folder`; after an error, of nothing.

    Raises:
        OSError: if files cannot be made.
    """
    has_been_there = folder.is_dir()
    draft = folder / f".draft-{os.getpid()}"
    draft.mkdir(parents=True)
    is_done = False
    try:
        yield draft
        for pattern in _RUN_FILES:
            for path in folder.glob(pattern):
                path.unlink()
        for path in draft.iterdir():
            path.replace(folder / path.name)
        is_done = True
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if not (is_done or has_been_there):
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def simulation_logs(
    folder: Path, scenario: Scenario, count: Callable[[FrameRecord], None] = lambda _: None
) -> Iterator[Observers]:
    """Who writes what happens into the logs of frames, plans, batches and loads; `count` sees each frame before.

    Raises:
        OSError: if the files cannot be made.
    """
    with contextlib.ExitStack() as stack:
        frames = stack.enter_context(CsvLog(folder / FRAMES_FILE, FrameRecord))
        plans = stack.enter_context(CsvLog(folder / PLANS_FILE, PlanRecord))
        served = stack.enter_context(CsvLog(folder / SERVER_FRAMES_FILE, ServerFrameRecord))
        energy_files: dict[str, CsvLog[EnergyRecord]] = {}
        batches, loads = (
            {
                device.device_id: stack.enter_context(
                    CsvLog(folder / f"{name}-{device.device_id}.csv", record)
                )
                for device in scenario.devices
            }
            for name, record in (("batches", BatchRecord), ("loads", LoadRecord))
        )

        def take_frame(frame: FrameRecord) -> None:
            count(frame)
            frames.write(frame)

        def write_plan(records: Sequence[PlanRecord]) -> None:
            for record in records:
                plans.write(record)

        def write_batch(record: BatchRecord) -> None:
            batches[record.device_id].write(record)

        def write_load(record: LoadRecord) -> None:
            loads[record.device_id].write(record)

        def write_energy(record: EnergyRecord) -> None:
            log = energy_files.get(record.device_id)
            if log is None:
                path = folder / f"energy-{record.device_id}.csv"
                log = stack.enter_context(CsvLog(path, EnergyRecord))
                energy_files[record.device_id] = log
            log.write(record)

        yield Observers(take_frame, write_plan, write_batch, served.write, write_load, write_energy)


def write_links(folder: Path, scenario: Scenario) -> None:
    """Writes what each stream's link was set to.

    Raises:
        OSError: if that fails.
    """
    for stream in scenario.streams:
        with CsvLog(folder / link_file(stream.stream_id), LinkRate) as log:
            for row in _link_rates(stream, scenario.seconds):
                log.write(row)


def _link_rates(stream: SimulatedStream, seconds: float) -> list[LinkRate]:
    trace = stream.link
    rates: list[LinkRate] = []
    for number in range(math.ceil(seconds / trace.period_s)):
        rate_kbps = trace.rate_kbps((number + 0.5) * trace.period_s)
        if not rates or rates[-1].rate_kbps != rate_kbps:
            rates.append(LinkRate(1000.0 * number * trace.period_s, rate_kbps))
    return rates


def run_info(simulation: Simulation, command: str) -> RunInfo:
    """The run as `run.json` describes it."""
    scenario = simulation.scenario
    server = scenario.server
    counts = Counter(device.device_type for device in scenario.devices)
    return RunInfo(
        kind=KIND,
        seconds=scenario.seconds,
        streams=tuple(_stream_info(result) for result in simulation.results()),
        settings={
            "command": command,
            "seed": str(scenario.seed),
            "zoo": scenario.zoo,
            "devices": ", ".join(f"{count} x {kind}" for kind, count in counts.items()),
            "planner": f"{server.planner}, every {server.plan_period_ms:g} ms",
            "batcher": server.batcher,
            "batch times": str(server.sampling),
        },
        host=describe_host(),
    )


def _stream_info(result: StreamResult) -> StreamInfo:
    stream = result.stream
    return StreamInfo(
        stream_id=stream.stream_id,
        fps=stream.fps,
        slo_ms=stream.slo_ms,
        captured=result.ledger.captured,
        duplicated=result.ledger.duplicated,
        source="simulated",
        link=f"{stream.link_text}, {stream.wire_ms:g} ms",
        note=_note(result),
        tenant=stream.tenant,
    )


def _note(result: StreamResult) -> str:
    if result.refusal is None:
        return ""
    offers = " or ".join(
        f"{one.fps:g} frames/s within {one.slo_ms:g} ms" for one in result.refusal.counter_offers
    )
    return f"refused: {result.refusal.reason}" + (f"; would fit: {offers}" if offers else "")
