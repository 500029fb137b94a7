"""The command against the real server, over shaped links: both sides tell the same story."""

from __future__ import annotations

import json

import pytest

from moonjelly.cli import main
from moonjelly.client.reconcile import reconcile
from moonjelly.core.records import FrameRecord
from moonjelly.files.csv_log import read_records
from moonjelly.server.running_server import RunningServer


@pytest.mark.slow
def test_devices_and_server_agree_about_every_frame(pictures, tmp_path):
    server_dir, out = tmp_path / "server", tmp_path / "client"
    server_dir.mkdir()
    arguments = ["--zoo", "replayed-gpu", "--devices", "replayed:gpu", "--out-dir", str(server_dir)]
    with RunningServer(arguments, log_path=tmp_path / "server.log") as server:
        status = main(
            [
                "client", "--server", server.address, "--source", str(pictures), "--clients", "3",
                "--fps", "15", "--slo-ms", "300", "--seconds", "4", "--link", "12",
                "--out", str(out),
            ]
        )  # fmt: skip
    assert status == 0
    total = json.loads((out / "summary.json").read_text())["total"]
    assert total["captured"] == 180
    assert total["lost"] == total["duplicated"] == 0
    assert total["in_time"] > 0
    (server_log,) = server_dir.glob("server_frames*.csv")
    assert reconcile(out / "frames.csv", server_log) == []
    rows = read_records(out / "frames.csv", FrameRecord)
    answered = [row for row in rows if row.verdict == "in_time"]
    assert max(row.advised_side_px for row in answered) > 128, "larger sides than the first"
    assert {row.plan_epoch for row in answered} != {None}
