"""NanoDet-Plus: scores, and for each edge of a box a distribution over 0 to 7 strides, whose mean is the edge's distance.

One joined output [b, n, classes + 32]; or eight of them, scores and distances of each stride in turn.
"""

from __future__ import annotations

import math

import numpy as np

from .port import Decoded, Floats, Head, Outputs, grid, only

STRIDES = (8, 16, 32, 64)
NUM_BINS = 8


def _decode_joined(outputs: Outputs, side_px: int) -> Decoded:
    """Distances count from the upper left corners of cells, as NanoDet-Plus has it."""
    rows = only(outputs)
    scores, edges = rows[..., : -4 * NUM_BINS], rows[..., -4 * NUM_BINS :]
    return Decoded(_boxes(edges, *grid(side_px, STRIDES)) / side_px, scores)


def _decode_split(outputs: Outputs, side_px: int) -> Decoded:
    """Distances are the outputs with 32 columns; they count from the middle pixels of cells, as OpenCV's zoo has it."""
    every = sorted(outputs.values(), key=lambda one: -one.shape[1])
    scores = [one for one in every if one.shape[-1] != 4 * NUM_BINS]
    edges = [one for one in every if one.shape[-1] == 4 * NUM_BINS]
    boxes: list[Floats] = []
    for stride, one in zip(STRIDES, edges, strict=True):
        places, strides = grid(math.isqrt(one.shape[1]), (1,))
        middles = places + np.float32(0.5 * (stride - 1) / stride)
        boxes.append(_boxes(one, middles, stride * strides))
    return Decoded(np.concatenate(boxes, axis=1) / side_px, np.concatenate(scores, axis=1))


def _boxes(edges: Floats, places: Floats, strides: Floats) -> Floats:
    """Corners in px, of distributions [b, n, 32] around places in strides."""
    logits = edges.reshape(*edges.shape[:2], 4, NUM_BINS)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    means = weights @ np.arange(NUM_BINS, dtype=np.float32) / weights.sum(axis=-1)
    low, high = places - means[..., :2], places + means[..., 2:]
    return np.concatenate((low, high), axis=-1) * strides


HEAD = Head("nanodet", _decode_joined)
SPLIT_HEAD = Head("nanodet_split", _decode_split)
