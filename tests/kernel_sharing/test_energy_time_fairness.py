"""`benchmarks/energy_time_fairness.py`, shortened: its tables are whole, and are drawn."""

from __future__ import annotations

import csv
from pathlib import Path

import energy_time_fairness as benchmark
import pytest

from moonjelly.reporting.figures import draw_folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def test_shares_are_measured_live_and_simulated_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "PHIS", (1.0, 0.0))
    monkeypatch.setattr(benchmark, "LIVE_PHIS", (1.0,))
    monkeypatch.setattr(benchmark, "EXPERIMENTS", dict(list(benchmark.EXPERIMENTS.items())[:1]))
    monkeypatch.setattr("sys.argv", ["", "--seconds", "1.5", "--out", str(tmp_path)])
    assert benchmark.main() == 0
    rows = rows_of(tmp_path / "sharing.csv")
    assert [(row["how"], row["phi"]) for row in rows[::2]] == [
        ("simulated", "1"), ("simulated", "0"), ("live", "1"),
    ]  # fmt: skip
    assert all(int(row["finished"]) > 0 for row in rows)
    assert "E1 two clocks           live          1 " in capsys.readouterr().out
    drawn = {path.name for path in draw_folder(tmp_path, tmp_path)}
    assert {"sharing.png", "arrival.png"} <= drawn


def test_who_comes_has_its_share_within_a_window_and_is_gone_once_it_is_answered() -> None:
    rows = list(benchmark.arrival(benchmark.read_kernel_folder(benchmark.shipped_kernels())))
    coming = [one for one in rows if one["client"] == "resnet50@726.75"]
    shares = {float(one["end_s"]): float(one["window_time_share"]) for one in coming}
    assert [shares[at] for at in (1.0, 2.0, 4.4, 6.0)] == [0, 0, 0, 0]
    assert all(0.58 < shares[at] < 0.7 for at in (2.2, 2.4, 2.6, 3.0, 3.8))
    by_window = {one["end_s"]: 0.0 for one in rows}
    for one in rows:
        by_window[one["end_s"]] += float(one["window_time_share"])
    assert all(total == pytest.approx(1.0, abs=1e-4) for total in by_window.values())
