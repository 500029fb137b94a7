"""Keeps what went wrong inside: no exception's text reaches a client."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from ...core.codes import Code
from ..access.handlers import Behaviour, Handler, Parse, with_behaviour
from .problems import Refused, SessionError

DETAILS_KEY = "grpc-status-details-bin"

_log = logging.getLogger(__name__)

Details = grpc.HandlerCallDetails
Context = grpc.aio.ServicerContext[Any, Any]


class CallGuard(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # it takes none at run time
    """Turns every exception of a handler into a status.

    What was meant for the client keeps its words; anything else becomes INTERNAL with an id, under
    which the log has the rest.
    """

    async def intercept_service(  # type: ignore[override] # the stubs forget that there may be none
        self, continuation: Callable[[Details], Awaitable[Handler | None]], details: Details
    ) -> Handler | None:
        """Wraps the handler of one call; there is none for a method that does not exist."""
        handler = await continuation(details)
        if handler is None:
            return None
        guard = functools.partial(_guard, method=details.method)
        return with_behaviour(handler, guard, _tolerant)


UNPARSABLE = object()
"""Stands for a message that is none; the library's own answer would name our classes."""


def _tolerant(parse: Parse) -> Parse:
    def parse_or_mark(data: bytes) -> object:
        try:
            return data if parse is None else parse(data)
        except DecodeError:
            return UNPARSABLE

    return parse_or_mark


def unparsable() -> SessionError:
    """What becomes of a call with such a message."""
    return SessionError(Code.INTERNAL, "a message cannot be parsed")


def _guard(behaviour: Behaviour, method: str) -> Behaviour:
    async def guarded(request: object, context: Context) -> object:
        if request is UNPARSABLE:
            await _abort(context, unparsable())
        try:
            return await behaviour(request, context)
        except SessionError as error:
            await _abort(context, error)
        except grpc.aio.AbortError:
            raise
        except Exception:  # noqa: BLE001 whatever it is, it stays here
            number = secrets.token_hex(8)
            _log.exception("internal error %s in %s", number, method)
            await context.abort(grpc.StatusCode.INTERNAL, f"internal error {number}")

    return guarded


async def _abort(context: Context, error: SessionError) -> NoReturn:
    """Ends a call with a status; a refusal goes into the standard error details."""
    code = grpc.StatusCode[error.code]
    metadata: tuple[tuple[str, bytes], ...] = ()
    if isinstance(error, Refused):
        packed = AnyMessage()
        packed.Pack(error.refusal)
        status = Status(code=code.value[0], message=error.detail, details=[packed])
        metadata = ((DETAILS_KEY, status.SerializeToString()),)
    await context.abort(code, error.detail, metadata)
