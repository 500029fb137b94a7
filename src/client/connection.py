"""The channel to one server: how it is kept, and how registrations are asked for."""

from __future__ import annotations

import logging
import math
import re
import time

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from ..adapting.reconnecting import FIRST_WAIT_MS, LAST_WAIT_MS
from ..core.checks import echo, plain
from ..links.retransmission import limit_waits
from ..protos import serving_pb2 as pb
from ..protos import serving_pb2_grpc as pb_grpc
from .access import Access
from .errors import CounterOffer, Refused, StreamFailed, Unavailable

_log = logging.getLogger(__name__)

REGISTER_TIMEOUT_S = 5.0

_WIRE_PROBES = 3
_CALL_MS = 0.2  # what starting and ending a call takes beyond a frame and its ack, on loopback
_WIRE_PROBE_TIMEOUT_S = 1.0
_NOT_VOUCHED_FOR = ("CERTIFICATE_VERIFY_FAILED", "Hostname Verification Check failed")
_NO_CONNECTION = "failed to connect to all addresses"
_ADDRESS_PATTERN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")

_OPTIONS = (
    # A 5 s outage must not kill a stream, a dead link must not keep one.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # The default waits up to two minutes before it tries again.
    ("grpc.initial_reconnect_backoff_ms", int(FIRST_WAIT_MS)),
    ("grpc.min_reconnect_backoff_ms", int(LAST_WAIT_MS)),
    ("grpc.max_reconnect_backoff_ms", int(LAST_WAIT_MS)),
    # A frame is sent once or not at all; nothing is suppressed as a duplicate by gRPC.
    ("grpc.enable_retries", 0),
    # The link that is measured is the one to the server, and each client has its own.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

_FATAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Asking again would be answered the same."""

_PASSING = frozenset({pb.Refusal.NOT_READY, pb.Refusal.NAME_TAKEN})

StreamCall = grpc.aio.StreamStreamCall[pb.ClientMessage, pb.ServerMessage]


class Connection:
    """A channel to one server. Made and used inside one event loop."""

    def __init__(self, address: str, access: Access) -> None:
        """Prepares the channel; nothing is sent yet."""
        self.address = address
        self._access = access
        self._is_closed = False
        self._channel = access.channel(address, _OPTIONS)
        self._stub = pb_grpc.ServingStub(self._channel)  # type: ignore[no-untyped-call]
        self._health = health_pb2_grpc.HealthStub(self._channel)

    async def close(self) -> None:
        """Ends the channel and what still runs on it."""
        self._is_closed = True
        await self._channel.close(None)

    async def register(self, request: pb.RegisterRequest) -> pb.RegisterReply:
        """Asks for a session.

        Raises:
            Refused: if the server has no room.
            StreamFailed: if asking again would not help.
            Unavailable: if nobody answers, or not now.
            RuntimeError: if it is closed.
        """
        self._check_open()
        try:
            reply: pb.RegisterReply = await self._stub.Register(
                request, timeout=REGISTER_TIMEOUT_S, metadata=self._access.metadata
            )
        except grpc.aio.AioRpcError as error:
            raise self._explain(request.stream_id, error) from None
        if not reply.zoo.sizes:
            raise StreamFailed(f"{self.address}: the server names no input size")
        limit_waits(int(self.address.rpartition(":")[2]))
        return reply

    def open_stream(self) -> StreamCall:
        """Starts the call that carries a stream; RuntimeError if it is closed."""
        self._check_open()
        call: StreamCall = self._stub.Stream(metadata=self._access.metadata)
        return call

    def explain_end(
        self, stream_id: str, code: grpc.StatusCode, detail: str
    ) -> StreamFailed | None:
        """Says why a stream's call ended, if opening another one would not help."""
        if code in _FATAL:
            words = plain(detail) or code.name
            return StreamFailed(f"{stream_id}: {self.address} ended the stream: {words}")
        return None

    async def measure_wire_ms(self) -> float | None:
        """Measures the one-way delay with a few calls in a row; None if nobody answers."""
        delays_ms = [await self.probe_wire_ms() for _ in range(_WIRE_PROBES)]
        answered_ms = [one for one in delays_ms[1:] if one is not None]  # the first one connects
        return min(answered_ms, default=None)

    async def probe_wire_ms(self) -> float | None:
        """Measures the one-way delay with one small call; None if nobody answers, RuntimeError if it is closed."""
        self._check_open()
        start = time.monotonic()
        try:
            await self._health.Check(health_pb2.HealthCheckRequest(), timeout=_WIRE_PROBE_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            # An answer it is all the same, if it came from the server.
            if error.code() not in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED):
                return None
        round_trip_ms = (time.monotonic() - start) * 1000
        return max(0.0, round_trip_ms - _CALL_MS) / 2

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("the client is closed")

    def _explain(
        self, stream_id: str, error: grpc.aio.AioRpcError
    ) -> Refused | StreamFailed | Unavailable:
        code, detail = error.code(), plain(error.details() or "")
        refusal = _refusal_in(error)
        is_final = refusal is not None and refusal.reason not in _PASSING
        if refusal is not None and is_final and code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return _refused(stream_id, refusal)
        if code in _FATAL or code is grpc.StatusCode.NOT_FOUND:
            return StreamFailed(f"{stream_id}: {self.address} says {code.name}: {detail}")
        if any(words in detail for words in _NOT_VOUCHED_FOR):
            return StreamFailed(
                f"{stream_id}: {self.address}: its certificate is not for that host, has expired, or ca does not vouch for it"
            )
        if _NO_CONNECTION in detail:
            return Unavailable(f"no server at {self.address}: {detail.rpartition(': ')[2]}")
        if refusal is not None:
            words = plain(refusal.detail) or detail or code.name
            if refusal.reason == pb.Refusal.NAME_TAKEN:
                words = f"says {words}"
            else:
                words = f"takes no streams now: {words}"
            retry_after_ms = _sound(refusal.retry_after_ms)
            return Unavailable(f"the server at {self.address} {words}", retry_after_ms)
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return Unavailable(f"no server at {self.address}: {detail or code.name}")
        # Among others where it takes no more calls: that is RESOURCE_EXHAUSTED without a refusal.
        return Unavailable(
            f"the server at {self.address} takes no streams now: {detail or code.name}"
        )


def check_address(address: str) -> str:
    """Returns an address if it is HOST:PORT; ValueError if it is not."""
    match = _ADDRESS_PATTERN.fullmatch(address) if isinstance(address, str) else None
    if match is None or not 0 < int(match[2]) <= 65535:  # noqa: PLR2004
        raise ValueError(f"server={echo(address)}: must be HOST:PORT")
    return address


def _refusal_in(error: grpc.aio.AioRpcError) -> pb.Refusal | None:
    """The details of a status, if they are a refusal."""
    try:
        # grpc_status reads what both kinds of call have; its stub knows only one of them.
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        for packed in status.details if status is not None else ():
            refusal = pb.Refusal()
            if packed.Unpack(refusal):
                return refusal
    except (ValueError, DecodeError):  # they do not fit the status, or are none
        _log.debug("the details of a status cannot be read", exc_info=True)
    return None


def _refused(stream_id: str, refusal: pb.Refusal) -> Refused:
    """Says why a registration was refused; a reason that is not known here becomes `other`."""
    detail = plain(refusal.detail)
    try:
        reason = pb.Refusal.Reason.Name(refusal.reason).removeprefix("REASON_").lower()
    except ValueError:
        reason, detail = "other", f"reason {refusal.reason}: {detail}"
    return Refused(
        stream_id,
        reason,
        detail,
        tuple(
            CounterOffer(offer.fps, offer.slo_ms)
            for offer in refusal.counter_offers
            if _sound(offer.fps) and _sound(offer.slo_ms)
        ),
        _sound(refusal.retry_after_ms),
    )


def _sound(value: float) -> float:
    """A number that a server says, or 0 where it cannot be."""
    return value if 0 < value < math.inf else 0.0
