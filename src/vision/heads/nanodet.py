"""NanoDet-Plus: scores, and for each edge of a box a distribution over 0 to 7 strides, whose mean is the edge's distance.

One joined output [b, n, classes + 32]; or eight of them, scores and distances of each stride in turn.
"""

from __future__ import annotations

import numpy as np

from .port import Decoded, Floats, Head, Outputs, grid, only

STRIDES = (8, 16, 32, 64)
NUM_BINS = 8


def _decode_joined(outputs: Outputs, side_px: int) -> Decoded:
    rows = only(outputs)
    return _decode(rows[..., : -4 * NUM_BINS], rows[..., -4 * NUM_BINS :], side_px)


def _decode_split(outputs: Outputs, side_px: int) -> Decoded:
    """Distances are the outputs with 32 columns; finest stride first."""
    every = sorted(outputs.values(), key=lambda one: -one.shape[1])
    scores = np.concatenate([one for one in every if one.shape[-1] != 4 * NUM_BINS], axis=1)
    edges = np.concatenate([one for one in every if one.shape[-1] == 4 * NUM_BINS], axis=1)
    return _decode(scores, edges, side_px)


def _decode(scores: Floats, edges: Floats, side_px: int) -> Decoded:
    logits = edges.reshape(*edges.shape[:2], 4, NUM_BINS)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    means = weights @ np.arange(NUM_BINS, dtype=np.float32) / weights.sum(axis=-1)
    places, strides = grid(side_px, STRIDES)
    low, high = places - means[..., :2], places + means[..., 2:]
    return Decoded(np.concatenate((low, high), axis=-1) * strides / side_px, scores)


HEAD = Head("nanodet", _decode_joined)
SPLIT_HEAD = Head("nanodet_split", _decode_split)
