"""How the client command ends: by signals, without a server, on a full disk."""

from __future__ import annotations

import errno
import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from google.rpc import code_pb2
from streaming import FLAT

from moonjelly.cli import main
from moonjelly.client import ArraySource, command_report, emulation
from moonjelly.core.records import FrameRecord
from moonjelly.files.csv_log import read_records
from moonjelly.protos import serving_pb2 as pb

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


class Client:
    """The command in a process of its own."""

    def __init__(self, server, pictures, out, *options, before="", prefix=()):
        code = f"import signal, sys\n{before}\nfrom moonjelly.cli import main\nsys.exit(main(sys.argv[1:]))"
        self.process = subprocess.Popen(
            [
                *prefix, sys.executable, "-c", code, "client", "--server", server, "--source",
                pictures, "--fps", "50", "--slo-ms", "2000", "--out", out, *options,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_for(self, condition):
        while not condition():
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.01)

    def end(self, number=None, timeout_s=60):
        """Sends a signal, and waits for the end; returns status and what was said."""
        if number is not None:
            self.process.send_signal(number)
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        finally:
            self.process.kill()
            self.process.wait()
        assert "Traceback" not in err
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_the_run_in_good_order(threaded_server, pictures, tmp_path, number):
    client = Client(threaded_server.address, pictures, tmp_path)
    client.wait_for(lambda: len(threaded_server.frames) >= 5)
    status, out, err = client.end(number)
    assert status == 0, err
    assert "camera-0" in out
    total = json.loads((tmp_path / "summary.json").read_text())["total"]
    assert total["lost"] == 0
    rows = read_records(tmp_path / "frames.csv", FrameRecord)
    assert len(rows) == total["captured"] >= 5
    assert (tmp_path / "run.json").exists()
    assert threaded_server.num_goodbyes == 1


@pytest.mark.parametrize("number", ENDING)
def test_a_second_signal_ends_it_at_once(threaded_server, pictures, tmp_path, number):
    threaded_server.num_results = 0  # so that it would wait for a minute
    client = Client(threaded_server.address, pictures, tmp_path, "--slo-ms", "60000")
    client.wait_for(lambda: len(threaded_server.frames) >= 5)
    client.process.send_signal(number)
    num_sent = -1
    while num_sent != len(threaded_server.frames):  # until it captures nothing any more
        num_sent = len(threaded_server.frames)
        time.sleep(1)
    assert client.process.poll() is None
    status, _, _ = client.end(number, timeout_s=20)
    assert status == 128 + number


def test_what_was_ignored_at_the_start_stays_ignored(threaded_server, pictures, tmp_path):
    ignoring = (
        "signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN)"
    )
    client = Client(threaded_server.address, pictures, tmp_path, before=ignoring)
    client.wait_for(lambda: len(threaded_server.frames) >= 5)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGHUP):
        client.process.send_signal(number)
    num_before = len(threaded_server.frames)
    client.wait_for(lambda: len(threaded_server.frames) > num_before + 20)
    assert client.end(signal.SIGTERM)[0] == 0


def test_who_kills_it_finds_all_but_the_last_second_in_the_logs(
    threaded_server, pictures, tmp_path
):
    client = Client(threaded_server.address, pictures, tmp_path)
    client.wait_for(lambda: len(threaded_server.frames) >= 10)
    written = len(threaded_server.frames)
    since = time.monotonic()
    client.wait_for(lambda: time.monotonic() - since > 2)
    assert client.end(signal.SIGKILL)[0] == -signal.SIGKILL
    rows = read_records(tmp_path / "frames.csv", FrameRecord)
    assert len(rows) >= written
    found = (tmp_path / "answers.jsonl").read_text()
    assert found.endswith("\n")
    assert len(found.splitlines()) >= written // 2


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_while_no_server_is_there_is_heard(pictures, tmp_path, number):
    client = Client("127.0.0.1:1", pictures, tmp_path, "--wait", "3600", "--clients", "3")
    client.wait_for((tmp_path / "frames.csv").exists)
    time.sleep(0.5)
    status, _, err = client.end(number)
    assert status == 1
    assert "camera-0: was stopped before the server took it" in err
    assert (tmp_path / "summary.json").exists()


def test_a_camera_that_begins_in_an_hour_is_stopped_too(threaded_server, pictures, tmp_path):
    client = Client(threaded_server.address, pictures, tmp_path, "--fps", "0.001")
    client.wait_for((tmp_path / "frames.csv").exists)
    status, _, err = client.end(signal.SIGTERM)
    assert status in {0, 1}, err  # the start is at a random moment of the first 1000 s


@pytest.mark.network
def test_it_hears_signals_as_the_first_process_of_a_container(threaded_server, pictures, tmp_path):
    client = Client(
        threaded_server.address, pictures, tmp_path,
        prefix=("unshare", "--pid", "--fork", "--kill-child", "--"),
    )  # fmt: skip
    client.wait_for(lambda: len(threaded_server.frames) >= 5)
    children = f"/proc/{client.process.pid}/task/{client.process.pid}/children"
    with open(children) as file:  # noqa: PTH123 a file of the kernel
        first = int(file.read().split()[0])
    os.kill(first, signal.SIGTERM)
    status, out, err = client.end()
    assert status == 0, err
    assert "camera-0" in out


def test_the_terminal_may_stop_and_go(threaded_server, pictures, tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable, "-m", "moonjelly", "client", "--server", threaded_server.address, "--source",
            pictures, "--fps", "50", "--slo-ms", "2000", "--out", tmp_path,
        ],
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        while len(threaded_server.frames) < 100:  # nobody reads what it shows meanwhile
            assert process.poll() is None
            time.sleep(0.01)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert json.loads((tmp_path / "summary.json").read_text())["total"]["lost"] == 0


