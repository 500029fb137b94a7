"""Links: when a frame has left one, and reaches the other end."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from ..core.checks import require_not_negative
from ..links.traces import LinkTrace
from .chance import log_normal
from .scenario import SimulatedStream


class SimulatedLink:
    """A link that carries one frame after the other at the rate of its trace, then delays it.

    The rate is integrated over the trace, so that a frame may outlast any number of its values, and an
    outage. Nothing is lost, and nothing overtakes.
    """

    def __init__(self, trace: LinkTrace, wire_ms: float) -> None:
        """Starts idle at time 0.

        Raises:
            ValueError: if the delay is negative.
        """
        self.wire_ms = require_not_negative("wire_ms", wire_ms)
        self._trace = trace
        self._is_dead = trace.scale_ratio == 0 or not any(trace.values_mbps)
        is_constant = len(set(trace.values_mbps)) == 1 and not self._is_dead
        self._constant_kbps = trace.rate_kbps(0.0) if is_constant else None
        self._free_ms = 0.0

    def arrival_ms(self, kbits: float, now_ms: float) -> float:
        """Sends a frame; returns when its last bit reaches the other end, infinite if it never does."""
        free_ms = self._free_ms
        self._free_ms = self._sent_ms(kbits, free_ms if free_ms > now_ms else now_ms)
        return self._free_ms + self.wire_ms

    def _sent_ms(self, kbits: float, at_ms: float) -> float:
        if self._constant_kbps is not None:
            return at_ms + 1000.0 * kbits / self._constant_kbps
        if self._is_dead or math.isinf(at_ms):
            return math.inf
        period_ms = 1000.0 * self._trace.period_s
        number = math.floor(at_ms / period_ms)
        while True:
            rate_kbps = self._trace.rate_kbps((number + 0.5) * self._trace.period_s)
            end_ms = (number + 1) * period_ms
            carried = rate_kbps * max(0.0, end_ms - at_ms) / 1000
            if carried >= kbits:
                return at_ms + 1000.0 * kbits / rate_kbps
            kbits -= carried
            at_ms = max(at_ms, end_ms)
            number += 1


def jitter(stream: SimulatedStream, random: Random) -> Callable[[], float]:
    """Returns what a stream's random delays (ms) are drawn with."""
    if not stream.jitter_p50_ms:
        return lambda: 0.0
    return lambda: log_normal(stream.jitter_p50_ms, stream.jitter_p99_ms, random)
