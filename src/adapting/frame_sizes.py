"""What may travel: the input sizes of a zoo, and the JPEG qualities whose effect is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..core.checks import require_not_negative, require_positive
from ..core.limits import FRAME_KBITS
from ..core.quality import JpegQuality
from ..core.variant import Variant

DEFAULT_QUALITY = JpegQuality(90)
GUESSED_ACCURACY = 0.5
"""Of the largest side, where a server tells no accuracy; smaller sides have less in proportion."""


@dataclass(frozen=True, slots=True)
class FrameSize:
    """An input size of the zoo.

    Attributes:
        side_px: side of the square.
        kbits: expected encoded size of a frame of that side, at the default quality.
        accuracy: of the best variant that takes that side, 0 to 1; 0 where it is not known.
    """

    side_px: int
    kbits: float
    accuracy: float = 0.0

    def __post_init__(self) -> None:
        require_positive("side_px", self.side_px, 4096)
        FRAME_KBITS.require("frame_kbits", self.kbits)
        require_not_negative("accuracy", self.accuracy, 1)


def frame_sizes(variants: Iterable[Variant]) -> list[FrameSize]:
    """The input sizes of a zoo, smallest first.

    Where variants share a side, the larger frames and the better accuracy count.
    """
    found: dict[int, FrameSize] = {}
    for variant in variants:
        side_px, before = variant.input_side_px, found.get(variant.input_side_px)
        found[side_px] = FrameSize(
            side_px,
            max(before.kbits if before else 0.0, variant.frame_kbits),
            max(before.accuracy if before else 0.0, variant.accuracy),
        )
    return [found[side_px] for side_px in sorted(found)]


@dataclass(frozen=True, slots=True)
class FrameChoices:
    """What a client may send to a zoo.

    Attributes:
        sizes: smallest first, at least one.
        qualities: best first; the first one is that of the zoo's tables.
    """

    sizes: Sequence[FrameSize]
    qualities: Sequence[JpegQuality] = (DEFAULT_QUALITY,)

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ValueError("sizes=(): a zoo has at least one input size")
        sizes = sorted(self.sizes, key=lambda size: size.side_px)
        if not any(size.accuracy for size in sizes):
            most_px = sizes[-1].side_px
            sizes = [
                replace(size, accuracy=GUESSED_ACCURACY * size.side_px / most_px) for size in sizes
            ]
        object.__setattr__(self, "sizes", tuple(sizes))
        lower = [one for one in self.qualities if one.quality < DEFAULT_QUALITY.quality]
        lower.sort(key=lambda one: -one.quality)
        object.__setattr__(self, "qualities", (DEFAULT_QUALITY, *lower))
