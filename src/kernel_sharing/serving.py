"""Serves a shared device until a signal, or until enough has finished."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import grpc

from ..core.errors import RunError
from ..core.kernels import KernelModel
from ..devices.executors.onnx_session import Model
from ..protos.efair_pb2_grpc import add_EFairServiceServicer_to_server
from ..scheduling.sharing.turns import Turns
from ..server.config import ServerConfig
from ..server.endpoint.call_guard import CallGuard
from ..server.endpoint.grpc_server import GenericHandlers, server_options
from .computing import Computing
from .device import KernelDevice, LoadedModel
from .door import Door
from .signals import heard_signals

MOST_CALLS = 2000  # at a time
STOP_S = 1.0  # for what is answered at the end


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served.

    Attributes:
        profiles: by name, at each clock (MHz).
        models: those that can compute, by the same names.
        quantum_us: that is divided among who has something to run.
        phi: the time-fair factor.
        host: loopback.
        port: 0 for any free one.
        until_finished: inferences, after which it ends; None for never.
    """

    profiles: Mapping[str, Mapping[float, KernelModel]]
    models: Mapping[str, Model]
    quantum_us: int
    phi: float
    host: str = "127.0.0.1"
    port: int = 0
    until_finished: int | None = None


async def serve(serving: Serving, on_ready: Callable[[str], None]) -> Collection[LoadedModel]:
    """Serves; returns all models that were loaded, with what their inferences took.

    Args:
        serving: what.
        on_ready: called with HOST:PORT once it serves.

    Raises:
        RunError: if the address cannot be had.
    """
    turns = Turns(serving.quantum_us, serving.phi)
    device = KernelDevice(turns)
    computing = Computing(serving.models)
    door = Door(serving.profiles, turns, device, computing)
    options = dict(server_options(ServerConfig()))
    options["grpc.so_reuseport"] = 0  # a second server is refused
    server = grpc.aio.server(
        interceptors=[CallGuard()],
        options=list(options.items()),
        maximum_concurrent_rpcs=MOST_CALLS,
    )
    add_EFairServiceServicer_to_server(door, GenericHandlers(server))  # type: ignore[no-untyped-call]
    host = f"[{serving.host}]" if ":" in serving.host else serving.host
    try:
        port = server.add_insecure_port(f"{host}:{serving.port}")
    except RuntimeError:
        raise RunError(f"{host}:{serving.port}: cannot listen; is the port in use?") from None
    running = asyncio.create_task(device.run(serving.until_finished), name="device")
    with contextlib.closing(computing), heard_signals(running.cancel):
        await server.start()
        on_ready(f"{host}:{port}")
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await server.stop(STOP_S)
    return door.models.values()
