"""Writes a simulated run's folder: the same files with the same columns as a live run."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.records import BatchRecord, FrameRecord, PlanRecord, ServerFrameRecord
from ..files.csv_log import CsvLog
from ..reporting.run_folder import (
    FRAMES_FILE,
    REPORT_FILE,
    RUN_FILE,
    SUMMARY_FILE,
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
    *(FRAMES_FILE, SERVER_FRAMES_FILE, PLANS_FILE, "batches-*.csv", "link-*.csv"),
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


class SimulationLogs(contextlib.AbstractContextManager["SimulationLogs"]):
    """The logs of frames, plans and batches, open."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        """Creates the files.

        Raises:
            OSError: if that fails.
        """
        self._stack = contextlib.ExitStack()
        with self._stack:
            self._frames = self._stack.enter_context(CsvLog(folder / FRAMES_FILE, FrameRecord))
            self._plans = self._stack.enter_context(CsvLog(folder / PLANS_FILE, PlanRecord))
            self._server_frames = self._stack.enter_context(
                CsvLog(folder / SERVER_FRAMES_FILE, ServerFrameRecord)
            )
            self._batches = {
                device.device_id: self._stack.enter_context(
                    CsvLog(folder / f"batches-{device.device_id}.csv", BatchRecord)
                )
                for device in scenario.devices
            }
            self._stack = self._stack.pop_all()

    def observers(self) -> Observers:
        """Who writes what happens."""
        return Observers(
            self.write_frame, self._write_plan, self._write_batch, self._server_frames.write
        )

    def write_frame(self, record: FrameRecord) -> None:
        """Writes a row of `frames.csv`."""
        self._frames.write(record)

    def _write_plan(self, records: Sequence[PlanRecord]) -> None:
        for record in records:
            self._plans.write(record)

    def _write_batch(self, record: BatchRecord) -> None:
        self._batches[record.device_id].write(record)

    def __exit__(self, *_: object) -> None:
        self._stack.close()


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
    counts: dict[str, int] = {}
    for device in scenario.devices:
        counts[device.device_type] = counts.get(device.device_type, 0) + 1
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
    )


def _note(result: StreamResult) -> str:
    if result.refusal is None:
        return ""
    offers = " or ".join(
        f"{one.fps:g} frames/s within {one.slo_ms:g} ms" for one in result.refusal.counter_offers
    )
    return f"refused: {result.refusal.reason}" + (f"; would fit: {offers}" if offers else "")
