"""The fleet with hosts whose agents are played by the test: what is sent, and what is made of answers."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from moonjelly import __version__
from moonjelly.core.errors import RunError, UsageError
from moonjelly.core.records import FrameRecord
from moonjelly.experiment_manager.hosts import fleet as fleet_module
from moonjelly.experiment_manager.hosts.fleet import Fleet
from moonjelly.experiment_manager.hosts.host import Host, Role
from moonjelly.experiment_manager.hosts.port import HostError
from moonjelly.experiment_manager.listed_cameras import ListedCamera, alike
from moonjelly.experiment_manager.matrix import RunConfig
from moonjelly.experiment_manager.running_all import CannotGoOnError
from moonjelly.files.csv_log import CsvLog
from moonjelly.links.traces import constant_trace
from moonjelly.reporting.load import MachineLoad, write_load

RUN = RunConfig(
    1.0, alike(3, 100.0, 10.0), "t", {"t": constant_trace(5.0)}, 0.0, 0, 0,
    {"zoo": "replayed-gpu", "devices": ("replayed:gpu",)},
)  # fmt: skip
HOSTS = (
    Host(name="edge", role=Role.SERVER, root="/there"),
    Host(name="a", role=Role.CLIENTS, root="/there"),
    Host(name="b", role=Role.CLIENTS, root="/there"),
)


class FakeHost:
    """A host and its agents.

    Attributes:
        is_there: whether it can be reached.
        requests: what its agents were asked for.
        answers: event to be told in place of the usual one, by action and event.
        release: what it says that it runs.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.is_there = True
        self.requests: list[dict[str, Any]] = []
        self.answers: dict[tuple[str, str], bytes] = {}
        self.release = __version__
        self.lines: list[str] = []

    @property
    def is_open(self) -> bool:
        return self.is_there

    async def start(self, words: Sequence[str]) -> FakeAgent:
        assert list(words[1:]) == ["-m", "moonjelly.experiment_manager.hosts.agent"]
        return FakeAgent(self)

    async def fetch(self, source: Path, target: Path) -> None:
        """Makes the log that a camera host would have."""
        assert source.is_relative_to("/there/cafe")
        if target.name == "frames.csv":
            with CsvLog(target, FrameRecord) as log:
                for camera in self.requests[-1]["details"]["cameras"]:
                    log.write(
                        FrameRecord(camera["stream_id"], 0, 5.0, "in_time", variant="yolov4-128")
                    )
        elif target.name == "load.json":
            write_load(target.parent, MachineLoad(0.5, 1.0, 2.0, 3.0))
        else:
            target.write_text("at_ms,rate_kbps\n" if target.suffix == ".csv" else "")

    async def close(self) -> None:
        return


class FakeAgent:
    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self._told: asyncio.Queue[bytes] = asyncio.Queue()

    async def write(self, data: bytes) -> None:
        line = data.decode().rstrip("\n")
        self._host.lines.append(line)
        if line.startswith("{"):
            self._request = json.loads(line)
            self._host.requests.append(self._request)
            if self._request["action"] == "describe":
                machine = {"moonjelly": self._host.release, "processor": "abacus"}
                self._tell("done", machine=machine, num_ended=0)
            else:
                self._tell("ready", address="10.0.0.5:10001")
        elif line == "go":
            reports = [
                {
                    "info": {
                        "stream_id": one["stream_id"], "fps": 10, "slo_ms": 100, "captured": 1,
                    },
                    "is_refused": False, "problem": "", "class_names": [],
                }
                for one in self._request["details"]["cameras"]
            ]  # fmt: skip
            self._tell("progress", answers=3, in_time=2)
            links = [f"link-{one['info']['stream_id']}.csv" for one in reports]
            files = ["frames.csv", "answers.jsonl", "load.json", *links]
            self._tell("done", reports=reports, files=files)
        elif line == "stop":
            self._tell("done", status=0, files=["server.log"])

    def _tell(self, event: str, **fields: object) -> None:
        usual = json.dumps({"event": event, **fields}).encode() + b"\n"
        key = (self._request["action"], event)
        self._told.put_nowait(self._host.answers.get(key, usual))

    async def readline(self) -> bytes:
        return await self._told.get()

    async def close(self) -> str:
        self._told.put_nowait(b"")
        return "last words"


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeHost]:
    found = {host.name: FakeHost(host) for host in HOSTS}

    async def connect(host: Host) -> FakeHost:
        if not found[host.name].is_there:
            raise HostError(host, "cannot be reached")
        return found[host.name]

    monkeypatch.setattr(fleet_module, "connect", connect)
    return found


@pytest.fixture
async def fleet(fakes: dict[str, FakeHost]) -> Fleet:
    opened = Fleet(HOSTS, "cafe", Console(quiet=True), return_limit_s=0.0)
    await opened.open()
    return opened


async def make_run(fleet: Fleet, folder: Path, run: RunConfig = RUN) -> tuple[list[str], int]:
    folder.mkdir(exist_ok=True)
    num_answers = 0

    def count(answers: int, in_time: int) -> None:
        nonlocal num_answers
        num_answers += answers

    return await fleet.make_run(run, folder, count), num_answers


def cameras_of(fake: FakeHost) -> list[str]:
    return [camera["stream_id"] for camera in fake.requests[-1]["details"]["cameras"]]


