from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.core.records import BatchRecord
from moonjelly.files.csv_log import CsvLog
from moonjelly.reporting.device_tally import LONG_MS, DeviceTally, read_devices


def batch(at_ms: float, took_ms: float, device_id: str = "gpu-0") -> BatchRecord:
    return BatchRecord(device_id, at_ms, "small", 4, 2, 0.0, took_ms, 10.0, 0)


def test_it_tells_how_slow_a_device_was_and_what_time_that_took() -> None:
    tally = DeviceTally()
    for at in range(10):
        tally.add(batch(100.0 * at, 10.0 if at < 8 else 40.0))
    (device,) = tally.outcomes().values()
    assert (device.batches, device.slowdown_p50, device.refresh) == (10, 1.0, False)
    assert device.slowdown_p90 == 4.0
    assert device.lost_ratio == pytest.approx(60 / 160)


def test_batches_too_short_to_tell_count_as_profiled() -> None:
    tally = DeviceTally()
    tally.add(BatchRecord("gpu-0", 0.0, "small", 4, 2, 0.0, 0.9, 0.0, 0))
    assert tally.outcomes()["gpu-0"].slowdown_p50 == 1.0


@pytest.mark.parametrize(
    ("ratio", "seconds", "is_offered"),
    [(1.2, 700, True), (0.8, 700, True), (1.2, 500, False), (1.05, 700, False)],
)
def test_measuring_again_is_offered_where_the_profile_was_off_for_long(
    ratio: float, seconds: int, is_offered: bool
) -> None:
    tally = DeviceTally()
    for second in range(seconds):
        tally.add(batch(1000.0 * second, 10.0 * ratio))
    assert (999 * seconds > LONG_MS) == (seconds > 600)
    assert tally.outcomes()["gpu-0"].refresh == is_offered


def test_it_reads_the_logs_of_a_folder(tmp_path: Path) -> None:
    assert read_devices(tmp_path) == {}
    for device_id in ("b", "a"):
        with CsvLog(tmp_path / f"batches-{device_id}.csv", BatchRecord) as log:
            log.write(batch(1.0, 20.0, device_id))
    assert [(name, one.slowdown_p50) for name, one in read_devices(tmp_path).items()] == [
        ("a", 2.0),
        ("b", 2.0),
    ]
