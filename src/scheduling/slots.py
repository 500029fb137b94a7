"""How many slots of the frame memory a plan needs."""

from __future__ import annotations

from collections.abc import Iterable

from .plan_view import RunningVariant


def slots_needed(streams: Iterable[tuple[float, RunningVariant]]) -> float:
    """Slots that are taken by frames that run, on the average; what comes in bursts can wait for its turn.

    Args:
        streams: the rate of each, and what serves it.
    """
    running: dict[str, float] = {}
    for fps, device in streams:
        frames = running.get(device.device_id, 0.0) + fps * device.batch_p99_ms / 1000.0
        running[device.device_id] = min(frames, device.batch_size)
    return sum(running.values())
