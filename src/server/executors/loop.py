"""The batch loop of an executor: decide, run, account."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...core.clock import Clock
from ...core.profile import BatchLatency
from ...core.records import BatchRecord
from ...core.verdict import Reason
from ...protos.internal_pb2 import DevicePlan, ExecutorStatus, FrameResults
from ...scheduling.batching.port import FIRST_DECODE_MS, Batcher, DeviceState
from ...scheduling.pacing import SHORTEST_WAIT_MS, STATUS_PERIOD_MS
from ...scheduling.slowdown import Slowdown
from ...vision.detections import Detections
from . import answers
from .frame_queue import WaitingFrame
from .port import NO_PICTURE, DeviceLostError, Executor
from .watchdog import Watchdog
from .workload import Workload

LOOK_AHEAD_BATCHES = 2
HANG_FACTOR = 10.0  # of the p99
HANG_LEAST_S = 2.0
DECODE_WEIGHT = 0.1

_DETAILS = {Reason.TOO_LATE: "could not have been answered by its deadline"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeviceVariant:
    """What a device can run.

    Attributes:
        latency: on this device.
    """

    name: str
    input_side_px: int
    latency: BatchLatency


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that run together.

    Attributes:
        batch_size: the largest that the plan allows.
        num_left: frames that stay queued.
    """

    frames: list[WaitingFrame]
    variant: DeviceVariant
    batch_size: int
    num_left: int
    plan_epoch: int


@dataclass(frozen=True, slots=True)
class Run:
    """How a batch went. `found` is empty, and `error` says why, where the detector failed."""

    start_ms: float
    inference_ms: float
    found: list[Detections]
    error: str = ""


