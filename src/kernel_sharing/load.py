"""Clients that share a device, each with threads that each ask for an inference, wait for it, and ask again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import grpc

from ..core.checks import plain
from ..core.errors import RunError
from ..protos import efair_pb2 as pb
from ..protos import efair_pb2_grpc as pb_grpc
from ..scheduling.sharing.client_word import ClientWord
from ..zoos.kernels import clock_hz

CALL_TIMEOUT_S = 5.0
_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(slots=True)
class LoadResult:
    """What a client saw.

    Attributes:
        eid: number of its entity.
        mid: number of its model.
        latencies_ms: of its inferences, waiting included.
        failure: why it ended early; empty if it did not.
    """

    eid: int = 0
    mid: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    failure: str = ""


async def run_loads(
    address: str,
    words: Sequence[ClientWord],
    threads: int,
    seconds: float | None,
    stop: asyncio.Event,
) -> list[LoadResult]:
    """Loads a server until a time has passed, `stop` is set, or an inference fails; then takes all entities out.

    Each client has a connection of its own. All have their model before any asks for an inference.

    Raises:
        RunError: if nobody is there, or what is asked for is refused.
    """
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_entity(address, word)) for word in words]
        tasks: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait())]
        for stub, result in clients:
            tasks += [asyncio.create_task(_ask(stub, result, address)) for _ in range(threads)]
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for one in tasks:
            one.cancel()
        await asyncio.wait(tasks)
    return [result for _, result in clients]


@contextlib.asynccontextmanager
async def _entity(
    address: str, word: ClientWord
) -> AsyncIterator[tuple[pb_grpc.EFairServiceStub, LoadResult]]:
    """Makes an entity that has its model loaded; takes it out at the end."""
    result = LoadResult()
    async with grpc.aio.insecure_channel(address, _OPTIONS) as channel:
        stub = pb_grpc.EFairServiceStub(channel)  # type: ignore[no-untyped-call]
        with _explained(address):
            entity = pb.CreateEntityRequest(priority=word.priority)
            result.eid = (await stub.CreateEntity(entity, timeout=CALL_TIMEOUT_S)).eid
        try:
            with _explained(address):
                model = pb.LoadModelRequest(
                    model_path=word.network, eid=result.eid, frequency=clock_hz(word.clock_mhz)
                )
                result.mid = (await stub.LoadModel(model, timeout=CALL_TIMEOUT_S)).mid
            yield stub, result
        finally:
            with contextlib.suppress(grpc.aio.AioRpcError):  # the server has gone
                request = pb.RemoveEntityRequest(eid=result.eid)
                await stub.RemoveEntity(request, timeout=CALL_TIMEOUT_S)


async def _ask(stub: pb_grpc.EFairServiceStub, result: LoadResult, address: str) -> None:
    """Asks again and again."""
    while not result.failure:
        start_s = time.monotonic()
        try:
            with _explained(address):
                await stub.Infer(pb.InferRequest(mid=result.mid))
        except RunError as error:
            result.failure = result.failure or str(error)
            return
        result.latencies_ms.append((time.monotonic() - start_s) * 1000)


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turns a call's end into a sentence."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if error.code() in _GONE:
            raise RunError(f"no server at {address}, or it has ended") from None
        detail = plain(error.details() or "")
        raise RunError(f"{address} says {error.code().name}: {detail}") from None
