"""Ends frames, once each, and learns from them what the server itself costs."""

from __future__ import annotations

from ....core.advice import NO_ADVICE, SideAdvice
from ....core.limits import OVERHEAD_MS
from ...running_plan import RunningPlan
from ...streams.adviser import Adviser
from ...streams.observed_stream import ObservedStream
from ...streams.overhead import OverheadEstimate
from .drop_notes import DropNote
from .gate import StreamGate
from .held_frame import HeldFrame
from .instructions import Answer, Dropped, EndCall, Instruction, Mistake
from .stimuli import BatchDone, FrameDone


class FrameEnds:
    """Where every frame ends.

    Attributes:
        overhead: checks, and the ways between processes. Decoding counts for its stream alone.
    """

    def __init__(self, running: RunningPlan, adviser: Adviser, out: list[Instruction]) -> None:
        self.overhead = OverheadEstimate()
        self._running = running
        self._adviser = adviser
        self._out = out

    def answered(self, frame: HeldFrame, done: FrameDone, batch: BatchDone, now_ms: float) -> None:
        """A frame ran."""
        gate = frame.gate
        observed = gate.observed
        frame.variant, frame.batch_size = batch.variant, batch.batch_size
        frame.inference_ms, frame.plan_epoch = batch.inference_ms, batch.plan_epoch
        frame.queue_ms, frame.decode_ms = done.queue_ms, done.decode_ms
        frame.server_ms = server_ms = now_ms - frame.read_ms
        frame.advice = self.sides(observed, now_ms)
        observed.response_kbits = done.response_kbits
        self.overhead.add(OVERHEAD_MS.nearest(server_ms - done.queue_ms - batch.inference_ms))
        observed.decoding.add(OVERHEAD_MS.nearest(done.decode_ms))
        gate.num_answered += 1
        self._out.append(Answer(frame, done.found))
        self._has_ended(gate)

    def dropped(
        self, frame: HeldFrame, note: DropNote, now_ms: float, *, is_told: bool = True
    ) -> None:
        """A frame is given up."""
        gate = frame.gate
        observed = gate.observed
        if note.decode_ms > 0:
            observed.decoding.add(OVERHEAD_MS.nearest(note.decode_ms))
        frame.note = note
        frame.server_ms = now_ms - frame.read_ms
        frame.plan_epoch = self._running.view.epoch
        if is_told:
            frame.advice = self.sides(observed, now_ms)
        gate.drops[note.drop] += 1
        self._out.append(Dropped(frame, is_told))
        self._has_ended(gate)

    def sides(self, observed: ObservedStream, now_ms: float) -> SideAdvice:
        """The newest advice; none if we fail, since the frame has to end all the same."""
        try:
            running = self._running.view.serving(observed.stream_id)
            return self._adviser.sides(observed, running, self.overhead.mean_ms, now_ms)
        except Exception as error:  # noqa: BLE001 see above
            self._out.append(Mistake("advising a stream", error))
            return NO_ADVICE

    def _has_ended(self, gate: StreamGate) -> None:
        gate.num_under_way -= 1
        if gate.is_leaving and not gate.num_under_way:
            self._out.append(EndCall(gate))
