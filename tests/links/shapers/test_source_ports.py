"""Links that share an interface, in network namespaces of their own."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from shape_source_ports import replay_source_ports

from moonjelly.core.errors import RunError, UsageError
from moonjelly.core.records import FrameRecord
from moonjelly.files.csv_log import read_records
from moonjelly.links.shapers.namespaces import enter_command, run_in, run_ip
from moonjelly.links.traces import constant_trace
from moonjelly.server.running_server import RunningServer

SCRIPT = Path(__file__).parents[3] / "network_shaping/shape_source_ports.py"
SERVER = "198.19.255.2"
PORTS = (50_001, 50_011, 50_021)

SENDER = """
import socket, sys, time
host, port, source_port, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
connection = socket.create_connection((host, port), 10, ("", source_port))
connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)
connection.recv(1)
connection.settimeout(0.1)
end = time.monotonic() + seconds
while time.monotonic() < end:
    try:
        connection.send(bytes(16384))
    except TimeoutError:
        pass
"""


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Two namespaces, of clients and of a server, joined by the interface `shared`."""
    client, server = (f"mjtest-{os.getpid()}-{end}" for end in ("client", "server"))
    run_ip([f"netns add {client}", f"netns add {server}"])
    try:
        run_ip(
            [
                f"link add shared type veth peer name s netns {server}",
                "addr add 198.19.255.1/30 dev shared",
                "link set shared up gso_max_segs 1",
            ],
            client,
        )
        run_ip([f"addr add {SERVER}/30 dev s", "link set s up"], server)
        yield client, server
    finally:
        run_ip([f"netns del {client}", f"netns del {server}"])


def start_shaping(client: str, out_dir: Path, *links: str) -> subprocess.Popen[str]:
    """The script, once it shapes."""
    command = [*enter_command(client), sys.executable, SCRIPT, "--interface", "shared"]
    process = subprocess.Popen([*command, "--out", out_dir, *links])
    end = time.monotonic() + 60
    while queue_of(client).count("bfifo") + queue_of(client).count("blackhole") < len(links):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    return process


def queue_of(namespace: str) -> str:
    return run_in(namespace, ["tc", "qdisc", "show", "dev", "shared"])


