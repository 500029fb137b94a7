"""What tenants may have at most, whatever room there is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.checks import require_count, require_positive
from ..core.stream import Stream, StreamKey
from .planning.admission import Refusal
from .planning.counter_offer import RefusalReason

ROUNDING_FPS = 1e-9


@dataclass(frozen=True, slots=True)
class Quota:
    """What one tenant may have.

    Attributes:
        max_streams: at a time; None for as many as there is room for.
        max_fps: of all its streams together (frame/s); None likewise.
    """

    max_streams: int | None = None
    max_fps: float | None = None

    def __post_init__(self) -> None:
        if self.max_streams is not None:
            require_count("max_streams", self.max_streams)
        if self.max_fps is not None:
            require_positive("max_fps", self.max_fps)

    def refusal(self, stream: Stream, others: Iterable[Stream]) -> Refusal | None:
        """Why a stream may not join its tenant's others; None if it may."""
        have = {one.stream_id: one.fps for one in others if one.stream_id != stream.stream_id}
        if self.max_streams is not None and len(have) >= self.max_streams:
            return Refusal(
                RefusalReason.QUOTA, f"the tenant has {len(have)} of {self.max_streams} streams"
            )
        left_fps = math.inf if self.max_fps is None else self.max_fps - sum(have.values())
        if stream.fps <= left_fps + ROUNDING_FPS:
            return None
        left = f"{max(0.0, left_fps):g} of {self.max_fps:g} frames/s left"
        return Refusal(RefusalReason.QUOTA, f"the tenant has {left}; {stream.fps:g} were asked for")


Quotas = Mapping[str, Quota]
"""By tenant; who is not there has none."""


def over_quota(
    quotas: Quotas, joining: Iterable[Stream], held: Iterable[Stream]
) -> dict[str, Refusal]:
    """Those of the streams that want to join who may not, in the order in which they ask, by stream id.

    Args:
        quotas: of tenants.
        joining: each counts for the next one, if it may join.
        held: streams that are there, or were told that they may come.
    """
    if not quotas:
        return {}
    by_tenant: dict[str, list[Stream]] = {}
    for stream in held:
        by_tenant.setdefault(StreamKey.parse(stream.stream_id).tenant, []).append(stream)
    refused = {}
    for stream in joining:
        tenant = StreamKey.parse(stream.stream_id).tenant
        own = by_tenant.setdefault(tenant, [])
        refusal = quotas[tenant].refusal(stream, own) if tenant in quotas else None
        if refusal is None:
            own.append(stream)
        else:
            refused[stream.stream_id] = refusal
    return refused
