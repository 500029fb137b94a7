"""Priorities of -20 (highest) to 19 as weights, about 1.25 apart: those of Linux's nice levels."""

from __future__ import annotations

HIGHEST_PRIORITY, LOWEST_PRIORITY = -20, 19
_WEIGHTS = (
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
    9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277,
    1024, 820, 655, 526, 423, 335, 272, 215, 172, 137,
    110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
)  # fmt: skip


def weight_of(priority: int) -> int:
    """The weight of a priority, 1024 of 0.

    Raises:
        ValueError: naming value and range.
    """
    if not HIGHEST_PRIORITY <= priority <= LOWEST_PRIORITY:
        raise ValueError(
            f"priority={priority}: must be within {HIGHEST_PRIORITY}..{LOWEST_PRIORITY}"
        )
    return _WEIGHTS[priority - HIGHEST_PRIORITY]
