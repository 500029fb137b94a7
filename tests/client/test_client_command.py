from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from moonjelly.cli import main
from moonjelly.protos import serving_pb2 as pb


def client(server, *options):
    return main(["client", "--server", server, *map(str, options)])


def test_devices_are_emulated_over_shaped_links(threaded_server, pictures, tmp_path, capsys):
    out = tmp_path / "run"
    status = client(
        threaded_server.address, "--source", pictures, "--fps", 20, "--slo-ms", 1000, "--clients", 2,
        "--seconds", 0.5, "--out", out, "--link", 30, "--wire-ms", 2, "--video",
    )  # fmt: skip
    shown = capsys.readouterr()
    assert status == 0, shown.err
    assert "camera-1" in shown.out
    assert str(out) in shown.out
    names = {path.name for path in out.iterdir()}
    assert {
        "frames.csv", "answers.jsonl", "run.json", "summary.json",
        "link-camera-0.csv", "link-camera-1.csv", "camera-0.mp4", "camera-1.mp4",
    } <= names  # fmt: skip
    summary = json.loads((out / "summary.json").read_text())
    assert summary["kind"] == "client"
    assert summary["total"]["captured"] == 20
    assert summary["total"]["lost"] == summary["total"]["duplicated"] == 0
    run = json.loads((out / "run.json").read_text())
    assert run["settings"]["slo_ms"] == "1000.0"
    assert run["streams"][0]["link"] == "30 Mbit/s, 2 ms"
    rates = (out / "link-camera-0.csv").read_text().splitlines()
    assert rates[1].endswith(",30000.000")


def test_a_source_whose_name_is_no_text_is_streamed(threaded_server, pictures, tmp_path, capsys):
    folder = tmp_path / "caf\udce9"
    folder.symlink_to(pictures)
    out = tmp_path / "run"
    status = client(
        threaded_server.address, "--source", folder, "--fps", 20, "--slo-ms", 1000, "--seconds", 0.3,
        "--out", out, "--video",
    )  # fmt: skip
    assert status == 0, capsys.readouterr().err
    assert json.loads((out / "run.json").read_text())["streams"][0]["source"] == str(folder)


def test_pictures_that_cannot_be_read_cost_their_frames(threaded_server, tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k in range(6):
        cv2.imwrite(str(folder / f"{k}.png"), np.full((48, 64, 3), 90, np.uint8))
    (folder / "2.png").write_bytes(b"no picture")
    out = tmp_path / "run"
    options = ("--source", folder, "--fps", 2, "--slo-ms", 5000, "--out", out, "--video")
    assert client(threaded_server.address, *options) == 0, capsys.readouterr().err
    total = json.loads((out / "summary.json").read_text())["total"]
    assert total["captured"] == 6
    assert total["dropped_by"]["client"]["source_lost"] == 1
    for k in range(6):
        (folder / f"{k}.png").write_bytes(b"no picture")
    assert client(threaded_server.address, *options) == 1
    assert "no picture of it can be read" in capsys.readouterr().err


def test_a_trace_is_followed_from_different_places(threaded_server, pictures, tmp_path):
    trace = tmp_path / "trace.txt"
    trace.write_text("\n".join(str(10 + k) for k in range(50)))
    status = client(
        threaded_server.address, "--source", pictures, "--clients", 3, "--seconds", 0.2,
        "--slo-ms", 1000, "--out", tmp_path, "--link", trace, "--seed", 4,
    )  # fmt: skip
    assert status == 0
    first = [
        (tmp_path / f"link-camera-{k}.csv").read_text().splitlines()[1].partition(",")[2]
        for k in range(3)
    ]
    assert len(set(first)) == 3


def test_scenes_differ_from_device_to_device(threaded_server, tmp_path, monkeypatch):
    from moonjelly.client import emulation

    opened = []
    monkeypatch.setattr(
        emulation, "open_source", lambda text, fps: opened.append(text) or _NoPictures()
    )
    client(
        threaded_server.address, "--source", "scene:7", "--clients", 3, "--seconds", 1,
        "--out", tmp_path,
    )  # fmt: skip
    assert sorted(opened) == ["scene:7", "scene:8", "scene:9"]


def test_a_refusal_shows_what_would_fit(threaded_server, pictures, tmp_path, capsys):
    threaded_server.refusal = pb.Refusal(
        reason=pb.Refusal.OVERLOAD,
        detail="the devices are taken",
        counter_offers=[
            pb.CounterOffer(fps=4.567, slo_ms=200),
            pb.CounterOffer(fps=10, slo_ms=412.3),
        ],
    )
    assert client(threaded_server.address, "--source", pictures, "--out", tmp_path) == 1
    shown = capsys.readouterr()
    assert "camera-0 was refused (overload): the devices are taken" in shown.err
    assert "would fit now: --fps 4.56 --slo-ms 200" in shown.err
    assert "would fit now: --fps 10 --slo-ms 413" in shown.err
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["total"]["captured"] == 0


def test_a_server_that_is_not_there_is_said_so(pictures, tmp_path, capsys):
    assert client("127.0.0.1:1", "--source", pictures, "--out", tmp_path) == 1
    assert "no server at 127.0.0.1:1: Connection refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fps", 0), "--fps=0.0"),
        (("--fps", "nan"), "--fps=nan"),
        (("--slo-ms", -5), "--slo-ms=-5.0"),
        (("--clients", 0), "--clients=0"),
        (("--clients", 5000), "--clients=5000"),
        (("--seconds", 0), "--seconds=0.0"),
        (("--seconds", "inf"), "--seconds=inf"),
        (("--seed", -1), "--seed=-1"),
        (("--name", "a b"), "--name='a b'"),
        (("--zoo", "../x"), "--zoo='../x'"),
        (("--min-score", 1.5), "--min-score=1.5: must be 0 to 1"),
        (("--max-boxes", 0), "--max-boxes=0: must be a whole number of at least 1"),
        (("--classes", "car\n"), "--classes=("),
        (("--server", "nowhere"), "--server='nowhere'"),
        (("--link", 0), "--link=0.0"),
        (("--link", "nan"), "--link=nan"),
        (("--link", "nofile.txt"), "nofile.txt: cannot be read: No such file"),
        (("--wire-ms", -1), "--wire-ms=-1.0"),
        (("--source-port", -1), "--source-port=-1: must be 1 to 65535"),
        (("--source-port", 65535, "--clients", 2), "--source-port=65535: must be 1 to 65534"),
        (("--policy", "worst"), "--policy='worst': must be one of ladder, best"),
        (("--source", "nofile.mp4"), "source='nofile.mp4'"),
        (("--source", "camera:0", "--video"), "--video"),
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, capsys, options, message):
    status = main(["client", "--out", str(tmp_path), *map(str, options)])
    shown = capsys.readouterr().err
    assert status == 2
    assert shown.startswith("moonjelly: error: ")
    assert message in shown
    assert shown.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_said_so(threaded_server, pictures, capsys):
    status = client(threaded_server.address, "--source", pictures, "--out", "/proc/nowhere")
    assert status == 1
    assert "/proc/nowhere" in capsys.readouterr().err


def test_an_interrupt_ends_the_run_in_good_order(threaded_server, pictures, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable, "-m", "moonjelly", "client", "--server", threaded_server.address,
            "--source", pictures, "--fps", "50", "--slo-ms", "2000", "--out", tmp_path,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        while len(threaded_server.frames) < 5:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "camera-0" in out
    assert json.loads((tmp_path / "summary.json").read_text())["total"]["lost"] == 0


class _NoPictures:
    is_live = False

    def read(self, index):
        return None

    def close(self):
        pass
