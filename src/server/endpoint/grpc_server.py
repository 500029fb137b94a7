"""The gRPC server: limits, keepalive, health."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]

from ...core.errors import RunError
from ...protos.serving_pb2_grpc import add_ServingServicer_to_server
from ..access.certificates import Certificates
from ..access.doorkeeper import Doorkeeper
from ..config import MESSAGE_LIMIT_BYTES, ServerConfig
from .call_guard import CallGuard
from .servicer import Servicer

METADATA_LIMIT_BYTES = 8192
STREAMS_PER_CONNECTION = 128
SPARE_CALLS = 64  # for registrations and health
IDENTITY_ONLY = 1  # bit set of compressions: none, as frames are compressed already
KEEPALIVE_MS = 10_000  # shorter ones end streams that a link outage of 5 s would not
LEAST_PING_GAP_MS = 5_000
HANDSHAKE_MS = 10_000


def server_options(config: ServerConfig) -> list[tuple[str, int]]:
    """The channel arguments of the server."""
    return [
        ("grpc.max_allowed_incoming_connections", config.max_connections),
        ("grpc.max_connection_idle_ms", round(config.connection_idle_ms)),
        (
            "grpc.so_reuseport",
            1,
        ),  # endpoints share the port, and a crew with the one that takes its place
        ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
        ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
        ("grpc.max_metadata_size", METADATA_LIMIT_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_LIMIT_BYTES),
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
        ("grpc.compression_enabled_algorithms_bitset", IDENTITY_ONLY),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", LEAST_PING_GAP_MS),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
    ]


class GenericHandlers:
    """Takes the handlers of a service in the general way alone.

    The library would wait for a call of each registered method apart. When a request without a readable path ends
    its loop, it lets go of what it waits with, but its core does not: the next call would write into memory
    that is somebody else's by then, and end the process. The general way has nothing open at that moment.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, *_: object) -> None:
        """Does nothing; the same handlers come in the general way."""


def make_server(
    config: ServerConfig,
    servicer: Servicer,
    health_servicer: health.HealthServicer,
    doorkeeper: Doorkeeper,
    certificates: Certificates | None,
    port: int,
) -> tuple[grpc.aio.Server, int]:
    """Returns a server that is not started, and the port it is bound to.

    Raises:
        RunError: if the address cannot be had.
    """
    server = grpc.aio.server(
        interceptors=[doorkeeper, CallGuard()],
        options=server_options(config),
        maximum_concurrent_rpcs=2 * config.max_sessions + SPARE_CALLS,
    )
    handlers = GenericHandlers(server)
    add_ServingServicer_to_server(servicer, handlers)  # type: ignore[no-untyped-call]
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, handlers)
    host = f"[{config.host}]" if ":" in config.host else config.host
    try:
        if certificates is None:
            port = server.add_insecure_port(f"{host}:{port}")
        else:
            port = server.add_secure_port(f"{host}:{port}", certificates.credentials())
    except RuntimeError as error:
        raise RunError(f"host={config.host}, port={port}: cannot listen: {error}") from None
    return server, port
