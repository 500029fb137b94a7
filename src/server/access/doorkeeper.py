"""Lets calls in: of everybody on a server without tenants, else of those who carry a tenant's token, each within its limits."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import grpc

from ...core.codes import Code
from ...core.errors import UsageError
from ...core.stream import DEFAULT_TENANT
from ...scheduling.limits import Held, LimitTable, Share, Visitor, network_of
from .handlers import Behaviour, Handler, with_behaviour
from .tenants import Tenants, read_tenants

KEY = "authorization"
SCHEME = "Bearer "
HEALTH = "/grpc.health.v1.Health/"
REGISTER = "/moonjelly.v1.Serving/Register"
REFUSAL = "authorization: must be `Bearer` and a token of a tenant of this server"

_log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
Metadata = Iterable[tuple[str, str | bytes]] | None


class BeyondLimit(Exception):  # noqa: N818 an answer more than an error
    """An address wants more than it may have; the text is for the client."""


class Doorkeeper(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # it takes none at run time
    """Comes before everything else of a call; health is for everybody."""

    def __init__(self, path: str, limits: LimitTable, now_ms: Callable[[], float]) -> None:
        """Reads the tenants, if there is a file of them; UsageError if it is broken."""
        self._path = path
        self._tenants: Tenants | None = read_tenants(path) if path else None
        self._limits = limits
        self._now_ms = now_ms

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

    def visitor_of(self, context: Context) -> Visitor | None:
        """Who calls, and from where; None if it is nobody's call any more."""
        tenant = self.tenant_of(context.invocation_metadata())
        return None if tenant is None else Visitor(address_in(context.peer()), tenant)

    @contextmanager
    def unopened(self, context: Context) -> Iterator[None]:
        """While the first message of a stream has not come; `BeyondLimit` if there are too many of these."""
        tenant = self.tenant_of(context.invocation_metadata()) or ""
        share = self._share(Visitor(address_in(context.peer()), tenant))
        with _holding(share, Held.UNOPENED_CALLS):
            yield

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401 a handler of any kind
        """Passes a call on, or ends it."""
        is_health = details.method.startswith(HEALTH)
        tenant = "" if is_health else self.tenant_of(details.invocation_metadata)
        if tenant is None:
            return _REFUSING
        handler: Handler | None = await continuation(details)
        keep = functools.partial(self._keep, tenant, details.method)
        return None if handler is None else with_behaviour(handler, keep)

    def _keep(self, tenant: str, method: str, behaviour: Behaviour) -> Behaviour:
        """Has a call go on only within the limits of who calls."""

        async def kept(request: object, context: Context) -> object:
            peer = context.peer()
            share = self._share(Visitor(address_in(peer), tenant))
            try:
                if method.startswith(HEALTH):
                    with _holding(share, Held.HEALTH_CALLS):
                        return await behaviour(request, context)
                _check(share.begin_call(peer))
                try:
                    if method == REGISTER:
                        _check(share.register(self._now_ms()))
                    return await behaviour(request, context)
                finally:
                    share.end_call(peer)
            except BeyondLimit as problem:
                _log.info("%s, tenant %s: refused: %s", peer, tenant, problem)
                await context.abort(grpc.StatusCode[Code.RESOURCE_EXHAUSTED], str(problem))
                raise

        return kept

    def _share(self, visitor: Visitor) -> Share:
        return self._limits.share(visitor, self._now_ms())


def address_in(peer: str) -> str:
    """What counts as one address of a peer as gRPC names it, such as `ipv4:10.0.0.1:4711`."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return kind
    return network_of(unquote(rest).rpartition(":")[0].strip("[]"))


@contextmanager
def _holding(share: Share, what: Held) -> Iterator[None]:
    _check(share.take(what))
    try:
        yield
    finally:
        share.give_back(what)


def _check(problem: str) -> None:
    if problem:
        raise BeyondLimit(problem)


async def _refuse(_: object, context: Context) -> None:
    _log.info("%s: refused: carries no token of a tenant", context.peer())
    await context.abort(grpc.StatusCode[Code.UNAUTHENTICATED], REFUSAL)


_REFUSING = grpc.stream_stream_rpc_method_handler(_refuse)
