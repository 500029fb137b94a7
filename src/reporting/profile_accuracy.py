"""How accurate answers are by the tables of a zoo: what replayed and simulated devices can tell."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.records import FrameRecord
from ..core.variant import Variant
from ..core.verdict import Verdict


class ProfileAccuracy:
    """Looks up what a frame is worth."""

    def __init__(self, variants: Iterable[Variant]) -> None:
        """Takes the variants of the zoo that answered."""
        self._variants = {one.name: one for one in variants}
        self._cache: dict[tuple[str, int], float] = {}

    def of(self, frame: FrameRecord) -> float:
        """The accuracy of the answer to a frame, 0 to 1; 0 if the frame was not in time.

        That of the variant that ran; but a frame that came smaller than the variant takes it was
        blown up, and counts no more than the zoo's best variant of its own side or below. A lower JPEG
        quality is not reckoned with.

        Raises:
            KeyError: if the zoo has no such variant.
        """
        if frame.verdict != Verdict.IN_TIME:
            return 0.0
        ran = self._variants[frame.variant]
        if frame.side_px is None or frame.side_px >= ran.input_side_px:
            return ran.accuracy
        key = (ran.name, frame.side_px)
        if key not in self._cache:
            own = [
                one.accuracy
                for one in self._variants.values()
                if one.input_side_px <= frame.side_px
            ]
            self._cache[key] = min(ran.accuracy, max(own, default=0.0))
        return self._cache[key]
