"""Detector variants: one network at one input size."""

from __future__ import annotations

from dataclasses import dataclass

from .checks import require_id, require_not_negative, require_positive
from .limits import FRAME_KBITS


@dataclass(frozen=True, slots=True)
class Variant:
    """One detector at one input size.

    Attributes:
        name: unique within its zoo, for example `traffic-s-416`.
        input_side_px: the network takes squares of this side.
        accuracy: mAP@[.5:.95] on the zoo's test set, 0 to 1.
        frame_kbits: encoded size of a frame of that side (kbit, 1000 bit), a high percentile.
    """

    name: str
    input_side_px: int
    accuracy: float
    frame_kbits: float

    def __post_init__(self) -> None:
        require_id("variant", self.name)
        require_positive("input_side_px", self.input_side_px, 4096)
        require_not_negative("accuracy", self.accuracy, 1)
        FRAME_KBITS.require("frame_kbits", self.frame_kbits)
