"""Bandwidth estimators: from the round trips of frames and their acks to the rate of the uplink."""

from __future__ import annotations

from .harmonic_mean import HarmonicMeanWindow
from .port import MAX_KBPS, MIN_KBPS, BandwidthEstimator, SentFrame
from .registry import DEFAULT_ESTIMATOR, ESTIMATORS, check_estimator, make_estimator

__all__ = [
    "DEFAULT_ESTIMATOR",
    "ESTIMATORS",
    "MAX_KBPS",
    "MIN_KBPS",
    "BandwidthEstimator",
    "HarmonicMeanWindow",
    "SentFrame",
    "check_estimator",
    "make_estimator",
]
