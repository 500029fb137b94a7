"""How a network is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ..core.checks import require_count
from ..vision.detector import ARCHITECTURES

SIDES_PX: Final = tuple(range(128, 609, 32))


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How a network is trained.

    Attributes:
        seed: Seeds weights and batches.
        peak_rate: Highest learning rate.
        warmup_steps: Steps until it is reached.
        weight_decay: Decay of the convolutions' weights.
        average_decay: Decay of the running average of the weights that is kept.
        frames_a_step: Pictures of a step, were they 320 pixels wide.
        window_ratio: How often large sides are learnt in windows instead of whole.
        least_side_px: Smaller sides are not learnt.
    """

    network: str
    seed: int = 0
    num_steps: int = 2400
    peak_rate: float = 2.5e-3
    warmup_steps: int = 80
    weight_decay: float = 0.02
    average_decay: float = 0.998
    frames_a_step: int = 16
    window_ratio: float = 0.75
    least_side_px: int = 128
    num_threads: int = 1

    def __post_init__(self) -> None:
        if self.network not in ARCHITECTURES:
            raise ValueError(
                f"network is {self.network!r}: it must be one of {', '.join(ARCHITECTURES)}"
            )
        for name in ("num_steps", "warmup_steps", "frames_a_step", "num_threads"):
            require_count(name, getattr(self, name))
        if not self.least_side_px <= SIDES_PX[-1]:
            raise ValueError(
                f"least_side_px is {self.least_side_px}: it must be {SIDES_PX[-1]} at most"
            )

    def rate_at(self, step: int) -> float:
        """Returns the learning rate: up in a line, down along half a cosine to a fiftieth."""
        if step < self.warmup_steps:
            return self.peak_rate * (step + 1) / self.warmup_steps
        way = (step - self.warmup_steps) / max(1, self.num_steps - self.warmup_steps)
        return self.peak_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * way)))
