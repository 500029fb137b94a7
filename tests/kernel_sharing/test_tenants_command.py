from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from moonjelly.cli import main
from moonjelly.kernel_sharing.serve_command import READY_PREFIX

LIMIT_S = 60.0
TENANTS = [sys.executable, "-m", "moonjelly", "tenants"]


@contextlib.contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """An action as a process, gone at the end."""
    process = subprocess.Popen(
        [*TENANTS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server, and its address."""
    with started("serve", "--port", "0", *words) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith(READY_PREFIX)
        yield server, line.removeprefix(READY_PREFIX).strip()


def rows_of(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()[1:]]


@pytest.mark.slow
def test_the_published_sample_run_comes_out_live() -> None:
    # Four threads for the published two: then a client that a busy machine holds up still has something to run.
    words = ["resnet50@1300.5", "resnet50@726.75", "--threads", "4"]
    with (
        serving("--phi", "0.7", "--inferences", "82") as (server, address),
        started("load", *words, "--server", address) as load,
    ):
        table, errors = server.communicate(timeout=LIMIT_S)
        told, complaint = load.communicate(timeout=LIMIT_S)
    assert (server.returncode, errors) == (0, "")
    fast, economical = rows_of(table)
    assert fast[:4] == ["0", "0", "resnet50", "1300.5"]
    assert int(fast[4]) == pytest.approx(37, abs=1)
    assert int(economical[4]) == pytest.approx(45, abs=1)
    for row, time_us, energy_uj in ((fast, 57_005, 242_872), (economical, 86_979, 149_314)):
        assert [int(cell) for cell in row[5:]] == [int(row[4]) * time_us, int(row[4]) * energy_uj]
    assert load.returncode == 1  # it would have gone on
    heard = re.match(r"entity 0, model 0: resnet50@1300\.5: (\d+) inferences, ", told)
    assert heard
    assert int(heard[1]) == pytest.approx(int(fast[4]), abs=1)  # one may be answered while it ends
    assert complaint == f"moonjelly: error: no server at {address}, or it has ended\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_server_and_clients_in_good_order(number: signal.Signals) -> None:
    with (
        serving() as (server, address),
        started("load", "resnet18@1300.5", "--server", address) as load,
    ):
        while not (connections := psutil.Process(load.pid).net_connections()):
            assert load.poll() is None
        assert connections
        ask = [*TENANTS, "load", "resnet18@726.75:-2", "--seconds", "1", "--server", address]
        asked = subprocess.run(ask, capture_output=True, text=True, timeout=LIMIT_S, check=True)
        assert asked.stderr == ""
        load.send_signal(number)
        told, complaint = load.communicate(timeout=LIMIT_S)
        assert (load.returncode, complaint) == (0, "")
        assert "resnet18@1300.5: " in told
        assert psutil.Process(server.pid).children() == []
        server.send_signal(number)
        table, errors = server.communicate(timeout=LIMIT_S)
        assert (server.returncode, errors) == (0, "")
        assert {row[2] for row in rows_of(table)} == {"resnet18"}
        assert all(int(row[4]) > 0 for row in rows_of(table))
    host, _, port = address.rpartition(":")
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((host, int(port)))


def test_a_second_server_at_a_port_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["tenants", "serve", "--port", str(port)]) == 1
    expected = f"moonjelly: error: 127.0.0.1:{port}: cannot listen; is the port in use?\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--host", "10.0.0.1"], "--host '10.0.0.1': must be a loopback address"),
        (["--host", "::"], "--host '::': must be a loopback address"),
        (["--host", "example.org"], "--host 'example.org': must be a loopback address"),
        (["--port", "65536"], "--port 65536: must be a whole number within 0..65535"),
        (["--phi", "1.1"], "--phi 1.1: must be within 0..1"),
        (["--phi", "nan"], "--phi nan: must be within 0..1"),
        (["--quantum-us", "0"], "--quantum-us 0: must be a whole number of at least 1"),
        (["--quantum-us", "2000000"], "--quantum-us 2000000: must be a whole number"),
        (["--inferences", "0"], "--inferences 0: must be a whole number of at least 1"),
        (["--kernels", "/nowhere"], "--kernels /nowhere: must be a folder with a NETWORK.json"),
    ],
)
def test_wrong_options_of_a_server_are_named(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tenants", "serve", "--port", "0", *words]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["resnet50"], "'resnet50': must be NETWORK@MHZ[:PRIORITY], MHZ a number of at most 1e+06"),
        (["resnet50@1e308"], "MHZ a number of at most 1e+06"),
        (
            ["resnet50@nan"],
            "'resnet50@nan': must be NETWORK@MHZ[:PRIORITY], MHZ a number of at most 1e+06",
        ),
        (["resnet50@1300.5:20"], "PRIORITY must be a whole number of -20..19"),
        (["resnet50@1300.5", "--threads", "0"], "--threads 0: must be a whole number"),
        (["resnet50@1300.5", "--delay-s", "-1"], "--delay-s -1.0: must be a number"),
        (["resnet50@1300.5", "--seconds", "inf"], "--seconds inf: must be a number"),
        (["resnet50@1300.5", "--server", "here"], "--server 'here': must be HOST:PORT"),
    ],
)
def test_wrong_options_of_a_client_are_named(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tenants", "load", *words]) == 2
    assert complaint in capsys.readouterr().err


def test_what_a_server_does_not_have_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving() as (_, address):
        for word, complaint in (
            ("other@1300.5", "NOT_FOUND: model_path='other': must be one of resnet18, resnet50"),
            ("resnet18@3", "INVALID_ARGUMENT: frequency='3000000': must be a clock of resnet18"),
        ):
            assert main(["tenants", "load", word, "--server", address]) == 1
            error = capsys.readouterr().err
            assert error.startswith(f"moonjelly: error: {address} says {complaint}")
            assert error.count("\n") == 1
    assert main(["tenants", "load", "resnet18@1300.5", "--server", address]) == 1
    assert capsys.readouterr().err == f"moonjelly: error: no server at {address}, or it has ended\n"
