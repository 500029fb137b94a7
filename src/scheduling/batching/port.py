"""The `Batcher` port: which queued frames make the next batch, when it starts, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...core.profile import BatchLatency
from ...core.records import BatchRecord
from ...core.stream import DEFAULT_TENANT
from ...core.verdict import Reason

FIRST_DECODE_MS = 2.0
"""What decoding a frame is taken to cost before any was decoded."""


@dataclass(slots=True)  # not frozen, which makes one cost twice as much
class QueuedFrame:
    """A frame that waits at an executor.

    Attributes:
        key: unique at this executor.
        arrived_ms: when it was queued.
        deadline_ms: when its detections must leave the executor, on the same clock.
        is_ready: whether it is decoded; only ready frames can run.
        tenant: whose it is.
    """

    key: int
    arrived_ms: float
    deadline_ms: float
    is_ready: bool = True
    tenant: str = DEFAULT_TENANT


@dataclass(slots=True)  # as above
class DeviceState:
    """An idle device that is about to choose its next batch.

    Attributes:
        latency: what the variant that is active is expected to take on it now.
        batch_size: the largest batch that the plan allows, within the profile.
        arrival_fps: rate at which the plan expects frames, summed over its streams.
        decode_ms: recent time to decode a frame.
        max_batch_size: the largest batch that the device runs, where frames would be lost to the plan's; 0 for no larger one.
    """

    latency: BatchLatency
    batch_size: int
    arrival_fps: float
    decode_ms: float = FIRST_DECODE_MS
    max_batch_size: int = 0


@dataclass(slots=True)
class BatchDecision:
    """What to do now. A frame that is in neither `run` nor `drop` stays queued.

    Attributes:
        run: keys of the next batch, all ready; empty to wait.
        drop: keys to give up, with the reason; disjoint from `run`.
        wait_until_ms: where `run` is empty, ask again then at the latest, or at the next arrival
            or decoded frame; None to wait for those alone.
    """

    run: tuple[int, ...] = ()
    drop: tuple[tuple[int, Reason], ...] = ()
    wait_until_ms: float | None = None


@dataclass(slots=True, eq=False)
class Batch:
    """Frames that run together. None make a blank batch, which tells how slow the device is.

    Attributes:
        frames: in the order in which they run.
        variant: that runs them.
        p50_ms: what the profile expects of it.
        p99_ms: what it takes at most, says the profile, but for one in a hundred.
        start_ms: when it began.
        idle_ms: how long the device had nothing to run before.
        batch_size: the largest that the plan allowed.
        num_left: frames that stayed queued.
        plan_epoch: of the plan that it runs under.
        is_alone: nothing else may be decoded or run beside it.
        clock_mhz: that the device is at when it begins; None where it has no clocks.
        clock_epoch: tells whether the clock was another meanwhile.
    """

    frames: tuple[QueuedFrame, ...]
    variant: str
    p50_ms: float
    p99_ms: float
    start_ms: float
    idle_ms: float
    batch_size: int
    num_left: int
    plan_epoch: int
    is_alone: bool = False
    clock_mhz: float | None = None
    clock_epoch: int = 0

    @property
    def size(self) -> int:
        """Frames that the device runs; a blank one is one."""
        return max(1, len(self.frames))

    def record(self, device_id: str, took_ms: float) -> BatchRecord:
        """Its row of the log."""
        return BatchRecord(
            device_id=device_id,
            at_ms=self.start_ms,
            variant=self.variant,
            plan_batch_size=self.batch_size,
            batch_size=self.size,
            idle_ms=self.idle_ms,
            inference_ms=took_ms,
            expected_ms=self.p50_ms,
            queue_length=self.num_left,
            clock_mhz=self.clock_mhz,
        )


class Batcher(Protocol):
    """Forms batches on one device."""

    def decide(
        self, queue: Sequence[QueuedFrame], device: DeviceState, now_ms: float
    ) -> BatchDecision:
        """Decides for an idle device. `queue` holds every waiting frame, in order of arrival."""
        ...

    def ran(self, batch: Batch, took_ms: float) -> None:
        """Is told of every batch of frames that has run, whatever came of it, also of frames that had to run alone."""
        ...
