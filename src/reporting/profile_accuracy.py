"""How accurate answers are by the tables of a zoo: what replayed and simulated devices can tell."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.quality import JpegQuality
from ..core.records import FrameRecord
from ..core.variant import Variant
from ..core.verdict import Verdict


class ProfileAccuracy:
    """Looks up what a frame is worth."""

    def __init__(self, variants: Iterable[Variant], qualities: Iterable[JpegQuality] = ()) -> None:
        """Takes the variants of the zoo that answered, and the JPEG qualities whose effect is known."""
        self._qualities = {one.quality: one.accuracy_ratio for one in qualities}
        self._variants = {one.name: one for one in variants}
        self._cache: dict[tuple[str, int], float] = {}

    def of(self, frame: FrameRecord) -> float:
        """The accuracy of the answer to a frame, 0 to 1; 0 if the frame was not in time.

        That of the variant that ran; but a frame that came smaller than the variant takes it was
        blown up, and counts no more than the zoo's best variant of its own side or below. Times what
        is left of the accuracy at the frame's JPEG quality, if that is known.

        Raises:
            KeyError: if the zoo has no such variant.
        """
        if frame.verdict != Verdict.IN_TIME:
            return 0.0
        quality_ratio = self._qualities.get(frame.jpeg_quality or 0, 1.0)
        return quality_ratio * self._of_sides(self._variants[frame.variant], frame.side_px)

    def _of_sides(self, ran: Variant, side_px: int | None) -> float:
        """Of a variant and a frame that came at a side; None if that is not known."""
        if side_px is None or side_px >= ran.input_side_px:
            return ran.accuracy
        key = (ran.name, side_px)
        if key not in self._cache:
            own = [v.accuracy for v in self._variants.values() if v.input_side_px <= side_px]
            self._cache[key] = min(ran.accuracy, max(own, default=0.0))
        return self._cache[key]
