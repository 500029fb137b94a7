"""A server that wants a certificate of each client."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from moonjelly.client.access import Access
from moonjelly.protos.serving_pb2_grpc import ServingStub
from moonjelly.server.access.certificate_command import make_certificate


@pytest.fixture
def files(tmp_path: Path) -> dict[str, tuple[str, str]]:
    """Pairs of the server, of a client that it knows, and of a stranger."""
    pairs = {}
    for name in ("server", "known", "stranger"):
        paths = tmp_path / f"{name}.pem", tmp_path / f"{name}-key.pem"
        host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        for path, pem in zip(paths, make_certificate([host], 2), strict=True):
            path.write_bytes(pem)
        pairs[name] = (str(paths[0]), str(paths[1]))
    return pairs


async def register(harness, access: Access) -> str:
    async with access.channel(f"127.0.0.1:{harness.port}", ()) as channel:
        reply = await ServingStub(channel).Register(harness.registration(), timeout=20)
        return reply.session


async def test_who_shows_a_certificate_that_is_vouched_for_comes_in_and_nobody_else(
    make_harness, files
) -> None:
    server, server_key = files["server"]
    harness = await make_harness(
        tls_certificate=server, tls_key=server_key, tls_client_ca=files["known"][0]
    )
    certificate, key = files["known"]
    assert await register(harness, Access(ca=server, certificate=certificate, key=key))
    for other in ({}, dict(zip(("certificate", "key"), files["stranger"], strict=True))):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await register(harness, Access(ca=server, **other))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(harness.scheduler.joins) == 1


async def test_whom_it_takes_changes_with_the_file(make_harness, files, tmp_path: Path) -> None:
    clients = tmp_path / "clients.pem"
    clients.write_bytes(Path(files["known"][0]).read_bytes())
    server, server_key = files["server"]
    harness = await make_harness(
        tls_certificate=server, tls_key=server_key, tls_client_ca=str(clients)
    )
    stranger = Access(ca=server, certificate=files["stranger"][0], key=files["stranger"][1])
    with pytest.raises(grpc.aio.AioRpcError):
        await register(harness, stranger)
    clients.write_bytes(clients.read_bytes() + Path(files["stranger"][0]).read_bytes())
    assert await register(harness, stranger)
