"""Drawn traffic: video with known truth, for training, tests and demonstrations."""

from __future__ import annotations

from .objects import MIN_OBJECT_PX, MIN_VISIBILITY_RATIO, SceneFrame, SceneObject
from .roads import Traffic
from .scene import Scene
from .splits import SPLITS, Split

__all__ = [
    "MIN_OBJECT_PX",
    "MIN_VISIBILITY_RATIO",
    "SPLITS",
    "Scene",
    "SceneFrame",
    "SceneObject",
    "Split",
    "Traffic",
]
