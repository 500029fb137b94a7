"""Handlers of calls, of all four kinds alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour = Callable[[Any, Any], Awaitable[Any]]
Parse = Callable[[bytes], Any] | None

_KINDS = (
    ("unary_unary", grpc.unary_unary_rpc_method_handler),
    ("unary_stream", grpc.unary_stream_rpc_method_handler),
    ("stream_unary", grpc.stream_unary_rpc_method_handler),
    ("stream_stream", grpc.stream_stream_rpc_method_handler),
)


def with_behaviour(
    handler: Handler,
    change: Callable[[Behaviour], Behaviour],
    change_parse: Callable[[Parse], Parse] = lambda parse: parse,
) -> Handler:
    """The same handler with another behaviour, and another way to parse what comes."""
    for kind, make in _KINDS:
        behaviour = getattr(handler, kind)
        if behaviour is not None:
            return make(
                change(behaviour),
                change_parse(handler.request_deserializer),
                handler.response_serializer,
            )
    return handler
