"""Means with confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes two seconds to load

CONFIDENCE = 0.95


def mean_and_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The mean, and half the width of its confidence interval by Student's t.

    Returns:
        None for what cannot be said: the mean of nothing, the interval of fewer than two values.
    """
    if not values:
        return None, None
    mean = float(np.mean(values))
    if len(values) == 1:
        return mean, None
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * error
