"""The endpoint's decisions, as a state machine."""

from __future__ import annotations

from ....core.codes import Code
from ....core.verdict import Reason
from ...plan_view import PlanView
from ...streams.intake import reason_to_drop
from .drop_notes import DRAINING, FAILED, POISON, TOO_LATE, DropNote, given_up
from .gate import Declared, StreamGate
from .held_frame import HeldFrame
from .instructions import EndCall, Instruction, Mistake, Note, Registered
from .parts import EndpointParts
from .stimuli import BatchDone


class EndpointCore(EndpointParts):
    """Takes what happens to streams, frames and devices, and tells what to do about it.

    Every frame that is taken ends once, in an `Answer` or in a `Dropped`; every registration is answered once, unless
    whoever asked hangs up. Nothing is under way for longer than an SLO, or two batches, after its deadline.

    Each method takes one stimulus and returns what is to be done, in order. The core has no clock and never sees a
    picture: whoever drives it says what time it is, and calls `tick` at the time that the last `WakeAt` names.
    """

    def tick(self, now_ms: float) -> list[Instruction]:
        """Time has passed."""
        self._upkeep.tick(now_ms)
        return self._settled()

    def register(self, request: int, declared: Declared, now_ms: float) -> list[Instruction]:
        """A stream asks for a place; no two ask with one number."""
        has_device = bool(self._fleet.devices)
        self._registrar.ask(request, declared, now_ms, has_device=has_device)
        return self._settled()

    def hang_up(self, request: int) -> list[Instruction]:
        """Whoever asked is gone."""
        self._registrar.hang_up(request)
        return self._settled()

    def join_answered(self, request: int, refusal: object, now_ms: float) -> list[Instruction]:
        """The scheduler's answer: None, or why there is no place."""
        gate = self._registrar.answered(request, refusal)
        if gate is not None:
            if not len(self.sessions):
                self._upkeep.begin(now_ms)
            self.sessions.enter(gate, now_ms)
            advice = self._ends.sides(gate.observed, now_ms)
            self._out.append(Registered(request, gate, advice, self._running.view.epoch))
        return self._settled()

    def scheduler_came(self, now_ms: float) -> list[Instruction]:
        """A scheduler is there, and wants to know how streams fare."""
        self._registrar.has_scheduler = True
        self.sessions.report_soon(now_ms)
        return self._done()

    def scheduler_lost(self) -> list[Instruction]:
        """It is gone; streams go on by its plan."""
        self._registrar.scheduler_lost()
        return self._settled()

    def take_plan(self, plan: PlanView) -> None:
        """The scheduler has a new plan."""
        self._running.take(plan)

    def superseded(self, stream_id: str, now_ms: float) -> list[Instruction]:
        """A stream was registered again elsewhere."""
        self.sessions.supersede(stream_id, now_ms)
        return self._done()

    def open(self, gate: StreamGate, now_ms: float) -> list[Instruction]:
        """A registered stream's client is connected."""
        gate.is_open = True
        gate.observed.last_frame_ms = now_ms
        self.sessions.report_soon(now_ms, is_urgent=True)  # from now on it counts
        return self._done()

    def goodbye(self, gate: StreamGate) -> list[Instruction]:
        """The client leaves politely: what is under way is answered, then the call ends."""
        gate.is_leaving = True
        if not gate.num_under_way:
            self._out.append(EndCall(gate))
        return self._done()

    def closed(self, gate: StreamGate, now_ms: float) -> list[Instruction]:
        """The call of a stream is over, in whatever way; frees all it held, at once."""
        self.sessions.forget(gate, now_ms)
        return self._settled()

    def drain(self) -> None:
        """From now on nobody is registered, and no frame is taken."""
        self._registrar.is_draining = True

    def take_unknown(self, gate: StreamGate, now_ms: float, *, is_empty: bool) -> list[Instruction]:
        """A message came that holds nothing known here.

        A newer client may say more than we know, as often as any stream may send frames; what says nothing at all, or
        comes more often, is bad.
        """
        is_bad = is_empty or not gate.newer_messages.takes(now_ms)
        if is_bad and gate.bad_frames.add(now_ms):
            self.sessions.end_call(gate, Code.INVALID_ARGUMENT, "too many bad messages in 10 s")
        return self._done()

    def take(self, frame: HeldFrame, wire_ms: float, flaw: DropNote | None) -> list[Instruction]:
        """A frame was just read; unless it has its note then, it goes on to `dispatch`.

        Args:
            frame: new, and with its gate.
            wire_ms: one-way delay of its link, as its client says.
            flaw: what is wrong with what the client says of it.
        """
        gate, read_ms = frame.gate, frame.read_ms
        gate.num_arrived += 1
        gate.num_under_way += 1
        if gate.observed.is_silent(read_ms):
            self.sessions.report_soon(read_ms, is_urgent=True)
        try:
            note = self._judge(frame, wire_ms, flaw)
        except Exception as error:  # noqa: BLE001 whatever it is, this frame ends and the stream goes on
            self._out.append(Mistake("judging a frame", error))
            note = FAILED
        return self._done() if note is None else self.refuse(frame, note, read_ms)

    def refuse(self, frame: HeldFrame, note: DropNote, now_ms: float) -> list[Instruction]:
        """Ends a frame that was read and is nowhere."""
        gate, reason = frame.gate, note.drop.reason
        self._ends.dropped(frame, note, now_ms)
        if reason is Reason.BAD_FRAME and gate.bad_frames.add(now_ms):
            self.sessions.end_call(gate, Code.INVALID_ARGUMENT, "too many bad frames in 10 s")
        elif reason is Reason.RATE_EXCEEDED and gate.policer.is_incurable:
            detail = f"{gate.excess}, for long"
            self.sessions.end_call(gate, Code.RESOURCE_EXHAUSTED, detail)
        return self._done()

    def dispatch(self, frame: HeldFrame, flaw: DropNote | None, now_ms: float) -> list[Instruction]:
        """Has a frame run that was taken, unless its picture has a flaw."""
        stream_id = frame.gate.stream_id
        if flaw is not None:
            return self.refuse(frame, flaw, now_ms)
        suspects = self._dispatcher.suspects
        if not suspects.is_empty and suspects.is_condemned(frame):
            self._ends.dropped(frame, POISON, now_ms)
            self.sessions.condemn(stream_id, now_ms)
            return self._settled()
        running = self._running.view.serving(stream_id)
        device_id = running.device_id if running is not None else ""
        try:
            note = self._dispatcher.dispatch(frame, device_id, now_ms)
        except Exception as error:  # noqa: BLE001 as above
            self._out.append(Mistake("dispatching a frame", error))
            note = FAILED
        return self._done() if note is None else self.refuse(frame, note, now_ms)

    def _judge(self, frame: HeldFrame, wire_ms: float, flaw: DropNote | None) -> DropNote | None:
        """Sets a frame's deadline, and says why it is given up, if it is."""
        gate, read_ms, stalls = frame.gate, frame.read_ms, self._upkeep.stalls
        stalls.look(read_ms)
        arrived_ms = read_ms - gate.backlog.waited_ms(frame.sequence, read_ms, stalls.latest)
        note = gate.check_order(frame.sequence, arrived_ms) or flaw
        if note is not None:
            return note
        frame.way_ms, frame.deadline_ms = gate.observed.take_frame(
            arrived_ms,
            frame.age_ms,
            frame.kbits,
            self._kbits.get(frame.side_px or 0),
            frame.bandwidth_kbps or 0.0,
            wire_ms,
        )
        if self._registrar.is_draining:
            return DRAINING
        reason = reason_to_drop(
            frame.deadline_ms - read_ms,
            self._running.view.serving(gate.stream_id),
            gate.num_under_way - 1,
            gate.most_under_way,
        )
        if reason is None:
            return None
        if reason is Reason.TOO_LATE:
            return TOO_LATE
        if reason is Reason.NOT_PLACED:
            epoch = self._running.view.epoch
            return given_up(reason, f"plan {epoch} serves this stream nowhere")
        return given_up(reason, f"{gate.num_under_way - 1} frames are under way")

    def not_taken(self, frame: HeldFrame, note: DropNote, now_ms: float) -> list[Instruction]:
        """A frame could not be sent as it should have been."""
        self._dispatcher.not_taken(frame, note, now_ms)
        return self._done()

    def memory_came(self) -> list[Instruction]:
        """The frame memory is there."""
        self._dispatcher.has_memory = True
        return self._done()

    def device_came(self, device_id: str, generation: int, now_ms: float) -> list[Instruction]:
        """A device can run frames; nobody of its name is there."""
        self._losses.judge(device_id, now_ms, is_crash=False)  # nobody said anything else
        self._dispatcher.attach(device_id, generation, now_ms)
        self._upkeep.devices_changed(now_ms)
        return self._done()

    def device_gone(self, device_id: str, generation: int, now_ms: float) -> list[Instruction]:
        """A device is lost, with all that it holds."""
        device = self._fleet.find(device_id, generation)
        if device is not None:
            self._losses.gone(device, now_ms)
            self._upkeep.devices_changed(now_ms)
        return self._done()

    def device_died(self, device_id: str, now_ms: float, *, is_crash: bool) -> list[Instruction]:
        """Somebody says what a device died of, before or after it is gone: by itself, or killed."""
        device = self._fleet.devices.get(device_id)
        if device is not None:
            device.is_crash = is_crash
        else:
            self._losses.judge(device_id, now_ms, is_crash=is_crash)
        return self._done()

    def results(
        self, device_id: str, generation: int, batch: BatchDone, now_ms: float
    ) -> list[Instruction]:
        """A device says what became of frames; of none, that it is there."""
        device = self._fleet.find(device_id, generation)
        if device is None:
            return []
        was_silent = device.silence.heard(now_ms)
        self._dispatcher.results(device, batch, self._index.get(batch.variant), now_ms)
        if was_silent:
            self._out.append(Note("WARNING", f"the executor of {device_id} speaks again"))
            self._upkeep.devices_changed(now_ms)
        return self._done()
