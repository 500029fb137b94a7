"""What every network of ours that torch runs can do: say what its own outputs mean."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..core.answers import Answer
from .postprocessing import MAX_CANDIDATES, select_detections

Condenser: TypeAlias = Callable[[Any], tuple[Tensor, ...]]
"""Leaves of what a network says of a batch as much as answers are made of: a row for each picture, as many numbers whatever is in them."""


class AnsweringNetwork(nn.Module):
    """A network whose outputs only it understands."""

    @abstractmethod
    def condenser(self, side_px: int, device: torch.device | str = "cpu") -> Condenser:
        """How its outputs at a side are condensed on the device that they are on.

        A detector gives corners as fractions of the square [b, n, 4] and scores of the classes [b, n, classes], of no more
        cells than matter.

        Raises:
            ValueError: If it does not take squares of this side.
        """

    def answers(
        self, condensed: Sequence[npt.NDArray[np.float32]], min_score: float
    ) -> Sequence[Answer]:
        """Turns what was condensed into an answer for each picture, of at least a score.

        Raises:
            BrokenOutput: If a number in use is none.
        """
        boxes, scores = condensed
        return [
            select_detections(one, score, min_score)
            for one, score in zip(boxes, scores, strict=True)
        ]


def surest(scores: Tensor) -> Tensor:
    """Which cells of each picture are the surest, [b, n] to [b, at most MAX_CANDIDATES], in their order.

    Detections are made of no others. What is no number counts as sure, to be found out later.
    """
    found: Tensor = scores.topk(min(MAX_CANDIDATES, scores.shape[1]), sorted=False).indices
    return found.sort(dim=1).values


def at(cells: Tensor, which: Tensor) -> Tensor:
    """The rows of some cells of each picture: [b, n, c] and [b, k] to [b, k, c]."""
    return cells.gather(1, which[..., None].expand(-1, -1, cells.shape[2]))
