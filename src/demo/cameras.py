"""The demo's cameras: what each one sees, promises and is connected by."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from ..links.traces import read_trace
from ..live_run.cameras import TRACES_DIR, LiveCamera
from ..live_run.making import SCENE

SCENES_PER_SEED = 100  # so that neighbouring seeds share no scene
STEP_FPS = 0.5


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of camera, of which a demo may have several.

    Attributes:
        name: begins the stream's id.
        fps: frame rate.
        slo_ms: bound on capture to answer.
        trace: file of the link's rate.
        scale_ratio: factor on the trace, made for links that carry far larger frames.
        period_s: how long each of its values holds.
        offset: where in the trace the first camera of the kind begins.
        wire_ms: one-way delay of the link.
    """

    name: str
    fps: float
    slo_ms: float
    trace: str
    scale_ratio: float
    period_s: float
    offset: int
    wire_ms: float

    def at(self, load_ratio: float, link_ratio: float = 1.0) -> Kind:
        """The kind with another frame rate, rounded down to halves, and a link that lets larger frames through or smaller ones.

        Args:
            load_ratio: factor on the frame rate; that of the link follows.
            link_ratio: factor on what the link carries for each frame.
        """
        fps = max(STEP_FPS, STEP_FPS * math.floor(self.fps * load_ratio / STEP_FPS))
        scale_ratio = self.scale_ratio * link_ratio * fps / self.fps
        return dataclasses.replace(self, fps=fps, scale_ratio=scale_ratio)


# Rates and scales at a load of 1: see docs/metrics.md, "The demo's load".
KINDS = (
    Kind("gate", 10.0, 200.0, "synthetic_mbps.txt", 0.16, 6.0, 0, 2.0),
    Kind("square", 5.0, 400.0, "lte_like_mbps.txt", 0.08, 1.0, 40, 15.0),
    Kind("bridge", 8.0, 250.0, "wifi_like_mbps.txt", 0.08, 1.0, 10, 3.0),
    Kind("junction", 4.0, 500.0, "synthetic_mbps.txt", 0.08, 5.0, 2, 10.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCamera(LiveCamera):
    """One camera of a demo, and its kind."""

    kind: Kind

    @property
    def link_text(self) -> str:
        """The link in words."""
        kind = self.kind
        return (
            f"{kind.trace} from value {self.trace.offset}, scaled by {kind.scale_ratio:.3g}, "
            f"{kind.period_s:g} s a value, {kind.wire_ms:g} ms one way"
        )


def demo_cameras(
    num_cameras: int, seed: int, load_ratio: float = 1.0, link_ratio: float = 1.0
) -> tuple[DemoCamera, ...]:
    """Chooses the cameras: kinds in turn, a scene and a place in the link's trace for each.

    Args:
        num_cameras: how many.
        seed: of scenes and places in traces.
        load_ratio: see `Kind.at`.
        link_ratio: see `Kind.at`.

    Raises:
        UsageError: if a trace cannot be read.
    """
    cameras: list[DemoCamera] = []
    for number in range(num_cameras):
        kind = KINDS[number % len(KINDS)].at(load_ratio, link_ratio)
        again = number // len(KINDS)
        trace = read_trace(TRACES_DIR / kind.trace, scale_ratio=kind.scale_ratio)
        cameras.append(
            DemoCamera(
                stream_id=f"{kind.name}-{again}" if again else kind.name,
                kind=kind,
                fps=kind.fps,
                slo_ms=kind.slo_ms,
                wire_ms=kind.wire_ms,
                source=f"{SCENE}{SCENES_PER_SEED * seed + number}",
                trace=dataclasses.replace(
                    trace, period_s=kind.period_s, offset=kind.offset + 17 * again + seed
                ),
            )
        )
    return tuple(cameras)
