"""When a device is not there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from ..core.checks import echo


@dataclass(frozen=True, slots=True)
class Absences:
    """When a device goes and comes back, in turns (s since the start)."""

    times_s: tuple[float, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `FROM-TO+FROM-TO...`, as in `10-20+35-40`; nothing after the last `-` is for good.

        Raises:
            ValueError: naming text and rule.
        """
        try:
            pairs = [span.split("-") for span in text.split("+")]
            times_s = tuple(float(time or "inf") for start, end in pairs for time in (start, end))
        except ValueError:
            raise ValueError(f"{echo(text)}: must be like 10-20+35-40, in seconds") from None
        if not (times_s[0] >= 0 and all(a < b for a, b in pairwise(times_s))):
            raise ValueError(f"{echo(text)}: every time must be after the one before, from 0 s on")
        return cls(times_s)
