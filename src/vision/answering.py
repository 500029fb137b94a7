"""What every network of ours that torch runs can do: say what its own outputs mean."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn

from ..core.answers import Answer

Reader: TypeAlias = Callable[[Any, float], Sequence[Answer]]
"""Turns what a network says of a batch into answers of at least a score, one for each picture; boxes are fractions of the square."""


class AnsweringNetwork(nn.Module):
    """A network whose outputs only it understands."""

    @abstractmethod
    def reader(self, side_px: int, device: torch.device | str = "cpu") -> Reader:
        """How its outputs at a side are read, on the device that they are on.

        Raises:
            ValueError: If it does not take squares of this side.
        """
