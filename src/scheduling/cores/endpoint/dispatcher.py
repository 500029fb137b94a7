"""Sends frames to devices, and takes back what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...device_silence import DeviceSilence
from ...running_plan import RunningPlan
from .attached_device import AttachedDevice, Handed
from .drop_notes import (
    MEMORY_FULL,
    NO_DEVICE,
    WAITED_AS_SUSPECT,
    WAITED_FOR_A_SLOT,
    DropNote,
)
from .ending import FrameEnds
from .fleet import Fleet
from .gate import StreamGate
from .held_frame import HeldFrame
from .instructions import Cancel, Dispatch, Instruction
from .stimuli import BatchDone
from .suspects import Suspects
from .waiting_room import WaitingRoom

Bench = Callable[[str], Sequence[int]]
"""The tickets that a device is working at, or was when it died."""


class Dispatcher:
    """Keeps every frame that is under way at devices, or waits to be sent there.

    Attributes:
        fleet: the devices.
        suspects: whose frames may kill devices.
        has_memory: whether the frame memory is there.
        num_free: its slots that no frame is in.
    """

    def __init__(
        self,
        running: RunningPlan,
        bench: Bench,
        num_slots: int,
        ends: FrameEnds,
        out: list[Instruction],
    ) -> None:
        """Starts without devices and without memory, which is to have so many slots."""
        self.suspects = Suspects()
        self.fleet = Fleet(running, self.suspects)
        self.has_memory = False
        self._running = running
        self._bench = bench
        self.num_free = num_slots
        self._ends = ends
        self._out = out
        self._waiting = WaitingRoom()
        self._next_ticket = 1

    @property
    def num_held(self) -> int:
        """Frames at the devices, and those that wait to be sent there."""
        held = sum(len(one.held) for one in self.fleet.devices.values())
        return held + len(self._waiting)

    def attach(self, device_id: str, generation: int, now_ms: float) -> None:
        """A device has come; nobody of its name is there."""
        self.suspects.know(device_id)
        self.fleet.devices[device_id] = AttachedDevice(device_id, generation, DeviceSilence(now_ms))
        for stream_id in self._waiting.streams:
            self.release(stream_id, now_ms)

    def dispatch(self, frame: HeldFrame, device_id: str, now_ms: float) -> DropNote | None:
        """Has a frame sent to a device, now or soon; returns why that failed."""
        device = self.fleet.devices.get(device_id)
        if device is None or device.silence.is_silent or not self.suspects.is_empty:
            device = self.fleet.choose(frame, device_id, now_ms)
        if device is None:
            return NO_DEVICE
        if not self.fleet.may_start(frame, now_ms):
            has_room = self._waiting.wait_for_stream(frame)
        elif self._has_slot() and not self._waiting.is_slot_wanted:
            self._send(frame, device, now_ms)
            return None
        else:
            has_room = self._waiting.wait_for_slot(frame)
        return None if has_room else MEMORY_FULL

    def results(
        self, device: AttachedDevice, batch: BatchDone, variant: int | None, now_ms: float
    ) -> None:
        """A device says what became of frames; those that it does not have any more have ended before."""
        given_up: dict[int, Handed] = {}
        for done in batch.frames:
            handed = device.held.pop(done.ticket, None)
            if handed is None:  # it was taken back in the meantime
                handed = device.gone.pop(done.ticket, None)
            elif done.note is None:
                if variant is not None:
                    self._running.ran(device.device_id, variant)
                self._free(handed.frame)
                self._ends.answered(handed.frame, done, batch, now_ms)
            else:
                self.end(handed.frame, done.note, now_ms)
                given_up[done.ticket] = handed
            if handed is not None and handed.is_alone:
                self.trial_over(handed, now_ms, ran_well=done.note is None)
        if given_up:
            self.note_given_up(device, given_up)
        self.serve_waiting(now_ms)

    def not_taken(self, frame: HeldFrame, note: DropNote, now_ms: float) -> None:
        """A frame could not be sent after all."""
        device = self.fleet.devices.get(frame.device_id)
        handed = device.held.pop(frame.ticket, None) if device is not None else None
        if handed is None:
            return
        self.end(frame, note, now_ms)
        if handed.is_alone:
            self.trial_over(handed, now_ms, ran_well=False)
        self.serve_waiting(now_ms)

    def take_back(
        self, gate: StreamGate, note: DropNote, now_ms: float, *, is_told: bool = False
    ) -> None:
        """Ends all frames of a stream; nothing more will be heard of them."""
        frames = self._waiting.take_out(lambda frame: frame.gate is gate)
        over: list[Handed] = []
        for device in self.fleet.devices.values():
            tickets = [k for k, handed in device.held.items() if handed.frame.gate is gate]
            if not tickets:
                continue
            at_work = self.at_work(device)
            for ticket in tickets:
                handed = device.held.pop(ticket)
                frames.append(handed.frame)
                if ticket in at_work:
                    device.gone[ticket] = handed
                elif handed.is_alone:
                    over.append(handed)
            self._out.append(Cancel(device.device_id, tickets))
        for frame in sorted(frames, key=lambda frame: frame.sequence):
            self.end(frame, note, now_ms, is_told=is_told)
        for handed in over:
            self.trial_over(handed, now_ms, ran_well=False)
        self.serve_waiting(now_ms)

    def give_up_waiting(self, now_ms: float) -> None:
        """Ends frames that have waited too long."""
        for frame in self._waiting.take_out(lambda frame: self._is_hopeless(frame, now_ms)):
            is_suspect = self.suspects.is_suspect(frame)
            note = WAITED_AS_SUSPECT if is_suspect else WAITED_FOR_A_SLOT
            self.end(frame, note, now_ms)

    def trial_over(self, handed: Handed, now_ms: float, *, ran_well: bool) -> None:
        """A frame of a suspect is not at a device any more: the next one has its turn."""
        self.suspects.ended(handed, ran_well=ran_well)
        self.release(handed.stream_id, now_ms)

    def release(self, stream_id: str, now_ms: float) -> None:
        """Sends what waits for other frames of a stream, as far as it may go."""
        while (frame := self._waiting.first_of_stream(stream_id)) is not None:
            if not self.fleet.may_start(frame, now_ms):
                return
            self._waiting.next_of_stream(stream_id)
            self._start(frame, now_ms)

    def serve_waiting(self, now_ms: float) -> None:
        """Gives free slots to those who wait for them."""
        while self._has_slot() and (frame := self._waiting.next_for_slot()) is not None:
            self._start(frame, now_ms)

    def move(self, frame: HeldFrame, now_ms: float) -> bool:
        """Sends a frame to another device than the one that was lost, once; returns whether it did."""
        substitute = None if frame.was_moved else self.fleet.substitute(frame, now_ms)
        if substitute is None:
            return False
        frame.was_moved = True
        if self.fleet.may_start(frame, now_ms):
            self._send(frame, substitute, now_ms)
            return True
        return self._waiting.wait_for_stream(frame)

    def end(self, frame: HeldFrame, note: DropNote, now_ms: float, *, is_told: bool = True) -> None:
        """Ends a frame, which is nowhere any more, and frees its slot."""
        self._free(frame)
        self._ends.dropped(frame, note, now_ms, is_told=is_told)

    def at_work(self, device: AttachedDevice) -> dict[int, Handed]:
        """The frames that a device is working at, or was when it died, by ticket."""
        return device.at_work(self._bench(device.device_id))

    def note_given_up(self, device: AttachedDevice, given_up: dict[int, Handed]) -> None:
        """Keeps those of the frames that a device gave up, now or before, which it is still at."""
        device.given_up |= given_up
        if device.given_up:
            at_work = self.at_work(device)
            device.given_up = {k: one for k, one in device.given_up.items() if k in at_work}

    def _start(self, frame: HeldFrame, now_ms: float) -> None:
        """Sends a frame that has waited, and waits no more; it may have to wait for something else."""
        if not self.fleet.may_start(frame, now_ms):
            has_room = self._waiting.wait_for_stream(frame)
        elif frame.has_slot or self._has_slot():
            running = self._running.view.serving(frame.gate.stream_id)
            planned = running.device_id if running is not None else ""
            device = self.fleet.choose(frame, planned, now_ms)
            if device is None:
                self.end(frame, NO_DEVICE, now_ms)
            else:
                self._send(frame, device, now_ms)
            return
        else:
            has_room = self._waiting.wait_for_slot(frame)
        if not has_room:
            self.end(frame, MEMORY_FULL, now_ms)

    def _send(self, frame: HeldFrame, device: AttachedDevice, now_ms: float) -> None:
        ticket = frame.ticket = self._next_ticket
        self._next_ticket += 1
        frame.device_id = device.device_id
        frame.handed_ms = now_ms
        if not self.suspects.is_empty:
            frame.is_alone = self.suspects.is_suspect(frame)
            if frame.is_alone:
                self.suspects.started(frame)
        device.held[ticket] = Handed(frame, frame.is_alone)
        if not frame.has_slot:
            frame.has_slot = True
            self.num_free -= 1
        self._out.append(Dispatch(frame))

    def _is_hopeless(self, frame: HeldFrame, now_ms: float) -> bool:
        """Whether its device could not answer a waiting frame in time any more."""
        running = self._running.view.serving(frame.gate.stream_id)
        first_answer_ms = running.first_answer_ms if running is not None else 0.0
        return frame.deadline_ms < now_ms + first_answer_ms

    def _has_slot(self) -> bool:
        return self.num_free > 0 and self.has_memory

    def _free(self, frame: HeldFrame) -> None:
        if frame.has_slot:
            frame.has_slot = False
            self.num_free += 1
