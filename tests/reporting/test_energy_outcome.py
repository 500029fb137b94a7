"""What a run took: from its first batch to its last, and never of some devices for all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from moonjelly.core.records import BatchRecord, EnergyRecord
from moonjelly.energy.port import Quality
from moonjelly.files.csv_log import CsvLog
from moonjelly.reporting.energy import TOTAL, in_words, per_frame, read_energy


def batches(folder: Path, device_id: str, *at_ms: float) -> None:
    with CsvLog(folder / f"batches-{device_id}.csv", BatchRecord) as log:
        for one in at_ms:
            log.write(BatchRecord(device_id, one, "small", 4, 2, 0.0, 100.0, 100.0, 0))


def seconds(folder: Path, device_id: str, rows: Iterable[tuple[float, ...]], quality="modelled"):
    """Rows of above, idle and unplanned mJ, a second each."""
    with CsvLog(folder / f"energy-{device_id}.csv", EnergyRecord) as log:
        for number, energies in enumerate(rows):
            said = energies[3] if len(energies) > 3 else quality
            begin_ms = 1000.0 * number
            log.write(
                EnergyRecord(
                    device_id, begin_ms, begin_ms + 1000, *energies[:3], said, "m", "device"
                )
            )


def test_what_was_taken_between_the_first_batch_and_the_last_counts(tmp_path):
    batches(tmp_path, "a", 1500.0, 2400.0)
    batches(tmp_path, "b")
    seconds(tmp_path, "a", [(0, 0, 9000), (2000, 8000, 0), (4000, 6000, 0), (0, 0, 9000)])
    seconds(tmp_path, "b", [(0, 0, 5000)] * 4)
    energy = read_energy(tmp_path)
    assert energy["a"].total_j == 5 + 5  # half a second of 10 W, and again
    assert energy["a"].above_idle_j == 1 + 2
    assert (energy["b"].total_j, energy["b"].unplanned_j) == (5, 5)
    total = per_frame(energy, 30)[TOTAL]
    assert (total.total_j, total.above_idle_j, total.unplanned_j) == (15, 3, 5)
    assert (total.answered_frame_j, total.frames_per_j) == (0.5, 2)
    assert (total.quality, total.scope, total.counted_ratio) == ("modelled", "device", 1)
    assert in_words({TOTAL: total}) == (
        "energy (modelled, of each device): 15 J, 3 J of it above idle; 0.5 J an answered frame, 2 frames/J"
    )


def test_time_that_was_not_counted_is_told_and_left_out(tmp_path):
    batches(tmp_path, "a", 0.0, 3900.0)
    lost = (0, 0, 0, "unavailable")
    seconds(tmp_path, "a", [(0, 1000, 0), lost, (0, 1000, 0), (0, 1000, 0)], "measured")
    energy = read_energy(tmp_path)
    assert (energy["a"].total_j, energy["a"].counted_ratio) == (3, 0.75)
    assert energy["a"].quality == Quality.MEASURED
    assert in_words(energy).endswith("75% of the time was counted")


def test_joules_of_some_devices_are_none_of_all(tmp_path):
    batches(tmp_path, "a", 0.0)
    batches(tmp_path, "b", 0.0)
    seconds(tmp_path, "a", [(0, 1000, 0)])
    energy = per_frame(read_energy(tmp_path), 10)
    assert energy["a"].total_j == pytest.approx(0.1)
    assert (energy[TOTAL].quality, energy[TOTAL].total_j) == (Quality.UNAVAILABLE, None)
    assert energy[TOTAL].frames_per_j is None
    assert in_words(energy) == "energy: unavailable, as not all devices tell theirs"


def test_a_device_whose_meter_was_never_read_is_unavailable(tmp_path):
    batches(tmp_path, "a", 0.0)
    seconds(tmp_path, "a", [(0, 0, 0)], "unavailable")
    assert read_energy(tmp_path)["a"].quality == Quality.UNAVAILABLE


def test_without_a_log_of_energy_nothing_is_said(tmp_path):
    batches(tmp_path, "a", 0.0)
    assert read_energy(tmp_path) == {}
    assert in_words({}) == ""


def test_what_is_measured_on_one_device_and_modelled_on_another_is_modelled(tmp_path):
    for device_id, quality in (("a", "measured"), ("b", "modelled")):
        batches(tmp_path, device_id, 0.0)
        seconds(tmp_path, device_id, [(0, 1000, 0)], quality)
    assert read_energy(tmp_path)[TOTAL].quality == Quality.MODELLED
