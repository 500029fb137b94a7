"""Keeps the drawn scenes of training, validation and test apart, in seeds and in parameters.

A parameter's range is cut into narrow bands that belong to the splits in turn (three of five to
training, one each to validation and test), so no two splits ever share a camera height, a road
angle or a paint, and yet each split covers the whole range.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import numpy as np

Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)

_BANDS_OF: Final[dict[Split, tuple[int, ...]]] = {"train": (0, 2, 3), "val": (1,), "test": (4,)}
_NUM_GROUPS: Final = 4


def generator(split: Split, seed: int, *purpose: int) -> np.random.Generator:
    """Returns the random generator of one scene, for one purpose.

    Raises:
        ValueError: If `split` is unknown or `seed` is negative.
    """
    if split not in _BANDS_OF:
        raise ValueError(f"split is {split!r}: it must be one of {', '.join(SPLITS)}")
    if seed < 0:
        raise ValueError(f"seed is {seed}: it must not be negative")
    return np.random.default_rng([SPLITS.index(split), seed, *purpose])


def draw_between(rng: np.random.Generator, low: float, high: float, split: Split) -> float:
    """Draws a number from those bands of `low`..`high` that belong to the split."""
    band = rng.choice(_BANDS_OF[split]) + 5 * rng.integers(_NUM_GROUPS)
    return float(low + (high - low) * (band + rng.uniform(0.02, 0.98)) / (5 * _NUM_GROUPS))
