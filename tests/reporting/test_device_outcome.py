from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from moonjelly.core.records import BatchRecord, LoadRecord
from moonjelly.files.csv_log import CsvLog
from moonjelly.reporting.device_outcome import LONG_MS, DeviceOutcome, read_devices
from moonjelly.reporting.table import slowness


def batch(at_ms: float, took_ms: float, device_id: str = "gpu-0") -> BatchRecord:
    return BatchRecord(device_id, at_ms, "small", 4, 2, 0.0, took_ms, 10.0, 0)


def outcome(folder: Path, batches: Iterable[BatchRecord]) -> DeviceOutcome:
    """What comes of the only device."""
    with CsvLog(folder / "batches-gpu-0.csv", BatchRecord) as log:
        for one in batches:
            log.write(one)
    (device,) = read_devices(folder).values()
    return device


def test_it_tells_how_slow_a_device_was_and_what_time_that_took(tmp_path: Path) -> None:
    device = outcome(tmp_path, (batch(100.0 * at, 10.0 if at < 8 else 40.0) for at in range(10)))
    assert (device.batches, device.slowdown_p50, device.refresh) == (10, 1.0, False)
    assert device.slowdown_p90 == 4.0
    assert device.lost_ratio == pytest.approx(60 / 160)


def test_batches_too_short_to_tell_count_as_profiled(tmp_path: Path) -> None:
    short = BatchRecord("gpu-0", 0.0, "small", 4, 2, 0.0, 0.9, 0.0, 0)
    assert outcome(tmp_path, [short]).slowdown_p50 == 1.0


@pytest.mark.parametrize(
    ("ratio", "seconds", "is_offered"),
    [(1.2, 700, True), (0.8, 700, True), (1.2, 500, False), (1.05, 700, False)],
)
def test_measuring_again_is_offered_where_the_profile_was_off_for_long(
    tmp_path: Path, ratio: float, seconds: int, is_offered: bool
) -> None:
    assert (1000 * seconds > LONG_MS) == (seconds == 700)
    batches = (batch(1000.0 * second, 10.0 * ratio) for second in range(seconds))
    assert outcome(tmp_path, batches).refresh == is_offered


def test_it_reads_the_logs_of_a_folder_and_leaves_out_who_ran_nothing(tmp_path: Path) -> None:
    assert read_devices(tmp_path) == {}
    for device_id, num_batches in (("b", 1), ("a", 2), ("c", 0)):
        with CsvLog(tmp_path / f"batches-{device_id}.csv", BatchRecord) as log:
            for _ in range(num_batches):
                log.write(batch(1.0, 20.0, device_id))
    found = read_devices(tmp_path)
    assert [(name, one.batches) for name, one in found.items()] == [("a", 2), ("b", 1)]


def test_it_counts_what_was_loaded_and_how_much_of_it_a_plan_waited_for(tmp_path: Path) -> None:
    with CsvLog(tmp_path / "loads-gpu-0.csv", LoadRecord) as log:
        log.write(LoadRecord("gpu-0", 5.0, "small", "neighbour", 80.0, 3))
        log.write(LoadRecord("gpu-0", 9.0, "large", "plan", 120.5, 4))
    device = outcome(tmp_path, [batch(1.0, 10.0)])
    assert (device.loads, device.planned_loads) == (2, 1)
    assert (device.load_ms, device.worst_load_ms) == (200.5, 120.5)
    assert "2 variants were loaded in 200 ms, 1 of them for a plan that waited" in slowness(device)
