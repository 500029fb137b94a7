"""What making a frame takes a client: resizing and encoding it."""

from __future__ import annotations

from collections import deque

_RECENT = 8
_FIRST_FIXED_PX = 100_000.0
_MOST_FIXED_PX = 1_000_000.0
_FIXED_PX_WEIGHT = 0.2


class MakingCost:
    """Learns what a frame takes by its side: so much for a pixel, of its own and of as many as all sides have in common.

    A pixel takes what it took in the second slowest of the last frames: one may have had bad luck. So a machine that becomes
    slower is believed after two frames, whatever their sides, and one that is faster again after a few more.
    """

    def __init__(self) -> None:
        """Starts without a measurement: nothing takes any time."""
        self._fixed_px = _FIRST_FIXED_PX  # learned while several sides are sent; holds for long
        self._ms_per_px = 0.0
        self._recent: deque[tuple[float, float]] = deque(maxlen=_RECENT)  # pixels and time
        self._costs: deque[float] = deque(maxlen=_RECENT)  # what a pixel of each of them took

    def expected_ms(self, side_px: int) -> float:
        """What a frame of that side takes, and rather more than less."""
        return (self._fixed_px + side_px * side_px) * self._ms_per_px

    def add(self, side_px: int, took_ms: float) -> None:
        """Takes in a frame that was made."""
        px = float(side_px * side_px)
        recent, costs = self._recent, self._costs
        recent.append((px, took_ms))
        if len(recent) > 1 and recent[-2][0] != px:
            self._compare(recent[-2], recent[-1])
            costs.clear()
            costs.extend([ms / (self._fixed_px + px) for px, ms in recent])
        else:
            costs.append(took_ms / (self._fixed_px + px))
        self._ms_per_px = sorted(costs)[-2] if len(costs) > 1 else 0.0

    def _compare(self, one: tuple[float, float], other: tuple[float, float]) -> None:
        """Learns from two frames in a row, of different sides, what does not depend on the side."""
        (small_px, small_ms), (large_px, large_ms) = sorted((one, other))
        ms_per_px = (large_ms - small_ms) / (large_px - small_px)
        fixed_px = small_ms / ms_per_px - small_px if ms_per_px > 0 else _MOST_FIXED_PX
        fixed_px = min(max(fixed_px, 0.0), _MOST_FIXED_PX)
        self._fixed_px += _FIXED_PX_WEIGHT * (fixed_px - self._fixed_px)