class BatchLoop:
    """Runs in a thread of its own; plans and variants are set from others.

    Attributes:
        num_turns: how often it has decided, so that others see it go on.
        is_running: whether a batch runs, which the watchdog guards.
    """

    def __init__(
        self,
        device_id: str,
        work: Workload,
        executor: Executor,
        variants: Mapping[str, DeviceVariant],
        batcher: Batcher,
        clock: Clock,
        *,
        on_status: Callable[[ExecutorStatus], None] = lambda _: None,
        on_batch: Callable[[BatchRecord], None] | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        """Takes what it works with; `on_status` and `on_batch` are called by the loop's thread."""
        self.num_turns = 0
        self.is_running = False
        self._device_id = device_id
        self._work = work
        self._executor = executor
        self._variants = variants
        self._batcher = batcher
        self._clock = clock
        self._on_status = on_status
        self._on_batch = on_batch
        self._watchdog = watchdog
        self._slowdown = Slowdown()
        self._active: DeviceVariant | None = None
        self._next: DeviceVariant | None = None  # loaded, to be taken between two batches
        self._plan = self._wished_plan = DevicePlan(batch_size=1)
        self._plan_epoch = 0
        self._num_batches = 0
        self._decode_ms = FIRST_DECODE_MS if work.queue.needs_pictures else 0.0
        self._free_since_ms = clock.now_ms()
        self._status_at_ms = 0.0

    def set_plan(self, plan: DevicePlan, epoch: int) -> None:
        """Takes a plan; its batch size holds once its variant is active."""
        with self._work.changed:
            self._wished_plan = plan
            self._plan_epoch = epoch
            self._work.changed.notify()

    def activate(self, variant: str) -> None:
        """Has a loaded variant run; returns when the one before will not run any more."""
        work = self._work
        with work.changed:
            self._next = self._variants[variant]
            if self._active is None:  # before the loop's thread starts
                self._switch(self._next)
            work.changed.notify()
            while self._next is not None and not work.is_closed:
                work.switched.wait()

    def status(self) -> ExecutorStatus:
        """How the device does."""
        return ExecutorStatus(
            device_id=self._device_id,
            variant=self._active.name if self._active else "",
            slowdown_ratio=self._slowdown.ratio,
            decode_ms=self._decode_ms,
            num_batches=self._num_batches,
        )

    def run(self) -> None:
        """Runs until the workload is closed.

        Raises:
            DeviceLostError: if the device is lost.
        """
        while (batch := self._decide()) is not None:
            self._account(batch, self._run(batch))

    def _decide(self) -> Batch | None:
        """Waits for the next batch; gives up frames meanwhile. Returns None to leave."""
        while True:
            with self._work.changed:
                if self._work.is_closed:
                    return None
                batch, dropped = self._choose()
            if dropped:
                self._give_up(dropped)
            if batch is not None:
                return batch

    def _choose(self) -> tuple[Batch | None, list[tuple[WaitingFrame, Reason]]]:
        """Asks the batcher once, under the lock; waits if it has nothing to do."""
        work = self._work
        self.num_turns += 1
        if self._next is not None:
            self._switch(self._next)
        if self._active is None:
            raise RuntimeError("no variant is active")
        if self._wished_plan.variant == self._active.name:
            self._plan = self._wished_plan
        work.look_ahead = LOOK_AHEAD_BATCHES * self._plan.batch_size
        if not len(work.queue):
            self._wait(None)
            return None, []
        latency = self._active.latency
        batch_size = min(max(1, self._plan.batch_size), latency.max_batch_size)
        device = DeviceState(
            latency, batch_size, self._plan.arrival_fps, self._slowdown.ratio, self._decode_ms
        )
        now_ms = self._clock.now_ms()
        decision = self._batcher.decide(work.queue.view(), device, now_ms)
        reasons = [reason for _, reason in decision.drop]
        gone = work.queue.take([key for key, _ in decision.drop])
        frames = work.queue.take(decision.run)
        if not frames:
            if not gone:
                work.decoding_due.notify_all()  # frames that seemed hopeless may be wanted after all
                limit_ms = decision.wait_until_ms
                self._wait(None if limit_ms is None else (limit_ms - now_ms) / 1000)
            return None, list(zip(gone, reasons, strict=True))
        busy_ms = latency.p50_ms[len(frames) - 1] * self._slowdown.ratio
        work.hopeless_ms = now_ms + busy_ms + latency.p50_ms[0]
        work.decoding_due.notify_all()
        batch = Batch(frames, self._active, batch_size, len(work.queue), self._plan_epoch)
        return batch, list(zip(gone, reasons, strict=True))

    def _wait(self, timeout_s: float | None) -> None:
        """Sleeps until something changes, or so long."""
        if timeout_s is not None:
            self._work.changed.wait(max(SHORTEST_WAIT_MS / 1000, timeout_s))
        elif self._watchdog is None:
            self._work.changed.wait()
        elif not self._work.changed.wait(self._watchdog.rest_within_s()):
            self._watchdog.rest()

    def _switch(self, variant: DeviceVariant) -> None:
        """Makes a loaded variant the active one; frames decoded for another side are decoded again."""
        work = self._work
        self._active, self._next = variant, None
        work.side_px = variant.input_side_px
        if work.queue.needs_pictures:
            work.queue.require_side(variant.input_side_px)
            work.decoding_due.notify_all()
        work.switched.notify_all()
        self._tell_status(self._clock.now_ms())

    def _run(self, batch: Batch) -> Run:
        if self._watchdog is not None:
            p99_ms = batch.variant.latency.p99_ms[len(batch.frames) - 1]
            self._watchdog.guard(max(HANG_LEAST_S, HANG_FACTOR * p99_ms / 1000))
        pictures = [NO_PICTURE if f.picture is None else f.picture for f in batch.frames]
        start_ms = self._clock.now_ms()
        self.is_running = True
        try:
            found = self._executor.run(batch.variant.name, pictures)
            error = "" if len(found) == len(batch.frames) else f"{len(found)} answers"
        except DeviceLostError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a detector fails with ends with its batch
            _log.exception("a batch of %d failed", len(batch.frames))
            found, error = [], type(failure).__name__
        finally:
            self.is_running = False
        return Run(start_ms, self._clock.now_ms() - start_ms, found, error)

    def _account(self, batch: Batch, run: Run) -> None:
        """Answers every frame of the batch, then notes how it went."""
        end_ms = run.start_ms + run.inference_ms
        if run.error:
            detail = f"the detector failed: {run.error}"
            results = [
                answers.dropped(frame, Reason.MODEL_OUTPUT, detail, end_ms)
                for frame in batch.frames
            ]
        else:
            results = [
                answers.answered(frame, found, run.start_ms)
                for frame, found in zip(batch.frames, run.found, strict=True)
            ]
        common = FrameResults(
            variant=batch.variant.name,
            inference_ms=run.inference_ms,
            plan_epoch=batch.plan_epoch,
            batch_size=len(batch.frames),
        )
        answers.send(batch.frames, results, common)
        self._note(batch, run, end_ms)

    def _note(self, batch: Batch, run: Run, end_ms: float) -> None:
        size = len(batch.frames)
        expected_ms = batch.variant.latency.p50_ms[size - 1]
        idle_ms = run.start_ms - self._free_since_ms
        self._free_since_ms = end_ms
        self._num_batches += 1
        if not run.error:
            self._slowdown.add(run.inference_ms, expected_ms)
        decode_ms = sum(frame.decode_ms for frame in batch.frames) / size
        self._decode_ms += DECODE_WEIGHT * (decode_ms - self._decode_ms)
        if self._on_batch is not None:
            self._on_batch(
                BatchRecord(
                    device_id=self._device_id,
                    at_ms=run.start_ms,
                    variant=batch.variant.name,
                    plan_batch_size=batch.batch_size,
                    batch_size=size,
                    idle_ms=idle_ms,
                    inference_ms=run.inference_ms,
                    expected_ms=expected_ms,
                    queue_length=batch.num_left,
                )
            )
        if end_ms - self._status_at_ms >= STATUS_PERIOD_MS:
            self._tell_status(end_ms)
        if self._work.queue.needs_pictures:
            with self._work.decoding_due:
                self._work.hopeless_ms = -math.inf

    def _give_up(self, dropped: list[tuple[WaitingFrame, Reason]]) -> None:
        now_ms = self._clock.now_ms()
        frames = [frame for frame, _ in dropped]
        results = [
            answers.dropped(frame, reason, _DETAILS.get(reason, ""), now_ms)
            for frame, reason in dropped
        ]
        answers.send(frames, results, FrameResults(plan_epoch=self._plan_epoch))

    def _tell_status(self, now_ms: float) -> None:
        self._status_at_ms = now_ms
        self._on_status(self.status())
