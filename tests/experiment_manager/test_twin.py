"""The twin check: it passes where both sides run the same code, and catches a bug on one of them."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from twin_cells import (
    Bars,
    CellComparison,
    Measured,
    Pair,
    compare,
    simulate_twins,
    tidy_rows,
)

from moonjelly.core.device import AnnouncedDevice, Device
from moonjelly.core.errors import UsageError
from moonjelly.core.profile import BatchLatency, LatencyProfile
from moonjelly.experiment_manager.experiment_file import read_experiment
from moonjelly.experiment_manager.live import run_live
from moonjelly.experiment_manager.matrix import RunConfig
from moonjelly.experiment_manager.simulated import run_simulated
from moonjelly.live_run.as_scenario import Chance
from moonjelly.reporting.load import MachineLoad, write_load
from moonjelly.scheduling.batching.deadline import DeadlineBatcher
from moonjelly.scheduling.batching.port import Batch, BatchDecision, DeviceState, QueuedFrame

BUSY = MachineLoad(0.9, capture_late_p50_ms=0.8, capture_late_p99_ms=4.0, capture_late_max_ms=9.0)
STARVED = dataclasses.replace(BUSY, capture_late_p99_ms=40.0)
BUSY_BARS = Bars(in_time_ratio=0.15, accuracy_ratio=0.1, p50_ratio=0.5)
"""For a live run beside other programs; planted bugs are far beyond these too."""


class OneByOneBatcher:
    """Planted bug: forgets all but the first frame of each batch."""

    def __init__(self) -> None:
        self._sound = DeadlineBatcher()

    def decide(
        self, queue: Sequence[QueuedFrame], device: DeviceState, now_ms: float
    ) -> BatchDecision:
        decision = self._sound.decide(queue, device, now_ms)
        return dataclasses.replace(decision, run=decision.run[:1])

    def ran(self, batch: Batch, took_ms: float) -> None:
        self._sound.ran(batch, took_ms)


def hasty_device(device: Device, generation: int, profile: LatencyProfile) -> AnnouncedDevice:
    """Planted bug: the scheduler takes devices for twice as fast as they are."""
    halved = {
        name: BatchLatency(
            tuple(0.5 * ms for ms in latency.p50_ms), tuple(0.5 * ms for ms in latency.p99_ms)
        )
        for name, latency in profile.by_variant.items()
    }
    return AnnouncedDevice(device, generation, LatencyProfile(profile.device_type, halved))


def plant_batcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moonjelly.simulation.simulation.batcher", lambda *_: OneByOneBatcher())


def plant_announcement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moonjelly.simulation.scheduler.AnnouncedDevice", hasty_device)


BUGS = [
    pytest.param(plant_batcher, id="batcher that runs one frame at a time"),
    pytest.param(plant_announcement, id="scheduler that takes devices for twice as fast"),
]


def loaded_cell(folder: Path, seconds: float, iterations: int = 1) -> list[RunConfig]:
    """Six cameras on a device that is one eighth as fast as its profile: batches are needed."""
    (folder / "fast.txt").write_text("40\n")
    path = folder / "loaded.yaml"
    path.write_text(
        f"seconds: {seconds}\n"
        f"iterations: {iterations}\n"
        "wire_ms: 2\n"
        "server: {zoo: replayed-gpu, devices: [replayed:gpu], replay_latency_ratio: 8, planner: sa-dp}\n"
        "matrix: {clients: [6], slo_ms: [400], fps: [10], trace: [fast.txt]}\n"
    )
    return read_experiment(path).runs()


def make_live(folder: Path, runs: Sequence[RunConfig], load: MachineLoad) -> None:
    """Lays out finished runs as if they had been live, played on a machine so busy."""
    for run in runs:
        live_run = folder / "runs" / run.run_id
        live_run.mkdir(parents=True)
        run_simulated(run, live_run, lambda *_: None, {}, Chance(load))
        write_load(live_run, load)


@pytest.fixture(scope="module")
def jittered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RunConfig]]:
    """Runs that differ from what is simulated by nothing but the chance in them."""
    folder = tmp_path_factory.mktemp("jittered")
    runs = loaded_cell(folder, 4, iterations=2)
    make_live(folder, runs, BUSY)
    for run in runs:  # other draws of the same jitter
        path = folder / "runs" / run.run_id
        write_load(path, dataclasses.replace(BUSY, capture_late_p50_ms=0.7))
    return folder, runs


def compared(folder: Path, runs: Sequence[RunConfig], out_dir: Path) -> CellComparison:
    (cell,) = compare(simulate_twins(runs, folder, out_dir))
    return cell


def test_the_same_code_on_both_sides_meets_every_bar(
    jittered: tuple[Path, list[RunConfig]], tmp_path: Path
) -> None:
    cell = compared(*jittered, tmp_path)
    assert cell.missed(Bars()) == []
    assert cell.p50_ratio != 0.0, "both sides drew the same, which proves nothing"
    assert (len(cell.pairs), cell.num_starved) == (2, 0)
    live, simulated = tidy_rows([cell])
    assert (live["side"], simulated["side"]) == ("live", "simulated")
    assert live["clients"] == 6
    assert float(str(live["in_time_ratio"])) > 0.95


@pytest.mark.parametrize("plant", BUGS)
def test_a_bug_on_one_side_is_caught(plant, jittered, tmp_path, monkeypatch) -> None:
    plant(monkeypatch)
    cell = compared(*jittered, tmp_path)
    assert "in-time share" in cell.missed(BUSY_BARS)


@pytest.mark.slow
def test_a_real_run_and_its_twin_agree_unless_one_has_a_bug(tmp_path, monkeypatch) -> None:
    """On a machine that is too busy to play six cameras the run says so, and counts as no agreement."""
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        runs = loaded_cell(folder, 4)
        live_run = folder / "runs" / runs[0].run_id
        live_run.mkdir(parents=True)
        assert run_live(runs[0], live_run, lambda *_: None, {}) == []
        sound = compared(folder, runs, folder / "sound")
        if not sound.missed(BUSY_BARS):
            break
    assert not sound.missed(BUSY_BARS) or sound.num_starved
    for number, plant in enumerate((plant_batcher, plant_announcement)):
        with monkeypatch.context() as patch:
            plant(patch)
            cell = compared(folder, runs, folder / f"bug-{number}")
            assert "in-time share" in cell.missed(BUSY_BARS)


def test_starved_runs_do_not_count(jittered: tuple[Path, list[RunConfig]], tmp_path: Path) -> None:
    folder, runs = jittered
    shutil.copytree(folder / "runs", tmp_path / "runs")
    write_load(tmp_path / "runs" / runs[0].run_id, STARVED)
    cell = compared(tmp_path, runs, tmp_path / "simulated")
    assert (len(cell.pairs), cell.num_starved) == (1, 1)
    write_load(tmp_path / "runs" / runs[1].run_id, STARVED)
    cell = compared(tmp_path, runs, tmp_path / "simulated")
    assert (len(cell.pairs), cell.num_starved) == (0, 2)
    assert cell.missed(Bars()) == ["in-time share", "accuracy", "p50 latency"]


def test_without_a_finished_run_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no finished run"):
        simulate_twins(loaded_cell(tmp_path, 1), tmp_path, tmp_path / "simulated")


def pair(cell: int, live: Measured, simulated: Measured) -> Pair:
    return Pair({"clients": cell}, live, simulated)


def test_a_cell_differs_by_the_median_of_its_runs() -> None:
    live = Measured(0.90, 0.0, 0.40, 50.0)
    far = Measured(0.10, 0.0, 0.20, 90.0)
    near = Measured(0.91, 0.0, 0.402, 52.0)
    one, other = compare(
        [pair(2, live, near), pair(4, live, far), pair(2, live, far), pair(2, live, near)]
    )
    assert one.cell == {"clients": 2}
    assert one.in_time_ratio == pytest.approx(0.01)
    assert one.accuracy_ratio == pytest.approx(0.005)
    assert one.p50_ratio == pytest.approx(0.04)
    assert one.missed(Bars()) == []
    assert one.missed(Bars(p50_ratio=0.03)) == ["p50 latency"]
    assert other.missed(Bars()) == ["in-time share", "accuracy", "p50 latency"]


def test_frames_in_time_on_one_side_only_are_infinitely_far() -> None:
    live, nothing = Measured(0.01, 0.5, 0.40, 50.0), Measured(0.0, 1.0, None, None)
    (cell,) = compare([pair(2, live, nothing)])
    assert cell.accuracy_ratio == math.inf
    assert cell.missed(Bars()) == ["accuracy", "p50 latency"]
    (cell,) = compare([pair(2, nothing, nothing)])
    assert cell.missed(Bars()) == []
