"""The whole demo on a replayed device: real server, real relay, real clients, no torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

OPTIONS = [
    "--zoo",
    "replayed-gpu",
    "--devices",
    "replayed:gpu",
    "--cameras",
    "2",
    "--load-ratio",
    "1",
]
START_LIMIT_S = 60.0


def command(out: Path, seconds: float) -> list[str]:
    return [
        sys.executable, "-m", "moonjelly", "demo", "--seconds", str(seconds), "--out", str(out), *OPTIONS,
    ]  # fmt: skip


@pytest.mark.slow
def test_a_demo_ends_with_a_report_that_adds_up(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path, 3), check=False, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["streams"]) == {"gate", "square"}
    total = summary["total"]
    assert total["captured"] == 45
    assert total["in_time"] + total["late"] + total["dropped"] == 45
    assert total["lost"] == total["duplicated"] == 0
    assert total["map50"] == 0.0  # a replayed device finds nothing
    assert total["variants"]
    for name in (
        "run.json", "frames.csv", "answers.jsonl", "report.html", "gate.mp4", "latency.png",
        "adaptation.png", "verdicts.png", "spent.png", "still-gate.jpg", "link-gate.csv",
        "server.log", "server/server_frames.csv", "server/plans.csv",
    ):  # fmt: skip
        assert (tmp_path / name).stat().st_size > 0, name
    assert "gate" in done.stdout
    assert str(tmp_path / "report.html") in done.stdout
    assert "Traceback" not in done.stderr


def await_frames(process: subprocess.Popen[bytes], out: Path) -> list[psutil.Process]:
    """Waits until the cameras stream; returns everything that the demo has started."""
    limit = time.monotonic() + START_LIMIT_S
    log = out / "frames.csv"
    while not log.exists():
        assert process.poll() is None, "the demo ended before it streamed"
        assert time.monotonic() < limit, "the demo does not start"
        time.sleep(0.05)
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_demo_that_is_ended_early_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        command(tmp_path, 60), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    started: list[psutil.Process] = []
    try:
        started = await_frames(process, tmp_path)
        assert len(started) >= 5  # relay, server and its three children
        os.kill(process.pid, number)
        status = process.wait(START_LIMIT_S)
        _, alive = psutil.wait_procs(started, timeout=START_LIMIT_S)
        assert [one.cmdline() for one in alive] == []
        expected = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}[number]
        assert status == expected
    finally:
        for one in [*started, psutil.Process(process.pid)] if process.poll() is None else started:
            if one.is_running():
                one.kill()
        process.wait()
