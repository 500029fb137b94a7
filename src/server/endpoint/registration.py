"""Checks what a client declares when it registers a stream."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.checks import echo, require_id
from ...core.limits import BANDWIDTH_KBPS, FPS, SLO_MS, WIRE_MS
from ...protos.serving_pb2 import LinkEstimate, RegisterRequest
from .problems import Code, SessionError


@dataclass(frozen=True, slots=True)
class Registration:
    """One stream as its client declares it."""

    stream_id: str
    fps: float
    slo_ms: float
    bandwidth_kbps: float
    wire_ms: float


def check_registration(request: RegisterRequest, zoo: str) -> Registration:
    """Returns what was declared, if every value is sound.

    Raises:
        SessionError: naming field, value and rule.
    """
    try:
        require_id("stream_id", request.stream_id)
    except ValueError as error:
        raise SessionError(Code.INVALID_ARGUMENT, str(error)) from None
    if not request.stream_id[0].isalnum():
        raise SessionError(
            Code.INVALID_ARGUMENT,
            f"stream_id={echo(request.stream_id)}: must begin with a letter or digit",
        )
    problem = (
        FPS.problem("fps", request.fps)
        or SLO_MS.problem("slo_ms", request.slo_ms)
        or link_problem(request.link)
    )
    if problem:
        raise SessionError(Code.INVALID_ARGUMENT, problem)
    _check_zoo(request.zoo, zoo)
    return Registration(
        stream_id=request.stream_id,
        fps=request.fps,
        slo_ms=request.slo_ms,
        bandwidth_kbps=request.link.bandwidth_kbps,
        wire_ms=request.link.wire_ms,
    )


def link_problem(link: LinkEstimate) -> str:
    """Says what is wrong with a link estimate; empty if nothing is."""
    return BANDWIDTH_KBPS.problem("link.bandwidth_kbps", link.bandwidth_kbps) or WIRE_MS.problem(
        "link.wire_ms", link.wire_ms
    )


def _check_zoo(asked: str, zoo: str) -> None:
    if not asked or asked == zoo:
        return
    try:
        require_id("zoo", asked)
    except ValueError as error:
        raise SessionError(Code.INVALID_ARGUMENT, str(error)) from None
    raise SessionError(Code.NOT_FOUND, f"zoo={echo(asked)}: this server has {zoo}")
