"""The endpoint's decisions, as a state machine."""

from __future__ import annotations

import math

from ....core.codes import Code
from ....core.verdict import Reason
from ...duties import Duties
from ...plan_view import PlanView
from . import dispatching, ending, losses, sessions, upkeep
from .attached_device import AttachedDevice
from .drop_notes import DRAINING, FAILED, POISON, TOO_LATE, DropNote, given_up
from .gate import Declared, StreamGate
from .held_frame import HeldFrame
from .instructions import (
    EndCall,
    Instruction,
    Mistake,
    Note,
    NotRegistered,
    Registered,
    WakeAt,
    Why,
)
from .state import EndpointState
from .stimuli import BatchDone


class EndpointCore(EndpointState):
    """Takes what happens to streams, frames and devices, and tells what to do about it.

    Every frame that is taken ends once, in an `Answer` or in a `Dropped`; every registration is answered once, unless
    whoever asked hangs up. Nothing is under way for longer than an SLO, or two batches, after its deadline.

    Each method takes one stimulus and returns what is to be done, in order. The core has no clock and never sees a
    picture: whoever drives it says what time it is, and calls `tick` at the time that the last `WakeAt` names.
    """

    _wake_ms = math.inf  # when the next tick is due, as the shell was told
    _duties = Duties(upkeep.PERIODS_MS, 0.0)  # resting: there is nobody to look after

    def tick(self, now_ms: float) -> list[Instruction]:
        """Time has passed."""
        upkeep.give_up_joining(self, now_ms)
        if self.sessions:
            for duty in self._duties.take_due(now_ms):
                duty(self, now_ms)
        if self.report_at_ms <= now_ms:
            upkeep.report(self, now_ms)
        return self._settled()

    def register(self, request: int, declared: Declared, now_ms: float) -> list[Instruction]:
        """A stream asks for a place; no two ask with one number."""
        sessions.ask(self, request, declared, now_ms)
        return self._settled()

    def hang_up(self, request: int) -> list[Instruction]:
        """Whoever asked is gone."""
        sessions.hang_up(self, request)
        return self._settled()

    def join_answered(self, request: int, refusal: object, now_ms: float) -> list[Instruction]:
        """The scheduler's answer: None, or why there is no place."""
        gate = sessions.answered(self, request, refusal, now_ms)
        if gate is not None:
            if not self.sessions:  # nothing is late
                self._duties = Duties(upkeep.PERIODS_MS, now_ms)
                self.stalls.restart(now_ms)
            sessions.enter(self, gate, now_ms)
            advice = ending.sides(self, gate, now_ms)
            self.out.append(Registered(request, gate, advice, self.plan.epoch))
        return self._settled()

    def scheduler_came(self, now_ms: float) -> list[Instruction]:
        """A scheduler is there, and wants to know how streams fare."""
        self.has_scheduler = True
        self.report_soon(now_ms)
        return self._done()

    def scheduler_lost(self) -> list[Instruction]:
        """It is gone, and answers nobody; streams go on by its plan."""
        self.has_scheduler = False
        self.out += [NotRegistered(request, Why.SCHEDULER_LOST) for request in self.joining]
        self.joining.clear()
        return self._settled()

    def take_plan(self, plan: PlanView) -> None:
        """The scheduler has a new plan."""
        self.running.take(plan)

    def superseded(self, stream_id: str, now_ms: float) -> list[Instruction]:
        """A stream was registered again elsewhere."""
        sessions.supersede(self, stream_id, now_ms)
        return self._done()

    def open(self, gate: StreamGate, now_ms: float) -> list[Instruction]:
        """A registered stream's client is connected."""
        gate.is_open = True
        gate.opened_ms, gate.first_epoch = now_ms, self.plan.epoch + 1
        gate.observed.last_frame_ms = now_ms
        self.report_soon(now_ms, is_urgent=True)  # from now on it counts
        return self._done()

    def goodbye(self, gate: StreamGate) -> list[Instruction]:
        """The client leaves politely: what is under way is answered, then the call ends."""
        gate.is_leaving = True
        if not gate.num_under_way:
            self.out.append(EndCall(gate))
        return self._done()

    def closed(self, gate: StreamGate, now_ms: float) -> list[Instruction]:
        """The call of a stream is over, in whatever way; frees all it held, at once."""
        sessions.forget(self, gate, now_ms)
        return self._settled()

    def drain(self) -> None:
        """From now on nobody is registered, and no frame is taken."""
        self.is_draining = True

    def take_unknown(self, gate: StreamGate, now_ms: float, *, is_empty: bool) -> list[Instruction]:
        """A message came that holds nothing known here.

        A newer client may say more than we know, as often as any stream may send frames; what says nothing at all, or
        comes more often, is bad.
        """
        is_bad = is_empty or not gate.newer_messages.takes(now_ms)
        if is_bad and gate.bad_frames.add(now_ms):
            self.out.append(EndCall(gate, Code.INVALID_ARGUMENT, "too many bad messages in 10 s"))
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
            self.report_soon(read_ms, is_urgent=True)
        try:
            note = self._judge(frame, wire_ms, flaw)
        except Exception as error:  # noqa: BLE001 whatever it is, this frame ends and the stream goes on
            self.out.append(Mistake("judging a frame", error))
            note = FAILED
        return self._done() if note is None else self.refuse(frame, note, read_ms)

    def refuse(self, frame: HeldFrame, note: DropNote, now_ms: float) -> list[Instruction]:
        """Ends a frame that was read and is nowhere."""
        gate, reason = frame.gate, note.drop.reason
        ending.drop(self, frame, note, now_ms)
        if reason is Reason.BAD_FRAME and gate.bad_frames.add(now_ms):
            self.out.append(EndCall(gate, Code.INVALID_ARGUMENT, "too many bad frames in 10 s"))
        elif reason is Reason.RATE_EXCEEDED and gate.policer.is_incurable:
            detail = f"{gate.excess}, for long"
            self.out.append(EndCall(gate, Code.RESOURCE_EXHAUSTED, detail))
        return self._done()

    def dispatch(self, frame: HeldFrame, flaw: DropNote | None, now_ms: float) -> list[Instruction]:
        """Has a frame run that was taken, unless its picture has a flaw."""
        stream_id = frame.gate.stream_id
        if flaw is not None:
            return self.refuse(frame, flaw, now_ms)
        if not self.suspicion.is_empty and self.suspicion.is_condemned(stream_id):
            ending.drop(self, frame, POISON, now_ms)
            sessions.condemn(self, stream_id, now_ms)
            return self._settled()
        try:
            note = dispatching.start(self, frame, now_ms)
        except Exception as error:  # noqa: BLE001 as above
            self.out.append(Mistake("dispatching a frame", error))
            note = FAILED
        return self._done() if note is None else self.refuse(frame, note, now_ms)

    def _judge(self, frame: HeldFrame, wire_ms: float, flaw: DropNote | None) -> DropNote | None:
        """Sets a frame's deadline, and says why it is given up, if it is."""
        gate, read_ms, stalls = frame.gate, frame.read_ms, self.stalls
        stalls.look(read_ms)
        arrived_ms = read_ms - gate.backlog.waited_ms(frame.sequence, read_ms, stalls.latest)
        note = gate.check_order(frame.sequence, arrived_ms) or flaw
        if note is not None:
            return note
        frame.way_ms, frame.deadline_ms = gate.observed.take_frame(
            arrived_ms,
            frame.age_ms,
            frame.kbits,
            self.kbits.get(frame.side_px or 0),
            frame.bandwidth_kbps or 0.0,
            wire_ms,
        )
        if self.is_draining:
            return DRAINING
        excess = self.limits.share(gate.declared.visitor, read_ms).frame(
            frame.kbits, frame.num_pixels, read_ms
        )
        if excess:
            return given_up(Reason.RATE_EXCEEDED, excess)
        running, num_before = self.running.view.serving(gate.stream_id), gate.num_under_way - 1
        if frame.deadline_ms - read_ms < (running.first_answer_ms if running is not None else 0.0):
            return TOO_LATE
        if running is None:
            detail = f"plan {self.plan.epoch} serves this stream nowhere"
            if gate.stream_id in self.plan.preempted:
                return given_up(Reason.PREEMPTED, f"{detail}: others go before it")
            return given_up(Reason.NOT_PLACED, detail)
        if num_before >= gate.most_under_way:
            return given_up(Reason.QUEUE_FULL, f"{num_before} frames are under way")
        return None

    def not_taken(self, frame: HeldFrame, note: DropNote, now_ms: float) -> list[Instruction]:
        """A frame could not be sent as it should have been."""
        dispatching.not_taken(self, frame, note, now_ms)
        return self._done()

    def memory_came(self) -> list[Instruction]:
        """The frame memory is there."""
        self.has_memory = True
        return self._done()

    def device_came(self, device_id: str, generation: int, now_ms: float) -> list[Instruction]:
        """A device can run frames; nobody of its name is there."""
        losses.judge(self, device_id, now_ms, is_crash=False)  # nobody said anything else
        self.known_devices.add(device_id)
        self.devices[device_id] = AttachedDevice(device_id, generation, now_ms)
        for stream_id in self.waiting.streams:
            dispatching.release(self, stream_id, now_ms)
        self.devices_changed(now_ms)
        return self._done()

    def device_gone(self, device_id: str, generation: int, now_ms: float) -> list[Instruction]:
        """A device is lost, with all that it holds."""
        device = self.find_device(device_id, generation)
        if device is not None:
            losses.gone(self, device, now_ms)
            self.devices_changed(now_ms)
        return self._done()

    def device_died(self, device_id: str, now_ms: float, *, is_crash: bool) -> list[Instruction]:
        """Somebody says what a device died of, before or after it is gone: by itself, or killed."""
        device = self.devices.get(device_id)
        if device is not None:
            device.is_crash = is_crash
        else:
            losses.judge(self, device_id, now_ms, is_crash=is_crash)
        return self._done()

    def results(
        self, device_id: str, generation: int, batch: BatchDone, now_ms: float
    ) -> list[Instruction]:
        """A device says what became of frames; of none, that it is there."""
        device = self.find_device(device_id, generation)
        if device is None:
            return []
        was_silent = device.heard(now_ms)
        dispatching.take_results(self, device, batch, now_ms)
        if was_silent:
            self.out.append(Note("WARNING", f"the executor of {device_id} speaks again"))
            self.devices_changed(now_ms)
        return self._done()

    def _done(self) -> list[Instruction]:
        """All that is to be done."""
        if self.report_at_ms < self._wake_ms:
            return self._settled()
        if not self.out:
            return []
        out, self.out = self.out, []
        return out

    def _settled(self) -> list[Instruction]:
        """Likewise, where the next tick may be due at another time than before."""
        wake_ms = min((one.until_ms for one in self.joining.values()), default=math.inf)
        wake_ms = min(wake_ms, self.report_at_ms)
        if self.sessions:
            wake_ms = min(wake_ms, self._duties.next_ms)
        if wake_ms != self._wake_ms:
            self._wake_ms = wake_ms
            self.out.append(WakeAt(wake_ms))
        out, self.out = self.out, []
        return out
