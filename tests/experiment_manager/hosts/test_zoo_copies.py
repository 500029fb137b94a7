"""Zoos that are kept at a host, by real agents on this machine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moonjelly.core.errors import RunError, UsageError
from moonjelly.experiment_manager.hosts import agent_call, zoo_copies
from moonjelly.experiment_manager.hosts.agent import Request
from moonjelly.experiment_manager.hosts.host import Host, Role
from moonjelly.experiment_manager.hosts.leftovers import remove_leftovers
from moonjelly.experiment_manager.hosts.port import HereConnection
from moonjelly.experiment_manager.hosts.zoo_copies import ZooCopies
from moonjelly.experiment_manager.listed_cameras import alike
from moonjelly.experiment_manager.matrix import RunConfig
from moonjelly.files.shipped import shipped_folder
from moonjelly.links.traces import constant_trace
from moonjelly.zoos import open_zoo


def run_of(zoo: str, device: str = "replayed:gpu") -> RunConfig:
    return RunConfig(
        1.0, alike(1, 100.0, 10.0), "t", {"t": constant_trace(5.0)}, 0.0, 0, 0,
        {"zoo": zoo, "devices": (device,)},
    )  # fmt: skip


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A zoo of the user's own, with weights."""
    others = shutil.ignore_patterns("training", "README.md")
    shipped = shipped_folder("profiles") / "traffic"
    return str(shutil.copytree(shipped, tmp_path / "zoos" / "mine", ignore=others))


@pytest.fixture
def here(tmp_path: Path) -> HereConnection:
    return HereConnection(Host(name="edge", role=Role.SERVER, root=str(tmp_path / "there")))


def request(
    connection: HereConnection,
    action: str,
    run_id: str,
    *,
    lease_s: float = 20.0,
    **details: object,
) -> Request:
    return Request(
        action=action, root=connection.host.root, experiment="cafe", run=run_id,
        host=connection.host.name, lease_s=lease_s, details=details,
    )  # fmt: skip


@pytest.fixture
async def copies(mine: str) -> AsyncIterator[ZooCopies]:
    made = ZooCopies([run_of("traffic"), run_of(mine, "cpu:0"), run_of(mine)])
    yield made
    await made.close()


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_a_zoo_is_there_whole_until_it_is_let_go(
    tmp_path: Path, mine: str, here: HereConnection, copies: ZooCopies
) -> None:
    await copies.keep(here, request)
    assert copies.there(open_zoo("traffic")) is None
    copy = Path(copies.there(open_zoo(mine)) or "")
    assert copy.is_relative_to(tmp_path / "there" / "cafe")
    assert files_of(copy) == files_of(Path(mine))
    copy.touch()
    before = copy.stat().st_mtime_ns
    await copies.keep(here, request)
    assert copy.stat().st_mtime_ns == before, "copied once"
    await copies.close()
    assert list((tmp_path / "there").iterdir()) == []


async def test_weights_stay_here_where_nothing_runs_them(here: HereConnection, mine: str) -> None:
    copies = ZooCopies([run_of(mine)])
    await copies.keep(here, request)
    suffixes = {path.suffix for path in Path(copies.there(open_zoo(mine)) or "").iterdir()}
    await copies.close()
    assert suffixes == {".yaml", ".csv"}


async def test_copies_whose_agent_is_gone_are_made_anew(
    tmp_path: Path, mine: str, here: HereConnection, copies: ZooCopies
) -> None:
    await copies.keep(here, request)
    assert await asyncio.to_thread(remove_leftovers, tmp_path / "there") == 1
    await copies.keep(here, request)
    assert files_of(Path(copies.there(open_zoo(mine)) or "")) == files_of(Path(mine))


async def test_copies_go_when_nobody_renews_their_lease(
    tmp_path: Path, here: HereConnection, copies: ZooCopies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_call, "_RENEWALS_PER_LEASE", 0.001)  # none in time

    def short(*words: object, **details: object) -> Request:
        return request(*words, lease_s=1.0, **details)

    await copies.keep(here, short)
    for _ in range(600):
        if not list((tmp_path / "there").iterdir()):
            return
        await asyncio.sleep(0.05)
    pytest.fail("they stay")


async def test_bytes_that_changed_on_the_way_are_refused_and_removed(
    tmp_path: Path, here: HereConnection, copies: ZooCopies, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def put(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:-1])

    monkeypatch.setattr(here, "put", put)
    with pytest.raises(RunError, match=r"host edge: 0/mine/zoo.yaml: has other bytes here"):
        await copies.keep(here, request)
    await copies.close()
    assert list((tmp_path / "there").iterdir()) == []


async def test_a_zoo_that_does_not_fit_is_refused_before_it_is_copied(
    mine: str, here: HereConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo_copies, "MAX_BYTES", 1000)
    with pytest.raises(UsageError, match=r"mine: zoos of your own have more than 1e-06 GB: must"):
        ZooCopies([run_of(mine)])
    monkeypatch.undo()
    copies = ZooCopies([run_of(mine)])
    monkeypatch.setattr(copies, "_size_bytes", 10**18)
    with pytest.raises(RunError, match=r"host edge: .*there: has \d+ MB free; the zoos need 1"):
        await copies.keep(here, request)
    await copies.close()


def test_weights_that_are_missing_are_told_by_their_path(mine: str) -> None:
    weights = next(Path(mine).glob("*.safetensors"))
    weights.unlink()
    with pytest.raises(UsageError, match=rf"{weights}: cannot be copied to a host: No such file"):
        ZooCopies([run_of(mine, "cpu:0")])