def run(server, pictures, out, *options):
    return main(["client", "--server", server, "--source", str(pictures), "--fps", "20", "--slo-ms",
                 "2000", "--seconds", "0.3", "--out", str(out), *options])  # fmt: skip


def test_a_server_that_starts_later_is_waited_for(threaded_server, pictures, tmp_path, capsys):
    threaded_server.refusal = pb.Refusal(
        reason=pb.Refusal.NOT_READY, detail="no device is ready", retry_after_ms=100
    )
    threaded_server.refusal_code = code_pb2.UNAVAILABLE
    assert run(threaded_server.address, pictures, tmp_path, "--wait", "0.5") == 1
    assert "no device is ready" in capsys.readouterr().err

    class Ready(list):
        def append(self, request):
            super().append(request)
            if len(self) == 3:
                threaded_server.refusal = None

    threaded_server.registrations = Ready()
    assert run(threaded_server.address, pictures, tmp_path, "--wait", "60") == 0
    assert len(threaded_server.registrations) == 3


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e9"])
def test_a_wait_that_cannot_be_is_refused(pictures, tmp_path, capsys, seconds):
    assert run("127.0.0.1:1", pictures, tmp_path, "--wait", seconds) == 2
    assert capsys.readouterr().err.startswith("moonjelly: error: --wait=")


def test_a_full_disk_costs_rows_and_not_the_table(threaded_server, pictures, tmp_path, capsys):
    for name in ("frames.csv", "answers.jsonl"):
        (tmp_path / name).symlink_to("/dev/full")
    assert run(threaded_server.address, pictures, tmp_path) == 1
    shown = capsys.readouterr()
    assert "camera-0" in shown.out
    (line,) = [line for line in shown.err.splitlines() if "lost" in line]
    assert line.startswith("moonjelly: frames.csv lost 7 rows and answers.jsonl ")
    assert line.endswith("No space left on device")
    assert json.loads((tmp_path / "summary.json").read_text())["total"]["captured"] == 6


def test_a_disk_that_is_full_for_the_summary_too_shows_the_table(
    threaded_server, pictures, tmp_path, capsys, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command_report, "write_run_info", full)
    monkeypatch.setattr(command_report, "write_summary", full)
    assert run(threaded_server.address, pictures, tmp_path) == 1
    shown = capsys.readouterr()
    assert "camera-0" in shown.out
    for name in ("run.json", "summary.json"):
        assert f"{name}: cannot be written: No space left on device" in shown.err
    assert "Traceback" not in shown.err


def test_a_video_that_cannot_be_written_is_said_in_a_line(
    threaded_server, pictures, tmp_path, capsys, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command_report, "write_video", full)
    assert run(threaded_server.address, pictures, tmp_path, "--video", "--clients", "2") == 1
    shown = capsys.readouterr()
    assert "camera-1" in shown.out
    for name in ("camera-0.mp4", "camera-1.mp4"):
        assert f"{name}: cannot be written: No space left" in shown.err


def test_many_files_may_be_open(threaded_server, pictures, tmp_path):
    code = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 4000))"
    client = Client(
        threaded_server.address, pictures, tmp_path, "--clients", "150", "--fps", "0.5",
        "--seconds", "2", "--wait", "60", before=code,
    )  # fmt: skip
    status, _, err = client.end(timeout_s=100)
    assert status == 0, err


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://admin:hunter2@127.0.0.1:1/s?token=hunter2",
        "rtsps:/admin:hunter2@127.0.0.1:1/s",
        "admin:hunter2@127.0.0.1:1",
        "scene:hunter2@127.0.0.1:1",
    ],
)
def test_addresses_are_written_without_what_opens_the_camera(
    threaded_server, tmp_path, capfd, source
):
    status = main(
        ["client", "--server", threaded_server.address, "--source", source, "--out", str(tmp_path)]
    )
    assert status in {1, 2}
    shown = capfd.readouterr()
    assert "***@127.0.0.1:1" in shown.err
    assert "hunter2" not in shown.err + shown.out
    for path in tmp_path.rglob("*"):
        assert "hunter2" not in path.read_text()


def test_a_run_says_where_its_pictures_came_from_without_the_password(
    threaded_server, tmp_path, monkeypatch, capfd
):
    """A camera that breaks in the middle, with an error of a library that names its address."""
    address = "rtsp://admin:hunter2@cam.local/s?channel=1&token=hunter2"

    class Camera(ArraySource):
        is_live = True

        def read(self, index):
            if index > 5:
                raise OSError(5, "Input/output error", address)
            return super().read(index)

    monkeypatch.setattr(emulation, "open_source", lambda text, fps: Camera([FLAT]))
    status = main(
        ["client", "--server", threaded_server.address, "--source", address, "--fps", "50",
         "--slo-ms", "2000", "--out", str(tmp_path)]
    )  # fmt: skip
    assert status == 1
    shown = capfd.readouterr()
    run = json.loads((tmp_path / "run.json").read_text())
    masked = "rtsp://***@cam.local/s?channel=1&token=***"
    assert run["streams"][0]["source"] == run["settings"]["source"] == masked
    assert masked in run["streams"][0]["note"]
    assert "Input/output error" in shown.err
    texts = [path.read_text() for path in tmp_path.iterdir()]
    assert "hunter2" not in shown.err + shown.out + "".join(texts)
    assert "hunter2" not in repr(emulation.EmulatedCamera(
        stream_id="a", source=address, fps=1, slo_ms=100, server="h:1"
    ))  # fmt: skip
