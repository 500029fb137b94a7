"""The batch loop of an executor: decide, run, account."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ...core.clock import Clock
from ...core.profile import BatchLatency
from ...core.records import BatchRecord
from ...core.verdict import Reason
from ...devices.executors.port import NO_PICTURE, DeviceLostError, Executor, Picture
from ...protos.internal_pb2 import DevicePlan, ExecutorStatus, FrameResults
from ...scheduling.batching.port import FIRST_DECODE_MS, Batcher
from ...scheduling.cores.device import DeviceCore, DeviceOrders
from ...vision.detections import Detections
from . import answers
from .endpoint_link import EndpointLink
from .frame_queue import WaitingFrame
from .watchdog import Watchdog
from .workload import Workload

LOOK_AHEAD_BATCHES = 2
HANG_FACTOR = 10.0  # of the p99
HANG_LEAST_S = 2.0
SPEAK_EVERY_MS = 100.0

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
    """Frames that run together; none make a blank batch, which tells how slow the device is.

    Attributes:
        batch_size: the largest that the plan allows.
        num_left: frames that stay queued.
        is_alone: nothing else is decoded or run beside it.
    """

    frames: list[WaitingFrame]
    variant: DeviceVariant
    batch_size: int
    num_left: int
    plan_epoch: int
    is_alone: bool = False


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
        is_running: whether a batch runs, or is decoded, which the watchdog guards.
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
        decode_alone: Callable[[WaitingFrame, int], bool] | None = None,
    ) -> None:
        """Takes what it works with; `on_status` and `on_batch` are called by the loop's thread.

        `decode_alone` gives a frame that is to be alone its picture, of a side, or gives it up and returns False.
        """
        self.num_turns = 0
        self.is_running = False
        self._device_id = device_id
        self._work = work
        self._executor = executor
        self._variants = variants
        self._clock = clock
        self._on_status = on_status
        self._on_batch = on_batch
        self._watchdog = watchdog
        self._decode_alone = decode_alone
        self._core = DeviceCore(
            {variant.name: variant.latency for variant in variants.values()},
            batcher,
            FIRST_DECODE_MS if work.queue.needs_pictures else 0.0,
        )
        self._next: DeviceVariant | None = None  # loaded, to be taken between two batches
        self._free_since_ms = clock.now_ms()
        self._spoke_ms = -math.inf

    def set_plan(self, plan: DevicePlan, epoch: int) -> None:
        """Takes a plan; its batch size holds once its variant is active."""
        orders = DeviceOrders(plan.variant, plan.batch_size, plan.arrival_fps, epoch)
        with self._work.changed:
            self._core.wish(orders)
            self._work.changed.notify()

    def activate(self, variant: str) -> None:
        """Has a loaded variant run; returns when the one before will not run any more."""
        work = self._work
        with work.changed:
            self._next = self._variants[variant]
            if not self._core.active:  # before the loop's thread starts
                self._switch(self._next)
            work.changed.notify()
            while self._next is not None and not work.is_closed:
                work.switched.wait()

    def status(self) -> ExecutorStatus:
        """How the device does."""
        core = self._core
        return ExecutorStatus(
            device_id=self._device_id,
            slowdown_ratio=core.slowdown_ratio,
            spread_ratio=core.spread_ratio,
        )

    def run(self) -> None:
        """Runs until the workload is closed.

        Raises:
            DeviceLostError: if the device is lost.
        """
        while (batch := self._decide()) is not None:
            if not batch.frames:
                self._learn(batch, self._run(batch))
            elif not batch.is_alone or self._is_decoded(batch):
                self._account(batch, self._run(batch))
            self._clear_bench(batch)

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
        work, core = self._work, self._core
        self.num_turns += 1
        if self._next is not None:
            self._switch(self._next)
        if not core.active:
            raise RuntimeError("no variant is active")
        alone = work.queue.take_alone()
        if alone is not None:
            return self._choose_alone(alone)
        work.look_ahead = LOOK_AHEAD_BATCHES * core.orders.batch_size
        now_ms = self._clock.now_ms()
        if not len(work.queue):
            limit_ms = core.probe_at_ms() - now_ms
            if limit_ms <= 0:
                core.probing(now_ms)
                return self._lay([]), []
            work.changed.wait(None if limit_ms == math.inf else limit_ms / 1000)
            return None, []
        decision = core.decide(work.queue.view(), now_ms)
        gone = work.queue.take([key for key, _ in decision.drop])
        dropped = list(zip(gone, (reason for _, reason in decision.drop), strict=True))
        frames = work.queue.take(decision.run)
        if not frames:
            if not gone:
                work.decoding_due.notify_all()  # frames that seemed hopeless may be wanted after all
                limit_ms = min(decision.wait_until_ms or math.inf, self._speak(now_ms))
                work.changed.wait(None if limit_ms == math.inf else (limit_ms - now_ms) / 1000)
            return None, dropped
        busy_ms = core.latency.p50_ms[len(frames) - 1] * core.slowdown_ratio
        work.hopeless_ms = now_ms + busy_ms + core.latency.p50_ms[0]
        work.decoding_due.notify_all()
        return self._lay(frames), dropped

    def _speak(self, now_ms: float) -> float:
        """Says to endpoints whose frames are overdue that it waits with them and does not hang, now and then.

        Returns:
            When to call this again at the latest.
        """
        overdue = self._work.queue.overdue(now_ms)
        if overdue and now_ms >= self._spoke_ms + SPEAK_EVERY_MS:
            self._spoke_ms = now_ms
            for link in {frame.source for frame in overdue}:
                link.answer(FrameResults())
        return self._spoke_ms + SPEAK_EVERY_MS if overdue else self._work.queue.next_deadline_ms

    def _choose_alone(
        self, frame: WaitingFrame
    ) -> tuple[Batch | None, list[tuple[WaitingFrame, Reason]]]:
        """Waits, under the lock, until no other frame is at work; the frame has left the queue."""
        work = self._work
        work.is_reserved = True
        while work.decoding and not work.is_closed:
            work.changed.wait()
        if self._core.is_hopeless(frame.queued.deadline_ms, self._clock.now_ms()):
            self._release()
            return None, [(frame, Reason.TOO_LATE)]
        return self._lay([frame], is_alone=True), []

    def _lay(self, frames: list[WaitingFrame], *, is_alone: bool = False) -> Batch:
        """Makes a batch, and puts its frames on the benches of their endpoints."""
        tickets: dict[EndpointLink, list[int]] = {}
        for frame in frames:
            tickets.setdefault(frame.source, []).append(frame.descriptor.ticket)
        for link, own in tickets.items():
            link.bench.run(own)
        core = self._core
        return Batch(
            frames,
            self._variants[core.active],
            core.batch_size,
            len(self._work.queue),
            core.orders.plan_epoch,
            is_alone,
        )

    def _clear_bench(self, batch: Batch) -> None:
        for link in {frame.source for frame in batch.frames}:
            link.bench.run(())
        if batch.is_alone:
            with self._work.changed:
                self._release()

    def _release(self) -> None:
        """Lets the decoder threads go on, under the lock."""
        self._work.is_reserved = False
        self._work.decoding_due.notify_all()

    def _is_decoded(self, batch: Batch) -> bool:
        """Decodes a frame that is alone; it was given up if that fails."""
        if self._decode_alone is None:
            return True
        if self._watchdog is not None:
            self._watchdog.guard(HANG_LEAST_S)
        self.is_running = True
        try:
            return self._decode_alone(batch.frames[0], batch.variant.input_side_px)
        finally:
            self.is_running = False
            if self._watchdog is not None:
                self._watchdog.rest()

    def _switch(self, variant: DeviceVariant) -> None:
        """Makes a loaded variant the active one; frames decoded for another side are decoded again."""
        work = self._work
        self._next = None
        self._core.activate(variant.name)
        work.side_px = variant.input_side_px
        if work.queue.needs_pictures:
            work.queue.require_side(variant.input_side_px)
            work.decoding_due.notify_all()
        work.switched.notify_all()
        self._tell_status(self._clock.now_ms())

    def _run(self, batch: Batch) -> Run:
        pictures = [NO_PICTURE if f.picture is None else f.picture for f in batch.frames]
        if not pictures:
            pictures = [self._blank(batch.variant)]
        if self._watchdog is not None:
            p99_ms = batch.variant.latency.p99_ms[len(pictures) - 1]
            self._watchdog.guard(max(HANG_LEAST_S, HANG_FACTOR * p99_ms / 1000))
        start_ms = self._clock.now_ms()
        self.is_running = True
        try:
            found = self._executor.run(batch.variant.name, pictures)
            error = "" if len(found) == len(pictures) else f"{len(found)} answers"
        except DeviceLostError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a detector fails with ends with its batch
            _log.exception("a batch of %d failed", len(pictures))
            found, error = [], type(failure).__name__
        finally:
            self.is_running = False
        end_ms = self._clock.now_ms()
        if self._watchdog is not None:
            self._watchdog.rest()
        return Run(start_ms, end_ms - start_ms, found, error)

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
        if not run.error:
            self._core.decoded(sum(frame.decode_ms for frame in batch.frames) / size)
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
        self._learn(batch, run)
        if self._work.queue.needs_pictures:
            with self._work.decoding_due:
                self._work.hopeless_ms = -math.inf

    def _learn(self, batch: Batch, run: Run) -> None:
        """Notes how a batch went, blank or not, and tells the scheduler when that is due."""
        end_ms = run.start_ms + run.inference_ms
        if not run.error:
            size = max(1, len(batch.frames))
            self._core.ran(batch.variant.name, size, run.inference_ms, end_ms)
        if self._core.is_status_due(end_ms):
            self._tell_status(end_ms)

    def _blank(self, variant: DeviceVariant) -> Picture:
        """A picture of nothing, to see how long a frame takes."""
        if not self._work.queue.needs_pictures:
            return NO_PICTURE
        return np.zeros((variant.input_side_px, variant.input_side_px, 3), np.uint8)

    def _give_up(self, dropped: list[tuple[WaitingFrame, Reason]]) -> None:
        now_ms = self._clock.now_ms()
        frames = [frame for frame, _ in dropped]
        results = [
            answers.dropped(frame, reason, _DETAILS.get(reason, ""), now_ms)
            for frame, reason in dropped
        ]
        answers.send(frames, results, FrameResults(plan_epoch=self._core.orders.plan_epoch))

    def _tell_status(self, now_ms: float) -> None:
        self._core.told(now_ms)
        self._on_status(self.status())
