"""The estimators by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ...core.checks import echo
from .change_point import ChangePointEstimator
from .error_based import ErrorBasedEstimator
from .ewma import EwmaEstimator
from .harmonic_mean import HarmonicMeanEstimator
from .port import BandwidthEstimator

ESTIMATORS: Mapping[str, Callable[[float, float], BandwidthEstimator]] = MappingProxyType(
    {
        "change_point": ChangePointEstimator,
        "error_based": ErrorBasedEstimator,
        "harmonic_mean": HarmonicMeanEstimator,
        "ewma": EwmaEstimator,
    }
)
"""Each takes a first guess of the rate (kbit/s) and the one-way delay of the wire (ms)."""

DEFAULT_ESTIMATOR = "change_point"
"""What clients use, real and simulated ones."""


def check_estimator(name: str) -> str:
    """Returns a name if it is one of `ESTIMATORS`.

    Raises:
        ValueError: if it is not.
    """
    if name not in ESTIMATORS:
        raise ValueError(f"estimator={echo(name)}: must be one of {', '.join(ESTIMATORS)}")
    return name


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
    return ESTIMATORS[check_estimator(name)](initial_kbps, wire_ms)
