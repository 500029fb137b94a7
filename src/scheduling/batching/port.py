"""The `Batcher` port: which queued frames make the next batch, and when it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...core.profile import BatchLatency
from ...core.verdict import Reason

FIRST_DECODE_MS = 2.0
"""What decoding a frame is taken to cost before any was decoded."""


@dataclass(frozen=True, slots=True)
class QueuedFrame:
    """A frame that waits at an executor.

    Attributes:
        key: unique at this executor.
        arrived_ms: when it was queued.
        deadline_ms: when its detections must leave the executor, on the same clock.
        is_ready: whether it is decoded; only ready frames can run.
    """

    key: int
    arrived_ms: float
    deadline_ms: float
    is_ready: bool = True


@dataclass(frozen=True, slots=True)
class DeviceState:
    """An idle device that is about to choose its next batch.

    Attributes:
        latency: what the variant that is active is expected to take on it now.
        batch_size: the largest batch that the plan allows, within the profile.
        arrival_fps: rate at which the plan expects frames, summed over its streams.
        decode_ms: recent time to decode a frame.
    """

    latency: BatchLatency
    batch_size: int
    arrival_fps: float
    decode_ms: float = FIRST_DECODE_MS


@dataclass(frozen=True, slots=True)
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


class Batcher(Protocol):
    """Forms batches on one device."""

    def decide(
        self, queue: Sequence[QueuedFrame], device: DeviceState, now_ms: float
    ) -> BatchDecision:
        """Decides for an idle device. `queue` holds every waiting frame, in order of arrival."""
        ...
