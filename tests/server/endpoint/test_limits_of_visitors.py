"""What one address may take of an endpoint, and that nobody else notices."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from moonjelly.scheduling.limits import Held
from moonjelly.server.access.doorkeeper import address_in
from moonjelly.server.access.tenants import hash_of

FULL = grpc.StatusCode.RESOURCE_EXHAUSTED


async def end_of(call) -> tuple[grpc.StatusCode, str]:
    code = await asyncio.wait_for(call.code(), 20)
    return code, await call.details()


async def test_calls_that_never_open_are_bounded_and_come_back(make_harness) -> None:
    harness = await make_harness(address_unopened_calls=2)
    camera = await harness.stream()
    await camera.result_of(harness.frame(0))
    held = [harness.stub().Stream() for _ in range(2)]
    (share,) = harness.endpoint.core.limits._shares.values()
    await harness.until(lambda: share._held[Held.UNOPENED_CALLS] == 2)
    code, detail = await end_of(harness.stub().Stream())
    assert code is FULL
    assert detail == "streams that are not opened of one address: must be at most 2"
    await camera.result_of(harness.frame(1))  # what is open does not count
    for call in held:
        call.cancel()
    await harness.until(lambda: share._held[Held.UNOPENED_CALLS] == 0)


async def test_registrations_beyond_the_rate_are_refused_before_they_are_looked_at(
    make_harness,
) -> None:
    harness = await make_harness(address_registers_per_s=0.5)  # one at once
    await harness.register("a")
    num_joins = len(harness.scheduler.joins)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.register("b")
    assert caught.value.code() is FULL
    expected = "registrations of one address: must be at most 0.5 a second"
    assert caught.value.details() == expected
    assert len(harness.scheduler.joins) == num_joins


async def test_connections_with_calls_are_bounded(make_harness) -> None:
    harness = await make_harness(address_connections=1)
    session = await harness.register()  # over a connection that has no call any more
    call = harness.stub().Stream()
    await call.write(harness.open_of(session))
    await harness.until(lambda: harness.gate("cam").is_open)
    with pytest.raises(grpc.aio.AioRpcError, match="connections of one address: must be at most 1"):
        await harness.register("b")
    call.cancel()
    (share,) = harness.endpoint.core.limits._shares.values()
    await harness.until(lambda: not share._calls)
    assert await harness.register("b")


async def test_health_has_an_allowance_of_its_own(make_harness) -> None:
    harness = await make_harness(address_health_calls=2, address_connections=1)
    stub = health_pb2_grpc.HealthStub(harness.channel())
    held = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
    for call in held:
        await call.read()
    third = stub.Watch(health_pb2.HealthCheckRequest())
    code, detail = await end_of(third)
    assert code is FULL
    assert detail == "calls of health of one address: must be at most 2"
    assert await harness.register("a")  # what health takes is nobody else's
    for call in held:
        call.cancel()


async def test_who_has_no_token_is_logged_by_address_and_without_what_he_tried(
    make_harness, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "tenants.yaml"
    path.write_text(f"tenants:\n  - name: north\n    token_sha256: {hash_of('north')}\n")
    harness = await make_harness(tenants=str(path))
    with pytest.raises(grpc.aio.AioRpcError, match="must be `Bearer` and a token") as caught:
        await harness.stub().Register(
            harness.registration(), metadata=(("authorization", "Bearer secret"),)
        )
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    said = [one.getMessage() for one in caplog.records if "carries no token" in one.getMessage()]
    assert len(said) == 1
    assert said[0].startswith("ipv4:127.0.0.1:")
    assert "secret" not in caplog.text


async def test_streams_of_one_address_are_refused_with_a_time_to_ask_again(make_harness) -> None:
    harness = await make_harness(address_sessions=1)
    await harness.register("a")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await harness.register("b")
    assert caught.value.code() is FULL
    assert caught.value.details() == "streams of one address: must be at most 1"
    assert "grpc-status-details-bin" in dict(caught.value.trailing_metadata())


def test_the_address_of_a_peer() -> None:
    assert address_in("ipv4:10.0.0.1:4711") == "10.0.0.1"
    assert address_in("ipv6:%5B::1%5D:4711") == "::"
    assert address_in("ipv6:[2001:db8::1]:4711") == "2001:db8::"
    assert address_in("unix:") == "unix"
