"""A tiny experiment on a replayed device: real server, real relay, real clients, no torch."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

START_LIMIT_S = 60.0


def write_experiment(folder: Path, seconds: float) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(
        f"seconds: {seconds}\n"
        "server: {zoo: replayed-gpu, devices: [replayed:gpu], variants: [yolov4-128, yolov4-256]}\n"
        "matrix: {clients: [1, 2], slo_ms: [300], fps: [10], trace: [lte_like]}\n"
    )
    return path


def command(file: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "moonjelly", "experiment", "run", str(file), "--out", str(out)]


@pytest.mark.slow
def test_two_cells_end_in_tables_and_are_not_run_twice(tmp_path: Path) -> None:
    file, out = write_experiment(tmp_path, 2), tmp_path / "out"
    done = subprocess.run(
        command(file, out), check=False, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.split() == [str(out / "results.csv"), str(out / "summary.csv")]
    with (out / "results.csv").open(newline="") as file_of_rows:
        rows = list(csv.DictReader(file_of_rows))
    assert [(row["clients"], row["camera"]) for row in rows] == [
        ("1", "camera-0"), ("2", "camera-0"), ("2", "camera-1"),
    ]  # fmt: skip
    for row in rows:
        assert int(row["captured"]) == 20
        assert sum(int(row[name]) for name in ("in_time", "late", "dropped")) == 20
        assert row["map"] == ""  # a replayed device finds nothing
    assert any(float(row["profile_map"]) > 0 for row in rows)
    for folder in (out / "runs").iterdir():
        config = json.loads((folder / "config.json").read_text())
        info = json.loads((folder / "run.json").read_text())
        assert config["server"]["devices"] == ["replayed:gpu"]
        assert {"processor", "cores", "commit", "moonjelly", "torch"} <= info["host"].keys()
        for name in ("frames.csv", "link-camera-0.csv", "server.log", "server/server_frames.csv"):
            assert (folder / name).stat().st_size > 0, name
    again = subprocess.run(
        command(file, out), check=False, capture_output=True, text=True, timeout=200
    )
    assert again.returncode == 0
    assert "2 runs, 2 finished before" in again.stderr


@pytest.mark.slow
def test_ctrl_c_ends_an_experiment_without_half_a_run_or_a_process_left(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(write_experiment(tmp_path, 60), out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    started: list[psutil.Process] = []
    try:
        limit = time.monotonic() + START_LIMIT_S
        while not list(out.glob("unfinished/*/frames.csv")):
            assert process.poll() is None, "the experiment ended before it streamed"
            assert time.monotonic() < limit, "the experiment does not start"
            time.sleep(0.05)
        started = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGINT)
        _, messages = process.communicate(timeout=START_LIMIT_S)
        assert process.returncode == 130
        assert "Traceback" not in messages
        assert "stopped after 0 of 2 runs" in messages
        _, alive = psutil.wait_procs(started, timeout=START_LIMIT_S)
        assert alive == []
        assert not list(out.glob("*/clients*"))
        assert (out / "summary.csv").exists()
    finally:
        for one in [*started, psutil.Process(process.pid)] if process.poll() is None else started:
            if one.is_running():
                one.kill()
        process.wait()


def test_an_experiment_is_simulated_in_a_folder_of_its_own_and_its_status_told(
    tmp_path: Path,
) -> None:
    file, out = write_experiment(tmp_path, 2), tmp_path / "out"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "moonjelly", "experiment", *words, "--out", str(out)]
        return subprocess.run(line, check=False, capture_output=True, text=True, timeout=200)

    before = run("status", str(file))
    assert before.stdout == f"{out}: 2 runs: 0 finished, 0 failed, 2 not tried\n"
    assert not out.exists()
    done = run("run", str(file), "--simulated")
    assert done.returncode == 0, done.stderr
    with (out / "results.csv").open(newline="") as file_of_rows:
        assert [row["captured"] for row in csv.DictReader(file_of_rows)] == ["20"] * 3
    assert list((out / "figures").glob("*.pdf"))
    assert json.loads((out / "experiment.json").read_text())["command"].endswith(f"--out {out}")
    assert "2 finished, 0 failed, 0 not tried" in run("status", str(file)).stdout
    live = run("run", str(file))
    assert live.returncode == 2
    assert "its runs were made with kind simulation, this is live run" in live.stderr
