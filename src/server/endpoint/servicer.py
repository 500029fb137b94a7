"""Translates between gRPC and the endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from ...core.codes import Code
from ...protos.serving_pb2 import ClientMessage, RegisterReply, RegisterRequest, ServerMessage
from ...protos.serving_pb2_grpc import ServingServicer
from ..access.doorkeeper import REFUSAL, BeyondLimit, Doorkeeper
from .call_guard import UNPARSABLE, unparsable
from .endpoint import Endpoint
from .problems import SessionError
from .session import Session

Context = grpc.aio.ServicerContext[Any, Any]
_END = grpc.aio.EOF  # type: ignore[attr-defined] # the stubs lack it


class Servicer(ServingServicer):
    """`moonjelly.v1.Serving`.

    Attributes:
        is_unused: set while no stream is open here.
    """

    def __init__(self, endpoint: Endpoint, doorkeeper: Doorkeeper, open_limit_ms: float) -> None:
        self._endpoint = endpoint
        self._doorkeeper = doorkeeper
        self._open_limit_ms = open_limit_ms
        self._num_open = 0
        self.is_unused = asyncio.Event()
        self.is_unused.set()

    async def Register(self, request: RegisterRequest, context: Context) -> RegisterReply:  # noqa: N802
        """Gives one stream a place."""
        visitor = self._doorkeeper.visitor_of(context)
        if visitor is None:  # nobody any more, since a moment ago
            raise SessionError(Code.UNAUTHENTICATED, REFUSAL)
        return await self._endpoint.register(request, visitor)

    async def Stream(self, requests: AsyncIterator[ClientMessage], context: Context) -> None:  # noqa: N802
        """Carries one stream until the client leaves, or something ends it."""
        del requests  # read from the context, which takes fewer steps
        session = self._endpoint.open(await self._read_open(context))
        reader = asyncio.create_task(self._read(session, context), name=f"read {session.stream_id}")
        self._num_open += 1
        self.is_unused.clear()
        try:
            await self._write(session, context)
        finally:
            self._num_open -= 1
            if not self._num_open:
                self.is_unused.set()
            self._endpoint.close(session)
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled():
                reader.result()  # raises what went wrong there
        if session.end is not None:
            raise session.end

    async def _read_open(self, context: Context) -> str:
        try:
            with self._doorkeeper.unopened(context):
                async with asyncio.timeout(self._open_limit_ms / 1000):
                    message = await context.read()
        except TimeoutError:
            raise SessionError(Code.DEADLINE_EXCEEDED, "no Open came") from None
        except BeyondLimit as problem:
            raise SessionError(Code.RESOURCE_EXHAUSTED, str(problem)) from None
        if message is UNPARSABLE:
            raise unparsable()
        if message is _END or message.WhichOneof("message") != "open":
            raise SessionError(Code.FAILED_PRECONDITION, "the first message must be Open")
        token: str = message.open.session
        return token

    async def _read(self, session: Session, context: Context) -> None:
        """Takes what the client sends. An end without Goodbye means that the client is gone."""
        endpoint = self._endpoint
        try:
            while True:
                message = await context.read()
                if session.outbox.is_closed:
                    return
                if message is _END:
                    session.fail(SessionError(Code.ABORTED, "the stream ended without Goodbye"))
                    return
                if message is UNPARSABLE:
                    session.fail(unparsable())
                    return
                kind = message.WhichOneof("message")
                if kind == "frame":
                    endpoint.take_frame(session, message.frame)
                elif kind == "goodbye":
                    endpoint.take_goodbye(session)
                    return
                elif kind == "open":
                    session.fail(SessionError(Code.FAILED_PRECONDITION, "session: is open already"))
                else:
                    endpoint.take_unknown(session, is_empty=not message.ByteSize())
                if session.outbox.is_full:
                    await session.outbox.wait_for_room()
        except BaseException:
            session.outbox.close()  # the writer waits for more
            raise

    async def _write(self, session: Session, context: Context) -> None:
        """Sends what is due, all of it in one message, until nothing will come any more."""
        outbox, now_ms = session.outbox, self._endpoint.now_ms
        task = asyncio.current_task()
        session.stop_writing = task.cancel if task is not None else None
        try:
            while True:
                await outbox.wait()
                if outbox.is_empty:
                    return
                session.gate.writing_since_ms = started_ms = now_ms()
                message: ServerMessage = outbox.take(started_ms)
                await context.write(message)
                session.gate.writing_since_ms = None
        except asyncio.CancelledError:
            if session.end is None or task is None:
                raise
            task.uncancel()  # it was us; the client is told why
