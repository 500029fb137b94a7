"""The vehicle classifiers: small networks that name the vehicle that fills a picture.

The shape is the first half of a detector's: convolutions and cross-stage blocks down to stride 16, then the mean
over the picture. One network serves every input side from 32 px on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..core.answers import Labels
from .answering import AnsweringNetwork, Condenser
from .detector import ConvUnit, CrossStage
from .postprocessing import select_labels

CLASSIFIERS: Final[dict[str, tuple[int, int, int, int]]] = {
    "vehicles-n": (8, 16, 32, 64),
    "vehicles-s": (16, 32, 64, 128),
    "vehicles-m": (32, 64, 128, 224),
}
"""Channels at strides 2, 4, 8 and 16."""


class Classifier(nn.Sequential, AnsweringNetwork):
    """A classifier of one width: RGB [b, 3, side, side], 0 to 1, to class logits [b, classes]."""

    def __init__(self, network: str, num_classes: int) -> None:
        """Builds a network by name, with random weights, channels last.

        Raises:
            KeyError: If no network has this name.
        """
        c1, c2, c3, c4 = CLASSIFIERS[network]
        super().__init__(
            ConvUnit(3, c1, 3, 2),
            ConvUnit(c1, c2, 3, 2),
            ConvUnit(c2, c3, 3, 2),
            CrossStage(c3, c3, 1),
            ConvUnit(c3, c4, 3, 2),
            CrossStage(c4, c4, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(c4, num_classes),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Maps pictures to logits."""
        return super().forward(images)  # type: ignore[no-untyped-call,no-any-return]

    def condenser(self, side_px: int, device: torch.device | str = "cpu") -> Condenser:
        """As `AnsweringNetwork`: the logits, at any side."""
        del side_px, device
        return lambda logits: (logits.float(),)

    def answers(
        self, condensed: Sequence[npt.NDArray[np.float32]], min_score: float
    ) -> Sequence[Labels]:
        """As `AnsweringNetwork`; the likeliest are told, however likely."""
        del min_score
        return select_labels(condensed[0])