@pytest.mark.network
def test_each_source_port_gets_its_own_rate_and_others_are_left_alone(
    namespaces: tuple[str, str], tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    client, server = namespaces
    before = queue_of(client)
    with laboratory.running_sink(enter_command(server)) as sink:
        port = sink.address.rpartition(":")[2]
        slow, fast, free = (iter(range(first, first + 5)) for first in PORTS)  # one for each try
        links = [f"{PORTS[0] + number}=2" for number in range(5)]
        links += [f"{PORTS[1] + number}=20" for number in range(5)]
        shaping = start_shaping(client, tmp_path, *links)

        def carried(source_port: int) -> tuple[float, float]:
            start_s = time.monotonic()
            arguments = [SERVER, port, str(source_port), "1"]
            run_in(client, [sys.executable, "-c", SENDER, *arguments])
            end_s, total = sink.report()["times"][-1]
            return total * 8 / 1e6, end_s - start_s

        def is_filled(source_port: int, mbps: float) -> bool:
            mbits, seconds = carried(source_port)
            assert mbits <= mbps * (seconds * 1.01 + 0.05)
            return mbits >= mbps * (seconds * 0.7 - 0.3)

        assert laboratory.in_some_try(lambda: is_filled(next(slow), 2))
        assert laboratory.in_some_try(lambda: is_filled(next(fast), 20))
        assert laboratory.in_some_try(lambda: carried(next(free))[0] > 40), "nobody shapes this one"
        shaping.send_signal(signal.SIGINT)
        assert shaping.wait(30) == 0
    assert queue_of(client) == before
    assert (tmp_path / f"link-port-{PORTS[1]}.csv").read_text().endswith(",20000.000\n")


@pytest.mark.network
def test_our_client_binds_its_source_ports_and_is_shaped_by_them(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    client, server = namespaces
    serve = RunningServer(
        ["--zoo", "replayed-gpu", "--devices", "replayed:gpu", "--host", SERVER, "--insecure"],
        command_prefix=enter_command(server),
        log_path=tmp_path / "server.log",
    )
    run_in(server, ["ip", "link", "set", "lo", "up"])
    run_in(client, ["ip", "link", "set", "lo", "up"])
    shaping = start_shaping(client, tmp_path, f"{PORTS[0]}=2", f"{PORTS[0] + 1}=30")
    with serve:
        options = ["--fps", "8", "--slo-ms", "400", "--seconds", "6", "--out", tmp_path / "out"]
        more = ["--clients", "2", "--source-port", str(PORTS[0]), "--server", serve.address]
        run_in(client, [sys.executable, "-m", "moonjelly", "client", *map(str, [*options, *more])])
    shaping.terminate()
    assert shaping.wait(30) == 0
    slow, fast = (
        [
            row
            for row in read_records(tmp_path / "out" / "frames.csv", FrameRecord)
            if row[0] == name
        ]
        for name in ("camera-0", "camera-1")
    )
    for rows, low, high in ((slow, 1000, 2500), (fast, 6000, 40_000)):
        seen = [row.bandwidth_kbps for row in rows if row.bandwidth_kbps]
        assert low < statistics.median(seen[len(seen) // 2 :]) < high
    sides = [statistics.mean(row.side_px for row in rows if row.side_px) for rows in (slow, fast)]
    assert sides[0] < sides[1]


@pytest.mark.network
def test_an_outage_and_its_end_are_replayed(
    namespaces: tuple[str, str], tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    client, server = namespaces
    trace = tmp_path / "trace.csv"
    trace.write_text("time_s,rate_mbps\n0,10\n0.5,10\n1.0,0\n")  # and again
    with laboratory.running_sink(enter_command(server)) as sink:
        port = sink.address.rpartition(":")[2]
        ports = iter(range(50_001, 50_006))
        shaping = start_shaping(client, tmp_path, *(f"{50_001 + n}={trace}" for n in range(5)))

        def meets_an_outage() -> bool:
            arguments = [SERVER, port, str(next(ports)), "3"]
            run_in(client, [sys.executable, "-c", SENDER, *arguments])
            times = sink.report()["times"]
            return max(b[0] - a[0] for a, b in itertools.pairwise(times)) >= 0.4

        assert laboratory.in_some_try(meets_an_outage)
        shaping.terminate()
        assert shaping.wait(30) == 0


@pytest.mark.network
def test_what_a_killed_run_left_is_replaced_by_the_next_one(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    client, _ = namespaces
    before = queue_of(client)
    killed = start_shaping(client, tmp_path, "50001=2")
    killed.kill()
    killed.wait()
    assert "htb 6d6a:" in queue_of(client)
    again = start_shaping(client, tmp_path, "50002=2", "50003=0")
    assert len(re.findall(r"bfifo|blackhole", queue_of(client))) == 2
    again.terminate()
    assert again.wait(30) == 0
    assert queue_of(client) == before


@pytest.mark.network
def test_a_queue_of_somebody_elses_is_left_alone(
    namespaces: tuple[str, str], tmp_path: Path
) -> None:
    client, _ = namespaces
    run_in(client, ["tc", "qdisc", "add", "dev", "shared", "root", "handle", "1:", "htb"])
    command = [*enter_command(client), sys.executable, SCRIPT, "--interface", "shared", "50001=2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "shape_source_ports: error: tc:" in done.stderr
    assert queue_of(client).startswith("qdisc htb 1: root")


@pytest.mark.parametrize("port", [0, 65536])
async def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    with pytest.raises(UsageError, match=f"port={port}"):
        await replay_source_ports("lo", {port: constant_trace(1)}, {}, asyncio.Event())


@pytest.mark.network
async def test_an_interface_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RunError, match="no-such-device"):
        await replay_source_ports("no-such-device", {1: constant_trace(1)}, {}, asyncio.Event())


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("50001", "must be PORT=MBPS or PORT=FILE"),
        ("x=1", "must be PORT=MBPS or PORT=FILE"),
        ("1=-1", "'1=-1': values_mbps=-1.0"),
        ("1=gone.txt", "gone.txt: cannot be read: No such file"),
    ],
)
def test_a_bad_link_exits_2_and_says_why(tmp_path: Path, link: str, message: str) -> None:
    command = [sys.executable, SCRIPT, "--interface", "lo", link]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