async def test_cameras_are_spread_over_the_hosts_and_their_logs_become_one(
    tmp_path: Path, fleet: Fleet, fakes: dict[str, FakeHost]
) -> None:
    problems, num_answers = await make_run(fleet, tmp_path / "run")
    assert num_answers == 6
    assert [cameras_of(fakes[name]) for name in ("a", "b")] == [
        ["camera-0", "camera-2"],
        ["camera-1"],
    ]
    assert (tmp_path / "run" / "frames.csv").read_text().count("in_time") == 3
    assert (tmp_path / "run" / "link-camera-2.csv").exists()
    # the fakes have no server that could agree with them
    assert problems == [
        f"camera-{number} frame 0: in_time at the client, unknown to the server"
        for number in range(3)
    ]
    arguments = fakes["edge"].requests[-1]["details"]["arguments"]
    assert "--insecure" not in arguments
    assert fakes["a"].requests[-1]["details"]["server"] == "10.0.0.5:10001"
    assert {fake.lines[-1] for fake in fakes.values()} == {"remove"}
    assert fleet.machine["a: processor"] == "abacus"


def unlike(*hosts: str) -> RunConfig:
    """A run whose cameras name hosts, differ in SLO, and start one after the other."""
    listed = [
        ListedCamera(slo_ms=100.0 + number, fps=10.0, start_s=float(number), host=host)
        for number, host in enumerate(hosts)
    ]
    return dataclasses.replace(RUN, listed=tuple(listed), camera_list="mine.yaml")


async def test_cameras_that_name_a_host_are_played_there_as_they_are_described(
    tmp_path: Path, fleet: Fleet, fakes: dict[str, FakeHost]
) -> None:
    await make_run(fleet, tmp_path / "run", unlike("b", "b", "", ""))
    assert cameras_of(fakes["a"]) == ["camera-2"]
    assert cameras_of(fakes["b"]) == ["camera-0", "camera-1", "camera-3"]
    details = fakes["b"].requests[-1]["details"]
    told = [(one["slo_ms"], one["start_s"]) for one in details["cameras"]]
    assert told == [(100, 0), (101, 1), (103, 3)]
    assert details["links"] == [
        "t from value 0", "t from value 0, starts at 1.00 s", "t from value 0, starts at 3.00 s",
    ]  # fmt: skip


async def test_a_host_that_a_camera_names_is_not_done_without(
    tmp_path: Path, fleet: Fleet, fakes: dict[str, FakeHost]
) -> None:
    fakes["a"].is_there = False
    await make_run(fleet, tmp_path / "one", unlike("b", ""))
    with pytest.raises(CannotGoOnError, match="host a: cannot be reached"):
        await make_run(fleet, tmp_path / "two", unlike("a", ""))


def test_a_host_that_a_camera_names_has_to_play_cameras() -> None:
    for name in ("edge", "c"):
        with pytest.raises(UsageError) as caught:
            Fleet(HOSTS, "cafe", Console(quiet=True), [RUN, unlike("a", name)])
        assert str(caught.value) == (
            f"--hosts: camera 1 of mine.yaml has host '{name}': must be one of role clients: a, b"
        )


async def test_a_host_that_is_away_is_done_without_until_it_is_back(
    tmp_path: Path, fleet: Fleet, fakes: dict[str, FakeHost]
) -> None:
    fakes["a"].is_there = False
    await make_run(fleet, tmp_path / "one")
    assert cameras_of(fakes["b"]) == ["camera-0", "camera-1", "camera-2"]
    fakes["a"].is_there = True
    await make_run(fleet, tmp_path / "two")
    assert cameras_of(fakes["a"]) == ["camera-0", "camera-2"]
    for names in (("a", "b"), ("edge",)):
        for name, fake in fakes.items():
            fake.is_there = name not in names
        with pytest.raises(CannotGoOnError, match=f"host {names[0]}: cannot be reached"):
            await make_run(fleet, tmp_path / "three")


@pytest.mark.parametrize("where", [("play", "ready"), ("play", "done"), ("serve", "ready")])
async def test_an_agent_that_ends_loses_its_host_for_the_run(
    tmp_path: Path, fleet: Fleet, fakes: dict[str, FakeHost], where: tuple[str, str]
) -> None:
    fake = fakes["b" if where[0] == "play" else "edge"]
    fake.answers[where] = b""
    with pytest.raises(HostError, match=f"host {fake.host.name}: its agent has ended: last words"):
        await make_run(fleet, tmp_path / "run")


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        (b'{"event": "failed", "problem": "no space"}\n', "host b: no space"),
        (b"Welcome to this machine!\n", "says what cannot be understood"),
        (b"[]\n", "says what cannot be understood"),
        (
            b'{"event": "done", "files": ["../../x"], "reports": []}\n',
            "names a file that it must not",
        ),
        (
            b'{"event": "done", "files": ["/etc/x"], "reports": []}\n',
            "names a file that it must not",
        ),
    ],
)
async def test_what_an_agent_says_is_not_trusted(
    tmp_path: Path, fleet: Fleet, fakes: dict[str, FakeHost], told: bytes, complaint: str
) -> None:
    fakes["b"].answers["play", "done"] = told
    with pytest.raises(RunError, match=complaint):
        await make_run(fleet, tmp_path / "run")
    assert not list(tmp_path.rglob("x"))


async def test_a_host_with_another_release_is_refused(fakes: dict[str, FakeHost]) -> None:
    fakes["b"].release = "0.0.1"
    with pytest.raises(HostError, match=r"host b: has release 0.0.1, this machine "):
        await Fleet(HOSTS, "cafe", Console(quiet=True)).open()
