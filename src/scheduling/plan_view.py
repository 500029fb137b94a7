"""The plan in force, as whoever takes frames needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..core.profile import BatchLatency


@dataclass(frozen=True, slots=True)
class RunningVariant:
    """What one device runs.

    Attributes:
        variant: index into the zoo's variants.
        batch_size: the largest batch that the plan allows.
        first_answer_ms: how soon a frame that is run at once and alone is answered, as a rule.
        batch_p99_ms: the time that planning counts for a batch.
    """

    device_id: str
    variant: int
    batch_size: int
    latency: BatchLatency
    first_answer_ms: float = field(init=False, repr=False, compare=False)
    batch_p99_ms: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        latency = self.latency
        p99_ms = latency.p99_ms[min(self.batch_size, latency.max_batch_size) - 1]
        object.__setattr__(self, "first_answer_ms", latency.p50_ms[0])
        object.__setattr__(self, "batch_p99_ms", p99_ms)


@dataclass(frozen=True, slots=True)
class PlanView:
    """Who is served where.

    Attributes:
        epoch: 0 before the first plan.
        devices: by device id.
        placement: stream id to device id; streams that are served nowhere are left out.
        preempted: those of the latter whose places others have.
    """

    epoch: int = 0
    devices: Mapping[str, RunningVariant] = field(default_factory=dict)
    placement: Mapping[str, str] = field(default_factory=dict)
    preempted: frozenset[str] = frozenset()
    _serving: Mapping[str, RunningVariant | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        serving = {one: self.devices.get(device_id) for one, device_id in self.placement.items()}
        object.__setattr__(self, "_serving", serving)  # looked up several times for every frame

    def serving(self, stream_id: str) -> RunningVariant | None:
        """What serves a stream; None if nothing does."""
        return self._serving.get(stream_id)

    def slots_needed(self, rates_fps: Iterable[tuple[str, float]]) -> float:
        """Slots of the frame memory that frames of these streams take while they run, on the average.

        What comes in bursts can wait for its turn.
        """
        needed: dict[str, float] = {}
        for stream_id, fps in rates_fps:
            if (device := self.serving(stream_id)) is not None:
                frames = needed.get(device.device_id, 0.0) + fps * device.batch_p99_ms / 1000.0
                needed[device.device_id] = min(frames, device.batch_size)
        return sum(needed.values())


class RunningPlan:
    """Puts what results say was run in place of what was planned: a device may still load that, or cannot.

    Attributes:
        view: the plan in force, as it is carried out.
    """

    def __init__(self, latency: Callable[[str, int], BatchLatency]) -> None:
        """Takes the profiles: latency of a device and a variant."""
        self._plan = self.view = PlanView()
        self._latency = latency
        self._ran: dict[str, int] = {}

    def latency(self, device_id: str, variant: int) -> BatchLatency | None:
        """What batches of a variant take on a device; None if it cannot run there."""
        try:
            return self._latency(device_id, variant)
        except KeyError:
            return None

    def ran(self, device_id: str, variant: int) -> None:
        """A batch of that variant has run on a device."""
        if self._ran.get(device_id) != variant:
            self._ran[device_id] = variant
            self.take(self._plan)

    def take(self, plan: PlanView) -> None:
        """Takes the plan in force."""
        self._plan = plan
        devices = {name: self._truly(running) for name, running in plan.devices.items()}
        self.view = replace(plan, devices=devices)

    def _truly(self, planned: RunningVariant) -> RunningVariant:
        ran = self._ran.get(planned.device_id, planned.variant)
        if ran == planned.variant:
            return planned
        return replace(planned, variant=ran, latency=self._latency(planned.device_id, ran))
