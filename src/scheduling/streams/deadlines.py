"""When the detections of a frame must be ready (docs/architecture.md, "Deadline arithmetic")."""

from __future__ import annotations

REPLY_MARGIN_MS = 2.0
"""Kept for what the server does after the executor: passing the answer on and sending it."""


def executor_deadline_ms(
    read_ms: float,
    slo_ms: float,
    age_ms: float,
    network_ms: float,
    wire_ms: float,
    margin_ms: float = REPLY_MARGIN_MS,
) -> float:
    """The time by which detections must leave the executor, on the clock of `read_ms`.

    Args:
        read_ms: when the frame was read at the endpoint.
        slo_ms: bound on capture to answer.
        age_ms: from capture to sending.
        network_ms: time on the way to the server.
        wire_ms: reserved for the way back.
        margin_ms: reserved for sending the answer.
    """
    return read_ms + slo_ms - age_ms - network_ms - wire_ms - margin_ms
