"""`moonjelly serve`, as a person calls it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from moonjelly.core.errors import UsageError
from moonjelly.devices.config import DeviceConfig
from moonjelly.server.command import with_devices
from moonjelly.server.config import ServerConfig
from moonjelly.server.running_server import READY_PREFIX, RunningServer

LIMIT_S = 60
REPLAYED = ("--zoo", "replayed-gpu", "--devices", "replayed:gpu", "--frame-slots", "4")
ROOT = Path(__file__).resolve().parents[2]


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moonjelly", "serve", "--no-logs", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "99999"), "--port"),
        (("--devices", "toaster:1"), "toaster:1"),
        (("--devices", "cpu:4095"), "no core 4095"),
        (("--zoo", "nowhere", "--devices", "replayed:gpu"), "nowhere"),
        (("--zoo", "replayed-gpu", "--devices", "replayed:nothing"), "nothing"),
        (("--config", "/nowhere.yaml"), "/nowhere.yaml"),
        ((*REPLAYED, "--batcher", "sorted"), "batcher"),
        ((*REPLAYED, "--planner", "oracle"), "planner"),
        ((*REPLAYED, "--budget-rule", "oracle"), "budget-rule"),
        ((*REPLAYED, "--budget-rule", "fixed:7"), "no side of 7 px"),
        ((*REPLAYED, "--log-level", "loud"), "log-level"),
        ((*REPLAYED, "--variants", "nothing"), "nothing"),
        ((*REPLAYED, "--out-dir", "logs"), "no_logs"),
        (("--zoo", "traffic", "--variants", "nothing", "--devices", "cpu:0"), "nothing"),
    ],
)
def test_wrong_requests_are_refused_in_one_line_with_status_2(arguments, words):
    done = serve(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    "line", ["planner: bogus", "batcher: bogus", "budget_rule: bogus", "budget_rule: fixed:7"]
)
def test_names_in_a_file_are_checked_before_anything_starts(tmp_path, line):
    path = tmp_path / "server.yaml"
    path.write_text(f"zoo: replayed-gpu\ndevices: replayed:gpu\n{line}\n")
    done = serve("--config", str(path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert line.partition(": ")[2] in done.stderr


def test_a_second_server_on_the_same_port_is_refused_and_the_first_serves_on(tmp_path):
    with RunningServer(REPLAYED, log_path=tmp_path / "log") as first:
        port = first.address.rpartition(":")[2]
        done = serve(*REPLAYED, "--port", port)
        assert done.returncode == 1
        message = f"moonjelly: error: port={port}: address in use at 127.0.0.1"
        assert message in done.stderr
        assert first.stop() == 0


@pytest.mark.ipv6
def test_an_ipv6_address_is_shown_in_brackets(tmp_path):
    with RunningServer([*REPLAYED, "--host", "::1"], log_path=tmp_path / "log") as server:
        assert server.address.startswith("[::1]:")


def test_several_endpoints_share_a_port(tmp_path):
    arguments = [*REPLAYED, "--endpoints", "2"]
    with RunningServer(arguments, log_path=tmp_path / "log") as server:
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("options", "is_writable"), [((), True), (("--no-logs",), True), ((), False)]
)
def test_run_logs_are_kept_where_the_start_line_says(tmp_path, options, is_writable):
    state = tmp_path / "state"
    state.mkdir() if is_writable else state.touch()
    command = [sys.executable, "-m", "moonjelly", "serve", "--port", "0", *REPLAYED, *options]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "XDG_STATE_HOME": str(state)},
    )  # fmt: skip
    with server:
        line = server.stdout.readline()
        server.terminate()
        _, messages = server.communicate(timeout=LIMIT_S)
    assert server.returncode == 0
    logs = state / "moonjelly" / "0"
    is_logged = is_writable and not options
    assert line.endswith(f", logs in {logs}\n") == is_logged
    assert (", logs in " in line) == is_logged
    assert (f"no run logs: out_dir={logs}: Not a directory" in messages) == (not is_writable)
    if is_logged:
        names = {path.name for path in logs.iterdir()}
        devices = {f"{kind}-replayed0.csv" for kind in ("batches", "loads")}
        assert names == {"server_frames.csv", "plans.csv", *devices}
    elif is_writable:
        assert not any(state.iterdir())


def test_a_folder_of_logs_that_vanishes_costs_the_logs_alone(tmp_path):
    out = tmp_path / "out"
    arguments = [*REPLAYED, "--out-dir", str(out)]
    log = tmp_path / "log"
    with RunningServer(arguments, log_path=log) as server:
        shutil.rmtree(out)
        children = psutil.Process(server.pid).children()
        for child in children:
            child.kill()
        psutil.wait_procs(children, LIMIT_S)
        while log.read_text().count(": ready") < 2 * len(children):
            assert psutil.pid_exists(server.pid)
            time.sleep(0.05)
        text = log.read_text()
        for name in ("server_frames", "plans", "batches-replayed0"):
            assert text.count(f"serving without {name}") == 1
        assert server.stop() == 0


@pytest.mark.parametrize(
    "streams", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "| true"], ids=lambda text: text
)
def test_a_server_without_its_standard_streams_serves_and_ends_as_any_other(tmp_path, streams):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--no-logs", *REPLAYED]
    words = [sys.executable, "-m", "moonjelly", "serve", *options]
    status = tmp_path / "status"
    script = f"({shlex.join(words)}; echo $? >{status}) {streams}"
    log = (tmp_path / "log").open("w")
    with log, subprocess.Popen(["bash", "-c", script], stdout=log, stderr=log) as shell:
        limit_s = time.monotonic() + LIMIT_S
        while not is_serving(port) and not status.exists():
            assert time.monotonic() < limit_s
            time.sleep(0.05)
        assert not status.exists(), (tmp_path / "log").read_text()
        (server,) = [
            one
            for one in psutil.Process(shell.pid).children(recursive=True)
            if one.cmdline()[1:4] == ["-m", "moonjelly", "serve"]
        ]
        server.send_signal(signal.SIGTERM)
        assert shell.wait(LIMIT_S) == 0
    assert status.read_text() == "0\n"


def is_serving(port: int) -> bool:
    """Whether health says that the server can run frames."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def test_run_sh_starts_the_server_and_hands_it_the_signal():
    server = subprocess.Popen(
        [ROOT / "run.sh", *REPLAYED, "--port", "0", "--no-logs", "--log-level", "error"],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    with server:
        assert server.stdout.readline().startswith(READY_PREFIX)
        server.send_signal(signal.SIGTERM)
        assert server.wait(LIMIT_S) == 0


def test_a_server_leaves_with_the_program_that_started_it(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from moonjelly.server.running_server import RunningServer;"
        "server = RunningServer(sys.argv[2:], log_path=Path(sys.argv[1])).start();"
        "print(server.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "log"), *REPLAYED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        server = psutil.Process(int(starter.stdout.readline()))
        children = server.children()
        starter.kill()
    gone, alive = psutil.wait_procs([server, *children], LIMIT_S)
    assert len(gone) == 4
    assert alive == []
    assert "has ended" in (tmp_path / "log").read_text()


def test_frames_that_do_not_fit_into_memory_are_refused_with_both_numbers():
    done = serve(*REPLAYED[:4], "--endpoints", "64", "--frame-slots", "4096", "--port", "0")
    assert done.returncode == 2
    assert re.search(r"needs [0-9]+ bytes and [0-9]+ are available", done.stderr)


def test_devices_that_share_a_core_are_refused():
    devices = (DeviceConfig("a", "t", cores=(0,)), DeviceConfig("b", "t", cores=(0,)))
    with pytest.raises(UsageError, match="core 0 belongs to a"):
        with_devices(ServerConfig(devices=devices))


def test_where_no_device_is_named_there_is_one():
    assert with_devices(ServerConfig()).devices
