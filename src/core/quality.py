"""JPEG qualities: what a lower one costs and saves."""

from __future__ import annotations

from dataclasses import dataclass

from .checks import require_positive

MAX_QUALITY = 100


@dataclass(frozen=True, slots=True)
class JpegQuality:
    """A JPEG quality that frames may be encoded with, beside the zoo's tables, which hold for 90.

    Attributes:
        quality: of the encoder, 1 to 100.
        accuracy_ratio: accuracy over that at quality 90, above 0 and at most 1.
        size_ratio: encoded size over that at quality 90, above 0 and at most 1.
    """

    quality: int
    accuracy_ratio: float = 1.0
    size_ratio: float = 1.0

    def __post_init__(self) -> None:
        require_positive("jpeg_quality", self.quality, MAX_QUALITY)
        require_positive("accuracy_ratio", self.accuracy_ratio, 1)
        require_positive("size_ratio", self.size_ratio, 1)
