"""What every head gives, and how boxes are turned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[Any]

Outputs: TypeAlias = Mapping[str, Array]
"""A network's outputs by name, in its own order; the first axis is the batch."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a network says of a batch of b pictures.

    Attributes:
        boxes: corners as fractions of the network's square [b, n, 4].
        scores: of each class [b, n, classes]; or of one class alone [b, n].
        class_ids: that class [b, n]; None where there are scores of each.
    """

    boxes: Floats
    scores: Floats
    class_ids: npt.NDArray[np.int32] | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """A layout of outputs.

    Attributes:
        name: as `zoo.yaml` has it.
        decode: outputs and the side of the square (px) to what they say.
        is_one_to_one: an object has one box, so nothing is suppressed.
    """

    name: str
    decode: Callable[[Outputs, int], Decoded]
    is_one_to_one: bool = False


def only(outputs: Outputs) -> Floats:
    """The one output of a network that has one."""
    (found,) = outputs.values()
    return found


def corners(centres: Floats) -> Floats:
    """Turns x, y of the middle, width and height [..., 4] into corners."""
    half = centres[..., 2:] / 2
    return np.concatenate((centres[..., :2] - half, centres[..., :2] + half), axis=-1)


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits.astype(np.float32))), np.float32)


@lru_cache(maxsize=64)
def grid(side_px: int, strides: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Column and row of each cell [n, 2], and its stride [n, 1] in px; finest stride first, row by row. Read only."""
    places: list[Floats] = []
    steps: list[Floats] = []
    for stride in strides:
        cells = -(-side_px // stride)
        rows, columns = np.mgrid[:cells, :cells].astype(np.float32)
        places.append(np.stack((columns, rows), axis=-1).reshape(-1, 2))
        steps.append(np.full((cells * cells, 1), stride, np.float32))
    every = np.concatenate(places), np.concatenate(steps)
    for one in every:
        one.flags.writeable = False
    return every


def surest(boxes: Floats, logits: Floats, most: int = 300) -> Decoded:
    """The surest pairs of a box and a class, of boxes [b, n, 4] and logits [b, n, classes]: an object may be two things."""
    number, num_classes = len(logits), logits.shape[-1]
    flat = sigmoid(logits).reshape(number, -1)
    best = np.argsort(-flat, axis=1, kind="stable")[:, :most]
    rows = np.arange(number)[:, None]
    return Decoded(
        boxes[rows, best // num_classes], flat[rows, best], (best % num_classes).astype(np.int32)
    )
