"""Checks what a client declares when it registers a stream."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...core.checks import echo, require_id
from ...protos.serving_pb2 import LinkEstimate, RegisterRequest
from .problems import Code, SessionError

MIN_FPS, MAX_FPS = 0.001, 240.0
MIN_SLO_MS, MAX_SLO_MS = 1.0, 60_000.0
MAX_BANDWIDTH_KBPS = 1e8
MAX_WIRE_MS = 10_000.0


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
    _require("fps", request.fps, MIN_FPS, MAX_FPS)
    _require("slo_ms", request.slo_ms, MIN_SLO_MS, MAX_SLO_MS)
    problem = link_problem(request.link)
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
    bandwidth_kbps, wire_ms = link.bandwidth_kbps, link.wire_ms
    if not 0 < bandwidth_kbps <= MAX_BANDWIDTH_KBPS:
        return (
            f"link.bandwidth_kbps={bandwidth_kbps:g}: must be above 0 and "
            f"at most {MAX_BANDWIDTH_KBPS:g}"
        )
    if not 0 <= wire_ms <= MAX_WIRE_MS:
        return f"link.wire_ms={wire_ms:g}: must be 0 to {MAX_WIRE_MS:g}"
    return ""


def _check_zoo(asked: str, zoo: str) -> None:
    if not asked or asked == zoo:
        return
    try:
        require_id("zoo", asked)
    except ValueError as error:
        raise SessionError(Code.INVALID_ARGUMENT, str(error)) from None
    raise SessionError(Code.NOT_FOUND, f"zoo={echo(asked)}: this server has {zoo}")


def _require(field: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise SessionError(
            Code.INVALID_ARGUMENT, f"{field}={value:g}: must be {least:g} to {most:g}"
        )
