"""Draws training batches from a pool: any side, windows, mirror images, other light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .pool import POOL_SIDE_PX, Pool

Floats = npt.NDArray[np.float32]

MAX_CANVAS_PX: Final = 352
"""Pictures of larger sides are mostly learnt in windows of this size: same cells, less work."""

_FRAME_PX: Final = 320**2
_MIN_KEPT_RATIO: Final = 0.35
_MIN_SIZE_PX: Final = 2.0


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Pictures and padded truth.

    Attributes:
        images: RGB, float32 [b, 3, canvas, canvas], 0 to 1.
        boxes: Corners in pixels [b, m, 4].
        class_ids: int64 [b, m].
        kinds: 0 for padding, 1 for an object, 2 for one not asked for, int64 [b, m].
    """

    images: Tensor
    boxes: Tensor
    class_ids: Tensor
    kinds: Tensor

    @property
    def canvas_px(self) -> int:
        """Side of the pictures."""
        return int(self.images.shape[-1])


def draw_batch(
    pool: Pool,
    rng: np.random.Generator,
    sides_px: tuple[int, ...],
    weights: tuple[float, ...],
    frames_a_step: int = 16,
    window_ratio: float = 0.75,
) -> TrainingBatch:
    """Draws one step's pictures, all of one side, about as many pixels whatever the side.

    Args:
        pool: Where the frames come from.
        rng: Decides everything.
        sides_px: Input sides to learn.
        weights: How often each, relative to the others.
        frames_a_step: Were they 320 pixels wide.
        window_ratio: How often a side above `MAX_CANVAS_PX` is learnt in windows.
    """
    side = int(rng.choice(sides_px, p=np.array(weights) / sum(weights)))
    canvas = side
    if side > MAX_CANVAS_PX and rng.random() < window_ratio:
        canvas = MAX_CANVAS_PX - 32 * int(rng.integers(0, 3))
    size = max(4, min(64, round(frames_a_step * _FRAME_PX / canvas**2)))
    images = np.empty((size, canvas, canvas, 3), np.uint8)
    truths: list[tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    for k, index in enumerate(rng.integers(0, len(pool.boxes), size)):
        image, boxes, kinds = _window(pool, int(index), rng, side, canvas)
        if rng.random() < 0.5:  # noqa: PLR2004
            image = image[:, ::-1]
            boxes = np.stack(
                (canvas - boxes[:, 2], boxes[:, 1], canvas - boxes[:, 0], boxes[:, 3]), 1
            )
        images[k] = relight(np.ascontiguousarray(image), rng)
        truths.append((boxes, pool.class_ids[index], kinds))
    most = max(1, *(len(boxes) for boxes, _, _ in truths))
    padded = np.zeros((size, most, 4), np.float32)
    class_ids = np.zeros((size, most), np.int64)
    padded_kinds = np.zeros((size, most), np.int64)
    for k, (boxes, classes, kinds) in enumerate(truths):
        n = len(boxes)
        padded[k, :n], class_ids[k, :n], padded_kinds[k, :n] = boxes, classes, kinds
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)
    return TrainingBatch(
        pixels.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(padded),
        torch.from_numpy(class_ids),
        torch.from_numpy(padded_kinds),
    )


def _window(
    pool: Pool, index: int, rng: np.random.Generator, side: int, canvas: int
) -> tuple[npt.NDArray[np.uint8], Floats, npt.NDArray[np.int64]]:
    """Cuts a window and resizes it to the canvas; returns it with its boxes (px) and kinds."""
    share = canvas / side
    if rng.random() < 0.5:  # noqa: PLR2004
        share *= float(rng.uniform(0.6, 1.0))
    stretch = float(rng.uniform(0.9, 1.1)) if share < 0.95 else 1.0  # noqa: PLR2004
    width = min(1.0, share * stretch)
    height = min(1.0, share / stretch)
    left, top = float(rng.uniform(0, 1 - width)), float(rng.uniform(0, 1 - height))
    x0, y0 = round(left * POOL_SIDE_PX), round(top * POOL_SIDE_PX)
    x1 = max(x0 + 8, round((left + width) * POOL_SIDE_PX))
    y1 = max(y0 + 8, round((top + height) * POOL_SIDE_PX))
    image = np.asarray(pool.images[index, y0:y1, x0:x1])
    shrinks = canvas < min(x1 - x0, y1 - y0)
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    if image.shape[:2] != (canvas, canvas):
        image = np.asarray(cv2.resize(image, (canvas, canvas), interpolation=method))
    scale = np.array([canvas / (x1 - x0), canvas / (y1 - y0)] * 2, np.float32)
    boxes = (pool.boxes[index] * POOL_SIDE_PX - np.array([x0, y0] * 2, np.float32)) * scale
    cut = np.clip(boxes, 0, canvas)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left_over = (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1])
    short = np.minimum(cut[:, 2] - cut[:, 0], cut[:, 3] - cut[:, 1])
    kinds = np.ones(len(boxes), np.int64)
    is_doubtful = (
        pool.is_ignored[index] | (left_over < _MIN_KEPT_RATIO * area) | (short < _MIN_SIZE_PX)
    )
    kinds[is_doubtful] = 2
    kinds[left_over <= 0] = 0
    return image, cut.astype(np.float32), kinds


def relight(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Changes brightness, contrast and colour balance."""
    if rng.random() < 0.3:  # noqa: PLR2004
        return image
    gain = float(rng.uniform(0.65, 1.4)) * rng.uniform(0.92, 1.08, 3)
    gamma = float(rng.uniform(0.8, 1.25))
    levels = (np.arange(256) / 255.0) ** gamma
    table = np.clip(levels[:, None] * gain[None, :] * 255 + rng.uniform(-12, 12), 0, 255)
    return np.asarray(cv2.LUT(image, table.astype(np.uint8)[None].reshape(1, 256, 3)), np.uint8)
