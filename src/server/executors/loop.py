"""The batch loop of an executor: decide, run, account."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...core.answers import Answer
from ...core.clock import Clock
from ...core.records import BatchRecord
from ...core.verdict import Reason
from ...devices.executors.port import DeviceLostError, Executor, Input
from ...protos.internal_pb2 import ExecutorStatus, FrameResults
from ...scheduling.batching.port import Batch
from ...scheduling.cores.device.instructions import Turn
from ...vision.fits import Fitted
from . import answers
from .energy_side import EnergySide
from .watchdog import Watchdog
from .workload import Lot, WaitingFrame, Workload, show_benches

_log = logging.getLogger(__name__)


class _Step(NamedTuple):
    """What to do, with the frames that it is about."""

    turn: Turn
    lot: Lot | None
    dropped: list[WaitingFrame]
    overdue: list[WaitingFrame]


class BatchLoop:
    """Runs in a thread of its own.

    Attributes:
        num_turns: how often it has decided, so that others see it go on.
        is_running: whether a batch runs, or is decoded, which the watchdog guards.
    """

    def __init__(
        self,
        device_id: str,
        work: Workload,
        executor: Executor,
        sides_px: Mapping[str, int],
        clock: Clock,
        *,
        on_status: Callable[[], None] = lambda: None,
        on_batch: Callable[[BatchRecord], None] | None = None,
        watchdog: Watchdog | None = None,
        energy: EnergySide | None = None,
    ) -> None:
        """Takes what it works with; `on_status` and `on_batch` are called by the loop's thread. `energy` writes batches down itself."""
        self.num_turns = 0
        self.is_running = False
        self._device_id = device_id
        self._work = work
        self._core = work.core
        self._executor = executor
        self._sides_px = sides_px
        self._clock = clock
        self._on_status = on_status
        self._on_batch = on_batch
        self._watchdog = watchdog
        self._energy = energy
        self._under_way: deque[Lot] = deque()
        self._free_ms = -math.inf  # when the last batch ended

    def status(self) -> ExecutorStatus:
        """How the device does."""
        core, slowness = self._core, self._core.condition.slowdown.slowness
        return ExecutorStatus(
            device_id=self._device_id,
            slowdown_ratio=slowness.ratio,
            extra_ms=slowness.extra_ms,
            spread_ratio=slowness.spread_ratio,
            broken_variants=sorted(core.variants.broken),
        )

    def run(self) -> None:
        """Runs until the workload is closed.

        Raises:
            DeviceLostError: if the device is lost.
        """
        depth = self._executor.depth
        while (step := self._decide()) is not None:
            turn, lot, dropped, overdue = step
            if dropped:
                common = FrameResults(plan_epoch=self._core.variants.orders.plan_epoch)
                reasons = [reason for _, reason in turn.drop]
                answers.give_up(dropped, reasons, "", common, self._clock.now_ms())
            for link in {frame.source for frame in overdue}:
                link.answer(FrameResults())  # it waits with them, and does not hang
            if lot is not None:
                self._start(lot)
            if turn.must_finish or len(self._under_way) >= depth:
                self._finish(self._under_way.popleft())

    def _decide(self) -> _Step | None:
        """Waits until there is something to do. Returns None to leave."""
        work = self._work
        with work.changed:
            while not work.is_closed:
                self.num_turns += 1
                now_ms = self._clock.now_ms()
                self._look_at_clock(now_ms)
                turn = self._core.turn(now_ms)
                if turn.ask_mhz is not None and self._energy is not None:
                    self._energy.ask_clock(turn.ask_mhz)
                    continue
                if self._executor.needs_pictures:
                    work.decoding_due.notify_all()  # other frames may be hopeless now, or wanted
                if turn.batch is not None or turn.must_finish or turn.drop or turn.overdue:
                    return _Step(
                        turn,
                        None if turn.batch is None else self._lay(turn.batch),
                        work.take([key for key, _ in turn.drop]),
                        [work.frames[key] for key in turn.overdue],
                    )
                if self._watchdog is not None:
                    self._watchdog.rest()
                wait_ms = turn.wait_until_ms - now_ms
                work.changed.wait(None if wait_ms == math.inf else max(0.0, wait_ms / 1000))
        return None

    def _look_at_clock(self, now_ms: float) -> None:
        """Tells the core which clock the device runs at, and its joules when that has changed."""
        energy, clock = self._energy, self._core.clock
        if energy is None or not clock.clocks_mhz:
            return
        before = clock.reached_mhz
        is_refused = bool(energy.clock_problem)
        self._core.at_clock(energy.clock_mhz, now_ms, is_refused=is_refused)
        if clock.reached_mhz != before:
            energy.clock_changed()

    def _lay(self, batch: Batch) -> Lot:
        """Takes the frames of a batch, and puts them on the benches of their endpoints."""
        lot = Lot(batch, self._work.take([frame.key for frame in batch.frames]))
        self._under_way.append(lot)
        show_benches(self._under_way, lot.frames)
        return lot

    def _start(self, lot: Lot) -> None:
        """Starts a batch; one whose only frame cannot be decoded is over."""
        batch = lot.batch
        self._guard()
        if batch.is_alone and self._executor.needs_pictures:
            from .decoding import decode_alone  # noqa: PLC0415 - loads OpenCV

            side_px = self._sides_px[batch.variant]
            is_decoded = decode_alone(lot.frames[0], side_px, self._executor)
            if not is_decoded:
                self._under_way.remove(lot)
            self._guard()
            if not is_decoded:
                show_benches(self._under_way, lot.frames)
                with self._work.changed:
                    self._core.ran(batch, 0.0, self._clock.now_ms(), is_good=False)
                    self._work.loading_due.notify_all()  # its variant may be unloaded
                return
        inputs = [frame.input for frame in lot.frames] or [self._blank(batch.variant)]
        lot.start_ms = self._clock.now_ms()
        if self._energy is not None:
            lot.number = self._energy.began(batch, lot.start_ms)
        try:
            lot.running = self._executor.start(batch.variant, inputs)
        except DeviceLostError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a detector fails with ends with its batch
            lot.error = self._note_failure(batch, failure)

    def _finish(self, lot: Lot) -> None:
        """Ends the oldest batch; answers every frame of it, then notes how it went."""
        found: Sequence[Answer] = ()
        try:
            if not lot.error:
                found = self._executor.finish(lot.running)
                if len(found) != lot.batch.size:
                    lot.error = f"{len(found)} answers"
        except DeviceLostError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a detector fails with ends with its batch
            lot.error = self._note_failure(lot.batch, failure)
        end_ms = self._clock.now_ms()
        self._guard()
        took_ms = end_ms - max(lot.start_ms, self._free_ms)
        self._free_ms = end_ms
        record = lot.batch.record(self._device_id, took_ms) if lot.frames else None
        if self._energy is not None:
            lot.frame_mj = self._energy.ended(lot.number, record, end_ms)
        if record is not None:
            self._answer(lot, found, took_ms, end_ms)
            if self._on_batch is not None:
                self._on_batch(record)
        self._learn(lot, took_ms, end_ms)

    def _note_failure(self, batch: Batch, failure: Exception) -> str:
        _log.error("a batch of %d failed", batch.size, exc_info=failure)
        return type(failure).__name__

    def _guard(self) -> None:
        """Has the watchdog look after what is under way; it rests when the loop waits."""
        self.is_running = bool(self._under_way)
        if self._watchdog is not None and self._under_way:
            hang_ms = self._core.condition.hang_ms(lot.batch for lot in self._under_way)
            self._watchdog.guard(hang_ms / 1000)

    def _answer(self, lot: Lot, found: Sequence[Answer], took_ms: float, end_ms: float) -> None:
        common = FrameResults(
            variant=lot.batch.variant,
            inference_ms=took_ms,
            plan_epoch=lot.batch.plan_epoch,
            batch_size=lot.batch.size,
            frame_mj=lot.frame_mj,
        )
        if lot.error:
            detail = f"the detector failed: {lot.error}"
            reasons = [Reason.MODEL_OUTPUT] * len(lot.frames)
            answers.give_up(lot.frames, reasons, detail, common, end_ms)
        else:
            results = [
                answers.answered(frame, one, lot.start_ms)
                for frame, one in zip(lot.frames, found, strict=True)
            ]
            answers.send(lot.frames, results, common)

    def _learn(self, lot: Lot, took_ms: float, end_ms: float) -> None:
        """Notes how a batch went, blank or not, and tells the scheduler when that is due."""
        core, frames = self._core, lot.frames
        decode_ms = sum(frame.decode_ms for frame in frames) / len(frames) if frames else None
        show_benches(self._under_way, frames)
        with self._work.changed:
            self._look_at_clock(end_ms)
            core.ran(
                lot.batch,
                took_ms,
                end_ms,
                is_good=not lot.error,
                decode_ms=decode_ms if self._executor.needs_pictures else None,
            )
            if lot.batch.variant != core.variants.active:
                self._work.loading_due.notify_all()  # it may be unloaded
            is_due = core.condition.is_status_due(end_ms)
            if is_due:
                core.condition.told(end_ms)
        if is_due:
            self._on_status()

    def _blank(self, variant: str) -> Input:
        """A picture of nothing, to see how long a frame takes."""
        if not self._executor.needs_pictures:
            return None
        side_px = self._sides_px[variant]
        blank = np.zeros((side_px, side_px, 3), np.uint8)
        return self._executor.prepare(Fitted(blank, (side_px, side_px)))
