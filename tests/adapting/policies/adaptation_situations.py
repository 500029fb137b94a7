"""Situations to ask policies about."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from moonjelly.adapting.frame_sizes import FrameSize
from moonjelly.adapting.policies.odds import ArrivalOdds
from moonjelly.adapting.policies.port import LinkForecast, Situation

# The published zoo: sides 128 to 608 in steps of 32, frame sizes in kbit (1024 bit there).
PUBLISHED_KBITS = (
    80.33, 116.55, 161.04, 207.77, 265.65, 316.97, 373.19, 442.95, 509.66, 583.35, 657.17, 727.66,
    811.20, 896.24, 975.90, 1065.55,
)  # fmt: skip
ZOO = tuple(
    FrameSize(128 + 32 * i, kbits, 0.44 - 1.5 / (i + 5) ** 1.2)
    for i, kbits in enumerate(PUBLISHED_KBITS)
)


class NoDoubt(ArrivalOdds):
    """Of a link that keeps its word: frames take what the estimate says."""

    def within_ratio(
        self, predicted_ms: float, within_ms: float, taken_ms: Sequence[float] = (0.0,)
    ) -> float:
        return fmean(predicted_ms <= within_ms - one for one in taken_ms)

    def displaced(self, predicted_ms: float, free_ms: float, period_ms: float) -> float:
        return float(sum(predicted_ms > free_ms + k * period_ms for k in range(1, 5)))


def certain(kbps: float, wire_ms: float = 0.0) -> LinkForecast:
    return LinkForecast(kbps, wire_ms, NoDoubt())


def situation(kbps: float, **values: object) -> Situation:
    """A frame's turn on a link of that rate; 15 frame/s under 100 ms, all of it left."""
    defaults: dict[str, object] = {
        "sequence": 0,
        "sizes": ZOO,
        "advised_px": 608,
        "fps": 15.0,
        "slo_ms": 100.0,
        "left_ms": 100.0,
        "link": certain(kbps),
    }
    return Situation(**(defaults | values))  # type: ignore[arg-type]
