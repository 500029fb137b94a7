"""What is left to chance."""

from __future__ import annotations

import math
from random import Random

P99_SIGMAS = 2.3263478740408408  # the 99th percentile of a normal distribution


def log_normal(p50: float, p99: float, random: Random) -> float:
    """Draws from the log-normal distribution of that median, above 0, and 99th percentile."""
    return p50 * math.exp(random.gauss(0.0, math.log(p99 / p50) / P99_SIGMAS))
