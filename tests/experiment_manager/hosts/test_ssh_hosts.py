"""Runs on hosts behind a real SSH server: `apt-get install openssh-server`, else these are skipped."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from moonjelly.experiment_manager.experiment_file import read_experiment
from moonjelly.experiment_manager.hosts import over_ssh
from moonjelly.experiment_manager.hosts.fleet import DEFAULT_LEASE_S, Fleet
from moonjelly.experiment_manager.hosts.host import read_hosts
from moonjelly.experiment_manager.hosts.port import HostError
from moonjelly.experiment_manager.matrix import RunConfig
from moonjelly.experiment_manager.running_all import CannotGoOnError
from moonjelly.files.shipped import shipped_folder
from moonjelly.links.shapers import namespaces
from moonjelly.links.shapers.claims import CLAIMS_DIR

AGENT = "moonjelly.experiment_manager.hosts.agent"
REMOTE_STOP_LIMIT_S = 60.0
pytestmark = [pytest.mark.slow, pytest.mark.ssh_server]


def write_experiment(folder: Path, seconds: float, zoo: str, shaper: str) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(
        f"seconds: {seconds}\n"
        f"server: {{zoo: {zoo}, devices: [replayed:gpu], variants: [yolov4-128, yolov4-256]}}\n"
        "matrix: {clients: [2], slo_ms: [300], fps: [10], trace: [lte_like], "
        f"shaper: [{shaper}]}}\n"
    )
    return path


def first_run(folder: Path, seconds: float) -> RunConfig:
    return read_experiment(write_experiment(folder, seconds, "replayed-gpu", "relay")).runs()[0]


def command(
    folder: Path,
    hosts_file: Path,
    out: Path,
    seconds: float,
    *,
    zoo: str = "replayed-gpu",
    shaper: str = "relay",
) -> list[str]:
    file = write_experiment(folder, seconds, zoo, shaper)
    words = ["experiment", "run", str(file), "--hosts", str(hosts_file), "--out", str(out)]
    return [sys.executable, "-m", "moonjelly", *words]


def remote_processes(root: Path) -> list[psutil.Process]:
    """Everything that runs for the hosts: agents, and servers and relays below them."""
    found: dict[int, psutil.Process] = {}
    for path in root.rglob("processes.txt"):
        for line in path.read_text().splitlines():
            try:
                process = psutil.Process(int(line.split()[0]))
                for one in (process, *process.children(recursive=True)):
                    found[one.pid] = one
            except psutil.Error:
                continue
    return list(found.values())


def await_streaming(root: Path, is_alive: Callable[[], bool]) -> list[psutil.Process]:
    limit_s = time.monotonic() + 120
    while not list(root.rglob("frames.csv")):
        assert is_alive(), "the experiment ended before it streamed"
        assert time.monotonic() < limit_s, "the experiment does not stream"
        time.sleep(0.05)
    return remote_processes(root)


def assert_all_end(processes: list[psutil.Process]) -> None:
    assert len(processes) >= 4  # two agents, a server with its children, a relay
    limit_s = time.monotonic() + REMOTE_STOP_LIMIT_S
    while any(is_running(one) for one in processes):
        assert time.monotonic() < limit_s, processes
        time.sleep(0.05)


def is_running(process: psutil.Process) -> bool:
    try:  # one whose parent has been stopped stays as a zombie
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_on_hosts_leaves_the_folder_of_a_run_here_and_nothing_there(
    tmp_path: Path, hosts_file: Path
) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        command(tmp_path, hosts_file, out, 1),
        check=False, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["camera"], row["captured"]) for row in rows] == [
        ("camera-0", "10"), ("camera-1", "10"),
    ]  # fmt: skip
    (folder,) = (out / "runs").iterdir()
    for name in (
        "frames.csv", "answers.jsonl", "link-camera-1.csv", "load.json", "server.log",
        "server/server_frames.csv", "hosts/street/load.json",
    ):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name
    host = json.loads((folder / "run.json").read_text())["host"]
    assert host["street: plays"] == "camera-0, camera-1"
    assert "edge: processor" in host
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize("which", ["unknown", "other"])
def test_a_host_whose_key_is_not_the_known_one_is_refused(
    tmp_path: Path, hosts_file: Path, ssh_server: Any, which: str
) -> None:
    public = (tmp_path / "sshd" / "user_key.pub").read_text()  # some key that is not the host's
    place = f"[127.0.0.1]:{ssh_server.port}" if which == "other" else "elsewhere"
    ssh_server.known_hosts.write_text(f"{place} {public}")
    done = subprocess.run(
        command(tmp_path, hosts_file, tmp_path / "out", 1),
        check=False, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"host edge (127.0.0.1:{ssh_server.port}): its key does not stand in" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "there").exists()


def test_a_user_key_that_the_host_does_not_take_ends_with_one_line(
    tmp_path: Path, hosts_file: Path
) -> None:
    (tmp_path / "sshd" / "authorized_keys").write_text("")
    done = subprocess.run(
        command(tmp_path, hosts_file, tmp_path / "out", 1),
        check=False, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be reached: Permission denied" in done.stderr
    assert done.stderr.count("\n") == 1


@contextlib.asynccontextmanager
async def open_session(hosts_file: Path, lease_s: float) -> AsyncIterator[Fleet]:
    console = Console(quiet=True)
    hosts = read_hosts(hosts_file)
    session = Fleet(hosts, "cafe", console, lease_s=lease_s, return_limit_s=0.0)
    try:
        await session.open()
        yield session
    finally:
        await session.close()


async def lose_hosts(session: Fleet, folder: Path, ssh_server: Any, how: signal.Signals) -> None:
    """Signals the SSH server in the midst of a run; the run fails, and all ends that ran there."""
    draft = folder / "lost"
    draft.mkdir()
    making = asyncio.create_task(session.make_run(first_run(folder, 60), draft, lambda _, __: None))
    processes = await asyncio.to_thread(
        await_streaming, folder / "there", lambda: not making.done()
    )
    ssh_server.signal(how)
    with pytest.raises(HostError, match=r"host (edge|street) \(127.0.0.1:\d+\): "):
        await asyncio.wait_for(making, 90)
    await asyncio.to_thread(assert_all_end, processes)


async def test_a_run_whose_host_dies_fails_and_the_next_is_made_when_it_is_back(
    tmp_path: Path, hosts_file: Path, ssh_server: Any
) -> None:
    async with open_session(hosts_file, DEFAULT_LEASE_S) as session:
        await lose_hosts(session, tmp_path, ssh_server, signal.SIGKILL)
        with pytest.raises(CannotGoOnError, match="the same command goes on when it is back"):
            await session.make_run(first_run(tmp_path, 1), tmp_path / "no", lambda _, __: None)
        ssh_server.stop()  # waits for its end
        ssh_server.start()
        (tmp_path / "next").mkdir()
        progress: list[int] = []
        assert not await session.make_run(
            first_run(tmp_path, 2), tmp_path / "next", lambda number, _: progress.append(number)
        )
        assert 0 < sum(progress) <= 40
    assert list((tmp_path / "there").iterdir()) == []


async def test_a_run_whose_host_hangs_fails_and_what_it_runs_stops_by_itself(
    tmp_path: Path, hosts_file: Path, ssh_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_ssh, "KEEPALIVE_PERIOD_S", 2.0)
    async with open_session(hosts_file, lease_s=6.0) as session:
        await lose_hosts(session, tmp_path, ssh_server, signal.SIGSTOP)


def test_a_manager_that_is_killed_leaves_nothing_there_and_the_next_one_goes_on(
    tmp_path: Path, hosts_file: Path
) -> None:
    out, there = tmp_path / "out", tmp_path / "there"
    manager = subprocess.Popen(
        command(tmp_path, hosts_file, out, 60), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        processes = await_streaming(there, lambda: manager.poll() is None)
    finally:
        os.kill(manager.pid, signal.SIGKILL)
        manager.wait()
    assert_all_end(processes)
    assert list(there.iterdir()) == []
    done = subprocess.run(
        command(tmp_path, hosts_file, out, 1),
        check=False, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(there.iterdir()) == []
    assert not (out / "unfinished").exists()


def laboratories(processes: list[psutil.Process]) -> list[str]:
    """The namespaces and interfaces that some processes have claimed."""
    pids = {one.pid for one in processes}
    claims = [path for path in CLAIMS_DIR.glob("*.json") if _claimed_by(path) in pids]
    return [
        str(path)
        for claim in claims
        for place, prefix in (
            (namespaces.NAMESPACES_DIR, namespaces.namespace_prefix(claim.stem)),
            (namespaces.INTERFACES_DIR, namespaces.device_prefix(claim.stem)),
        )
        for path in place.glob(f"{prefix}*")
    ]


def _claimed_by(path: Path) -> int:
    try:
        return int(json.loads(path.read_text())["pid"])
    except (OSError, ValueError):  # somebody else's, who begins or ends
        return 0


def await_removal(paths: list[str]) -> None:
    assert len(paths) == 5  # a server's namespace, for each of two cameras one and an interface
    limit_s = time.monotonic() + REMOTE_STOP_LIMIT_S
    while any(os.path.lexists(path) for path in paths):
        assert time.monotonic() < limit_s, paths
        time.sleep(0.05)


@pytest.mark.network
def test_the_kernel_shapes_on_a_host_and_a_zoo_of_ones_own_is_served(
    tmp_path: Path, hosts_file: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(shipped_folder("profiles") / "replayed-gpu", tmp_path / "mine")
    done = subprocess.run(
        command(tmp_path, hosts_file, out, 1, zoo="./mine", shaper="kernel"),
        check=False, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["shaper"], row["captured"]) for row in rows] == [("kernel", "10")] * 2
    assert sum(int(row["in_time"]) for row in rows) > 0
    (folder,) = (out / "runs").iterdir()
    assert (folder / "link-camera-1.csv").stat().st_size > 0
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.network
@pytest.mark.parametrize("which", ["the agent", "the agent and its shaper"])
def test_an_agent_that_is_killed_leaves_no_namespaces_for_longer_than_the_next_session(
    tmp_path: Path, hosts_file: Path, which: str
) -> None:
    out, there = tmp_path / "out", tmp_path / "there"
    manager = subprocess.Popen(
        command(tmp_path, hosts_file, out, 60, shaper="kernel"),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    processes = await_streaming(there, lambda: manager.poll() is None)
    paths = laboratories(processes)
    players = {
        int(line.split()[0])
        for path in there.glob("*/*/street/processes.txt")
        for line in path.read_text().splitlines()
    }
    agents = [one for one in processes if one.pid in players and AGENT in one.cmdline()]
    assert (len(agents), len(players)) == (1, 2)
    for one in processes:
        if one in agents or (one.pid in players and which != "the agent"):
            one.kill()
    errors = manager.communicate(timeout=120)[1]
    assert manager.returncode == 1, errors
    assert "its agent has ended" in errors
    if which != "the agent":
        assert all(map(os.path.lexists, paths)), "nobody was left to clean up"
        done = subprocess.run(
            command(tmp_path, hosts_file, out, 1, shaper="kernel"),
            check=False, capture_output=True, text=True, timeout=250,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    await_removal(paths)


@pytest.mark.network
def test_a_host_that_cannot_shape_is_told_before_any_run(tmp_path: Path, hosts_file: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPATH=/nowhere\nexport PATH\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    hosts_file.write_text(hosts_file.read_text().replace(sys.executable, str(python)))
    done = subprocess.run(
        command(tmp_path, hosts_file, tmp_path / "out", 1, shaper="kernel"),
        check=False, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.count("host street (127.0.0.1:") == 1
    assert "shaper=kernel: not installed: ip, tc, ss, nsenter, sysctl" in done.stderr
    assert not (tmp_path / "out" / "failed").exists()


def test_why_a_server_there_does_not_start_is_told_here(tmp_path: Path, hosts_file: Path) -> None:
    words = command(tmp_path, hosts_file, tmp_path / "out", 1)
    file = tmp_path / "tiny.yaml"
    file.write_text(file.read_text().replace("[replayed:gpu]", "[abacus]"))
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=250)
    assert done.returncode == 1
    (problems,) = (tmp_path / "out" / "failed").glob("*/problems.txt")
    assert "edge/server.log: moonjelly: error: " in problems.read_text()
    assert "'abacus'" in problems.read_text()
