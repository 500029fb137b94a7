"""Lets calls in: of everybody on a server without tenants, else of those who carry a tenant's token."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc

from ...core.codes import Code
from ...core.errors import UsageError
from ...core.stream import DEFAULT_TENANT
from .tenants import Tenants, read_tenants

KEY = "authorization"
SCHEME = "Bearer "
OPEN_TO_ALL = "/grpc.health.v1.Health/"
REFUSAL = "authorization: must be `Bearer` and a token of a tenant of this server"

_log = logging.getLogger(__name__)

Metadata = Iterable[tuple[str, str | bytes]] | None


class Doorkeeper(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # it takes none at run time
    """Comes before everything else of a call; health is for everybody."""

    def __init__(self, path: str) -> None:
        """Reads the tenants, if there is a file of them; UsageError if it is broken."""
        self._path = path
        self._tenants: Tenants | None = read_tenants(path) if path else None

    def reread(self) -> None:
        """Reads the file again; a broken one changes nothing."""
        if not self._path:
            return
        try:
            self._tenants = read_tenants(self._path)
        except UsageError as error:
            _log.error("%s; the tenants are as before", error)
            return
        _log.info("%d tenants are known", len(self._tenants.tenants))

    def tenant_of(self, metadata: Metadata) -> str | None:
        """Whose call it is; None if it is nobody's."""
        if self._tenants is None:
            return DEFAULT_TENANT
        words = [value for key, value in metadata or () if key == KEY]
        if len(words) != 1 or not isinstance(words[0], str) or not words[0].startswith(SCHEME):
            return None
        return self._tenants.find(words[0].removeprefix(SCHEME))

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401 a handler of any kind
        """Passes a call on, or ends it."""
        if details.method.startswith(OPEN_TO_ALL) or self.tenant_of(details.invocation_metadata):
            return await continuation(details)
        return _REFUSING


async def _refuse(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    await context.abort(grpc.StatusCode[Code.UNAUTHENTICATED], REFUSAL)


_REFUSING = grpc.stream_stream_rpc_method_handler(_refuse)
