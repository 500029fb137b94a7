"""The plan in force, as whoever takes frames needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.profile import BatchLatency


@dataclass(frozen=True, slots=True)
class RunningVariant:
    """What one device runs.

    Attributes:
        variant: index into the zoo's variants.
        batch_size: the largest batch that the plan allows.
    """

    device_id: str
    variant: int
    batch_size: int
    latency: BatchLatency

    @property
    def first_answer_ms(self) -> float:
        """How soon a frame that is run at once and alone is answered, as a rule."""
        return self.latency.p50_ms[0]

    @property
    def batch_p99_ms(self) -> float:
        """The time that planning counts for a batch."""
        return self.latency.p99_ms[min(self.batch_size, self.latency.max_batch_size) - 1]


@dataclass(frozen=True, slots=True)
class PlanView:
    """Who is served where.

    Attributes:
        epoch: 0 before the first plan.
        devices: by device id.
        placement: stream id to device id; streams that are served nowhere are left out.
    """

    epoch: int = 0
    devices: Mapping[str, RunningVariant] = field(default_factory=dict)
    placement: Mapping[str, str] = field(default_factory=dict)

    def serving(self, stream_id: str) -> RunningVariant | None:
        """What serves a stream; None if nothing does."""
        return self.devices.get(self.placement.get(stream_id, ""))
