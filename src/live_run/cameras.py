"""One camera of a live run: what it sees, promises and is connected by."""

from __future__ import annotations

from dataclasses import dataclass

from ..adapting.estimators import DEFAULT_ESTIMATOR
from ..adapting.policies.registry import DEFAULT_POLICY
from ..files.shipped import shipped_folder
from ..links.shapers import LinkConfig
from ..links.traces import LinkTrace

TRACES_DIR = shipped_folder("network_shaping")


@dataclass(frozen=True, slots=True)
class LiveCamera:
    """One camera of a live run.

    Attributes:
        source: the video that it looks at: a drawn street, or a file (`making.maker_of`).
        trace: rate of its uplink over time.
        start_s: when it connects, counted from when the links start.
        source_start_s: where in the video it begins.
    """

    stream_id: str
    source: str
    fps: float
    slo_ms: float
    trace: LinkTrace
    wire_ms: float
    policy: str = DEFAULT_POLICY
    estimator: str = DEFAULT_ESTIMATOR
    start_s: float = 0.0
    source_start_s: float = 0.0

    def num_frames(self, seconds: float) -> int:
        """How many frames it captures in that time."""
        return max(1, round(seconds * self.fps))

    def link(self, server: str) -> LinkConfig:
        """The camera's link to a server at HOST:PORT."""
        return LinkConfig(
            name=self.stream_id, server=server, uplink=self.trace, wire_ms=self.wire_ms
        )
