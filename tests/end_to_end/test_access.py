"""A server with TLS and tenants, and clients who may and may not stream to it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import moonjelly.client
from moonjelly.cli import main
from moonjelly.client import Refused, StreamFailed, Unavailable
from moonjelly.core.records import ServerFrameRecord
from moonjelly.files.csv_log import read_records
from moonjelly.server.access.tenants import hash_of
from moonjelly.server.running_server import RunningServer

pytestmark = pytest.mark.slow
NORTH = f"    token_sha256: {hash_of('north')}\n"
TENANTS = "".join(
    f"  - name: {name}\n    token_sha256: {hash_of(name)}\n" for name in ("north", "south")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("access")
    assert main(["certificate", "127.0.0.1", "--out", str(folder)]) == 0
    quota = "    max_fps: 40\n"
    (folder / "tenants.yaml").write_text(f"tenants:\n{TENANTS.replace(NORTH, NORTH + quota)}")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    options = [
        "--zoo",
        "replayed-gpu",
        "--devices",
        "replayed:gpu",
        "--out-dir",
        str(folder / "logs"),
    ]
    options += [
        "--tls-certificate",
        str(folder / "certificate.pem"),
        "--tls-key",
        str(folder / "key.pem"),
    ]
    with RunningServer([*options, "--tenants", str(folder / "tenants.yaml")]) as server:
        yield server


async def num_in_time(address: str, stream_id: str = "cam", fps: float = 10, **access: str) -> int:
    async with moonjelly.client.connect(address, **access) as client:
        stream = client.stream(
            "scene:1", fps=fps, slo_ms=1000, stream_id=stream_id, num_frames=5, connect_timeout_s=20
        )
        async with stream:
            return len([answer async for answer in stream if answer.verdict == "in_time"])


async def test_streams_of_two_tenants_may_have_one_name(
    server: RunningServer, folder: Path
) -> None:
    ca = str(folder / "certificate.pem")
    assert await num_in_time(server.address, token="north", ca=ca) > 0
    assert await num_in_time(server.address, token="south", ca=ca) > 0
    server_frames = read_records(folder / "logs" / "server_frames.csv", ServerFrameRecord)
    assert {row.stream_id for row in server_frames} == {"north/cam", "south/cam"}


@pytest.mark.parametrize("token", ["", "east", hash_of("north")])
async def test_who_has_no_token_of_a_tenant_is_not_let_in(
    server: RunningServer, folder: Path, token: str
) -> None:
    with pytest.raises(
        StreamFailed, match="UNAUTHENTICATED: authorization: must be `Bearer`"
    ) as error:
        await num_in_time(server.address, token=token, ca=str(folder / "certificate.pem"))
    assert not token or token not in str(error.value)


async def test_a_server_that_nobody_vouches_for_gets_no_token(
    server: RunningServer, tmp_path: Path
) -> None:
    assert main(["certificate", "127.0.0.1", "--out", str(tmp_path)]) == 0
    with pytest.raises(StreamFailed, match="its certificate is not for that host"):
        await num_in_time(server.address, token="north", ca=str(tmp_path / "certificate.pem"))


async def test_a_client_without_tls_finds_no_server(server: RunningServer) -> None:
    async with moonjelly.client.connect(server.address, token="north") as client:
        with pytest.raises(Unavailable):
            async with client.stream("scene:1", fps=10, slo_ms=1000, connect_timeout_s=0.5):
                pass


async def test_a_tenant_is_kept_to_its_quota(server: RunningServer, folder: Path) -> None:
    ca = str(folder / "certificate.pem")
    with pytest.raises(Refused, match="has 40 of 40 frames/s left; 50 were asked for") as error:
        await num_in_time(server.address, fps=50, token="north", ca=ca)
    assert error.value.reason == "quota"


async def test_tenants_and_certificates_change_while_a_stream_goes_on(
    server: RunningServer, folder: Path, tmp_path: Path
) -> None:
    old, new, both = (tmp_path / name for name in ("old.pem", "certificate.pem", "both.pem"))
    shutil.copy(folder / "certificate.pem", old)
    assert main(["certificate", "127.0.0.1", "--out", str(tmp_path)]) == 0
    both.write_bytes(old.read_bytes() + new.read_bytes())
    async with moonjelly.client.connect(server.address, token="north", ca=str(old)) as client:
        stream = client.stream("scene:1", fps=10, slo_ms=1000, num_frames=50, connect_timeout_s=20)
        async with stream:
            answers = [await anext(stream)]
            east = f"  - name: east\n    token_sha256: {hash_of('east')}\n"
            (folder / "tenants.yaml").write_text(f"tenants:\n{TENANTS}{east}")
            os.kill(server.pid, signal.SIGHUP)
            for name in ("key.pem", "certificate.pem"):
                (tmp_path / name).replace(folder / name)
            await until_let_in(server.address, token="east", ca=str(both))
            with pytest.raises(StreamFailed, match="its certificate is not for that host"):
                await num_in_time(server.address, token="north", ca=str(old))
            answers += [answer async for answer in stream]
    assert len(answers) == 50


async def until_let_in(address: str, **access: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                assert await num_in_time(address, **access) > 0
            except StreamFailed:  # the signal has not come through yet
                await asyncio.sleep(0.05)
            else:
                return
