"""What a device can take on: the one place where rates and budgets are compared with a profile."""

from __future__ import annotations

from collections.abc import Sequence

# Throughput is a strict bound. A rate this close to it counts as equal, so that no sum of floats,
# in whatever order, slips over it.
EQUAL_RATIO = 1e-9


def limit_fps(latency_ms: float, batch_size: int) -> float:
    """Returns the rate that a device must stay below, or at, when it runs batches of that size."""
    return 1000.0 * batch_size / latency_ms * (1.0 - EQUAL_RATIO)


def capacity_fps(row: Sequence[float], budget_ms: float) -> float:
    """Returns the most that a device may be loaded with if its strictest stream has that budget.

    Args:
        row: p99 of batch 1, 2, ... of the variant it runs (ms).
        budget_ms: what that stream's network and SLO leave to the server.

    Returns:
        Rate (frame/s) to stay below, or at; 0 if the budget is short of twice every latency.
    """
    return max(
        (limit_fps(ms, size) for size, ms in enumerate(row, 1) if 2 * ms <= budget_ms),
        default=0.0,
    )


def largest_batch(row: Sequence[float], budget_ms: float, rate_fps: float) -> int:
    """Returns the largest batch size that keeps the budget and carries the rate; 0 if none does.

    Source: Jellyfish, the server's rule; the published loop stops one short of the profile's end.
    """
    return max(
        (
            size
            for size, ms in enumerate(row, 1)
            if 2 * ms <= budget_ms and rate_fps <= limit_fps(ms, size)
        ),
        default=0,
    )
