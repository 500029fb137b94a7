"""The estimators by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ...core.checks import echo
from .error_based import ErrorBasedEstimator
from .ewma import EwmaEstimator
from .harmonic_mean import HarmonicMeanEstimator
from .port import BandwidthEstimator

ESTIMATORS: Mapping[str, Callable[[float, float], BandwidthEstimator]] = MappingProxyType(
    {
        "error_based": ErrorBasedEstimator,
        "harmonic_mean": HarmonicMeanEstimator,
        "ewma": EwmaEstimator,
    }
)
"""Each takes a first guess of the rate (kbit/s) and the one-way delay of the wire (ms)."""

DEFAULT_ESTIMATOR = "error_based"
"""What clients use, real and simulated ones."""


def make_estimator(
    initial_kbps: float, wire_ms: float = 0.0, name: str = DEFAULT_ESTIMATOR
) -> BandwidthEstimator:
    """Makes the estimator of that name.

    Args:
        initial_kbps: guess of the rate until the first frame was acknowledged.
        wire_ms: one-way propagation delay.
        name: one of `ESTIMATORS`.

    Raises:
        ValueError: naming the argument that is out of range.
    """
    if name not in ESTIMATORS:
        raise ValueError(f"estimator={echo(name)}: must be one of {', '.join(ESTIMATORS)}")
    return ESTIMATORS[name](initial_kbps, wire_ms)
