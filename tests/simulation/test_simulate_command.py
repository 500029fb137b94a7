from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moonjelly.cli import main
from moonjelly.core.records import BatchRecord, FrameRecord, PlanRecord
from moonjelly.files.csv_log import read_records
from moonjelly.reporting.run_folder import read_run_info
from moonjelly.reporting.summary import read_summary, summarise
from moonjelly.reporting.tenant_outcome import TenantWindow
from moonjelly.simulation.simulation import Simulation

SCENARIO = """\
seconds: 2
devices: {gpu: 1}
server: {planner: greedy}
streams:
  - {name: cam, count: 2, fps: 10, slo_ms: 200, link: {mbps: 20}}
  - {name: hasty, fps: 10, slo_ms: 5, link: {mbps: 20}}
"""
LIMIT_S = 60.0
# Ctrl-C is ignored by whatever a shell starts in the background, and by its children.
HEEDS_SIGINT = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from moonjelly.cli import main; sys.exit(main())"
)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    return path


def test_a_run_leaves_what_a_live_run_leaves(scenario, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["simulate", "run", str(scenario), "--out", str(out), "--seed", "9"]) == 0
    frames = read_records(out / "frames.csv", FrameRecord)
    assert len(frames) == 40
    total = json.loads((out / "summary.json").read_text())["total"]
    assert (total["captured"], total["lost"], total["duplicated"]) == (40, 0, 0)
    assert total["in_time"] == sum(row.verdict == "in_time" for row in frames) > 35
    batches = read_records(out / "batches-gpu-0.csv", BatchRecord)
    assert sum(batch.batch_size for batch in batches) >= total["in_time"]
    assert max(plan.num_streams for plan in read_records(out / "plans.csv", PlanRecord)) == 2
    info = read_run_info(out)
    assert (info.kind, info.settings["seed"]) == ("simulation", "9")
    assert info.stream("hasty").note.startswith(
        "refused: infeasible; would fit: 10 frames/s within "
    )
    for name in ("link-cam-0.csv", "latency.png", "report.html"):
        assert (out / name).stat().st_size > 0
    told = capsys.readouterr()
    assert "cam-1" in told.out
    assert "hasty: refused, not even an idle server" in told.err


def test_bad_files_and_options_end_with_status_2(scenario, tmp_path, capsys):
    scenario.write_text(SCENARIO.replace("fps: 10", "fps: 0", 1))
    assert main(["simulate", "run", str(scenario), "--out", str(tmp_path / "out")]) == 2
    assert ":5: streams[0].fps: 0.0: must be" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "run", str(scenario), "--seed", "x"])
    assert ended.value.code == 2


def test_without_logs_the_summary_is_the_same_and_earlier_logs_go(scenario, tmp_path):
    out = tmp_path / "out"
    command = ["simulate", "run", str(scenario), "--out", str(out)]
    assert main(command) == 0
    logged = json.loads((out / "summary.json").read_text())
    assert main([*command, "--no-logs"]) == 0
    told = json.loads((out / "summary.json").read_text())
    assert told == {**logged, "devices": {}}  # how slow those were, the logs of batches tell
    kept = {path.name for path in out.iterdir() if path.suffix != ".png"}
    assert kept == {"run.json", "summary.json", "report.html"}


def test_the_summary_is_that_of_the_log(scenario, tmp_path):
    out = tmp_path / "out"
    assert main(["simulate", "run", str(scenario), "--out", str(out)]) == 0
    rows = read_records(out / "frames.csv", FrameRecord)
    again = summarise(read_run_info(out), rows)
    told = read_summary(out)
    assert [stream.in_time for stream in again.streams.values()] == [
        stream.in_time for stream in told.streams.values()
    ]
    assert again.total.p99_ms == pytest.approx(told.total.p99_ms, abs=1e-3)


def test_an_interrupted_run_leaves_the_earlier_one_as_it_was(scenario, tmp_path, monkeypatch):
    out = tmp_path / "out"
    command = ["simulate", "run", str(scenario), "--out", str(out)]
    assert main(command) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    whole_run = Simulation.run_until

    def interrupted(self, end_ms):
        if end_ms > 1000:
            raise KeyboardInterrupt
        whole_run(self, end_ms)

    monkeypatch.setattr(Simulation, "run_until", interrupted)
    assert main([*command, "--seed", "7"]) == 130
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    new = tmp_path / "new"
    assert main(["simulate", "run", str(scenario), "--out", str(new)]) == 130
    assert not new.exists()


def test_a_folder_that_cannot_be_made_is_named(scenario, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["simulate", "run", str(scenario), "--out", str(tmp_path / "file" / "out")]) == 1
    assert f"--out {tmp_path}/file/out: " in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("has_earlier_run", [False, True])
def test_a_run_that_is_ended_leaves_the_folder_as_it_was(
    scenario, tmp_path, number, has_earlier_run
):
    scenario.write_text(SCENARIO.replace("seconds: 2", "seconds: 80000"))
    out = tmp_path / "out"
    if has_earlier_run:
        out.mkdir()
        (out / "frames.csv").write_text("of an earlier run")
    command = [sys.executable, "-c", HEEDS_SIGINT, "simulate", "run", scenario, "--out", out]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        until_s = time.monotonic() + LIMIT_S
        while not list(out.glob(".draft-*/plans.csv")) and time.monotonic() < until_s:
            time.sleep(0.05)
        assert process.poll() is None
        assert list(out.glob(".draft-*/plans.csv"))
        process.send_signal(number)
        assert process.wait(LIMIT_S) == 128 + number
    if has_earlier_run:
        assert [path.read_text() for path in out.iterdir()] == ["of an earlier run"]
    else:
        assert not out.exists()


def test_tenants_have_a_table_of_their_own_where_there_are_several(scenario, tmp_path):
    scenario.write_text(
        SCENARIO.replace(
            "{name: hasty, fps: 10, slo_ms: 5", "{name: far, tenant: north, fps: 10, slo_ms: 200"
        )
    )
    out = tmp_path / "out"
    assert main(["simulate", "run", str(scenario), "--out", str(out), "--no-logs"]) == 0
    summary = read_summary(out)
    rows = read_records(out / "tenants.csv", TenantWindow)
    assert [row.tenant for row in rows] == ["local", "north"] == list(summary.tenants)
    assert sum(row.captured for row in rows) == summary.total.captured
    assert summary.tenants["local"].weighted_goodput_fps == pytest.approx(
        rows[0].weighted_in_time / 2, rel=1e-3
    )
