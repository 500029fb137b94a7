"""Sends frames to devices, and takes back what became of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ...placement.port import NodeView, WaitingFrame
from .attached_device import AttachedDevice, Handed
from .drop_notes import (
    MEMORY_FULL,
    NO_DEVICE,
    WAITED_AS_SUSPECT,
    WAITED_FOR_A_SLOT,
    DropNote,
)
from .ending import answer, drop
from .gate import StreamGate
from .held_frame import HeldFrame
from .instructions import Cancel, Dispatch
from .state import EndpointState
from .stimuli import BatchDone


def start(
    state: EndpointState, frame: HeldFrame, now_ms: float, *, has_waited: bool = False
) -> DropNote | None:
    """Sends a frame to a device, now or when its turn has come; returns why neither can be."""
    running = state.plan.serving(frame.gate.stream_id)
    device = _place(state, frame, running.device_id if running is not None else "", now_ms)
    if device is None:
        return NO_DEVICE
    if not may_start(state, frame, now_ms):
        return None if state.waiting.wait_for_stream(frame) else MEMORY_FULL
    is_next = has_waited or not state.waiting.is_slot_wanted
    if frame.has_slot or (_has_slot(state) and is_next):
        _send(state, frame, device, now_ms)
        return None
    return None if state.waiting.wait_for_slot(frame) else MEMORY_FULL


def take_results(
    state: EndpointState, device: AttachedDevice, batch: BatchDone, now_ms: float
) -> None:
    """A device says what became of frames; those that it does not have any more have ended before."""
    variant = state.index.get(batch.variant)
    given_up: dict[int, Handed] = {}
    for done in batch.frames:
        handed = device.held.pop(done.ticket, None)
        if handed is None:  # it was taken back in the meantime
            handed = device.gone.pop(done.ticket, None)
        elif done.note is None:
            if variant is not None:
                state.running.ran(device.device_id, variant)
            _free(state, handed.frame)
            answer(state, handed.frame, done, batch, now_ms)
        else:
            end(state, handed.frame, done.note, now_ms)
            given_up[done.ticket] = handed
        if handed is not None and handed.is_alone:
            trial_over(state, handed, now_ms, ran_well=done.note is None)
    if given_up:
        note_given_up(state, device, given_up)
    serve_waiting(state, now_ms)


def not_taken(state: EndpointState, frame: HeldFrame, note: DropNote, now_ms: float) -> None:
    """A frame could not be sent after all."""
    device = state.devices.get(frame.device_id)
    handed = device.held.pop(frame.ticket, None) if device is not None else None
    if handed is None:
        return
    end(state, frame, note, now_ms)
    if handed.is_alone:
        trial_over(state, handed, now_ms, ran_well=False)
    serve_waiting(state, now_ms)


def take_back(
    state: EndpointState, gate: StreamGate, note: DropNote, now_ms: float, *, is_told: bool = False
) -> None:
    """Ends all frames of a stream; nothing more will be heard of them."""
    frames = state.waiting.take_out(lambda frame: frame.gate is gate)
    over: list[Handed] = []
    for device in state.devices.values():
        tickets = [k for k, handed in device.held.items() if handed.frame.gate is gate]
        if not tickets:
            continue
        at_work = state.at_work(device)
        for ticket in tickets:
            handed = device.held.pop(ticket)
            frames.append(handed.frame)
            if ticket in at_work:
                device.gone[ticket] = handed
            elif handed.is_alone:
                over.append(handed)
        state.out.append(Cancel(device.device_id, tickets))
    for frame in sorted(frames, key=lambda frame: frame.sequence):
        end(state, frame, note, now_ms, is_told=is_told)
    for handed in over:
        trial_over(state, handed, now_ms, ran_well=False)
    serve_waiting(state, now_ms)


def give_up_waiting(state: EndpointState, now_ms: float) -> None:
    """Ends frames that have waited so long that their devices could not answer them in time any more."""

    def is_hopeless(frame: HeldFrame) -> bool:
        running = state.plan.serving(frame.gate.stream_id)
        first_answer_ms = running.first_answer_ms if running is not None else 0.0
        return frame.deadline_ms < now_ms + first_answer_ms

    for frame in state.waiting.take_out(is_hopeless):
        is_suspect = state.suspicion.is_suspect(frame.gate.stream_id)
        end(state, frame, WAITED_AS_SUSPECT if is_suspect else WAITED_FOR_A_SLOT, now_ms)


def may_start(state: EndpointState, frame: HeldFrame, now_ms: float) -> bool:
    """Whether a frame may be sent now, as far as its stream is a suspect."""
    return state.suspicion.is_empty or state.suspicion.may_start(
        frame.gate.stream_id,
        now_ms,
        has_run=frame.gate.num_answered > 0,
        is_last_device=state.num_speaking == 1 < len(state.known_devices),
    )


def trial_over(state: EndpointState, handed: Handed, now_ms: float, *, ran_well: bool) -> None:
    """A frame of a suspect is not at a device any more: the next one has its turn."""
    state.suspicion.ended(handed.stream_id, ran_well=ran_well)
    release(state, handed.stream_id, now_ms)


def release(state: EndpointState, stream_id: str, now_ms: float) -> None:
    """Sends what waits for other frames of a stream, as far as it may go."""
    while (frame := state.waiting.first_of_stream(stream_id)) is not None:
        if not may_start(state, frame, now_ms):
            return
        state.waiting.next_of_stream(stream_id)
        _go_on(state, frame, now_ms)


def serve_waiting(state: EndpointState, now_ms: float) -> None:
    """Gives free slots to those who wait for them."""
    while _has_slot(state) and (frame := state.waiting.next_for_slot()) is not None:
        _go_on(state, frame, now_ms)


def move(state: EndpointState, frame: HeldFrame, now_ms: float) -> bool:
    """Sends a frame to another device than the one that was lost, once; returns whether it did."""
    substitute = None if frame.was_moved else _place(state, frame, "", now_ms)
    if substitute is None:
        return False
    frame.was_moved = True
    if may_start(state, frame, now_ms):
        _send(state, frame, substitute, now_ms)
        return True
    return state.waiting.wait_for_stream(frame)


def end(
    state: EndpointState, frame: HeldFrame, note: DropNote, now_ms: float, *, is_told: bool = True
) -> None:
    """Ends a frame, which is nowhere any more, and frees its slot."""
    _free(state, frame)
    drop(state, frame, note, now_ms, is_told=is_told)


def note_given_up(
    state: EndpointState, device: AttachedDevice, given_up: dict[int, Handed]
) -> None:
    """Keeps those of the frames that a device gave up, now or before, which it is still at."""
    device.given_up |= given_up
    if device.given_up:
        at_work = state.at_work(device)
        device.given_up = {k: one for k, one in device.given_up.items() if k in at_work}


def _go_on(state: EndpointState, frame: HeldFrame, now_ms: float) -> None:
    """A frame that has waited waits no more, or for something else."""
    note = start(state, frame, now_ms, has_waited=True)
    if note is not None:
        end(state, frame, note, now_ms)


def _place(
    state: EndpointState, frame: HeldFrame, planned: str, now_ms: float
) -> AttachedDevice | None:
    """Where the placer wants a frame, given the device that is planned for it; None if no device can take it."""
    waiting = WaitingFrame(0, now_ms, frame.deadline_ms, planned)
    is_suspect = state.suspicion.is_suspect(frame.gate.stream_id)
    placed = state.placer.place([waiting], _Nodes(state, now_ms, is_suspect=is_suspect), now_ms)
    return state.devices[placed.send[0].node_id] if placed.send else None


class _Nodes(Mapping[str, NodeView]):
    """The devices that are there, as a placer sees them; each is looked at when it asks, as most frames concern one."""

    def __init__(self, state: EndpointState, now_ms: float, *, is_suspect: bool) -> None:
        """Frames of suspects should run where nobody died of late, if there is such a device."""
        self._state = state
        self._now_ms = now_ms
        self._is_suspect = is_suspect

    def __getitem__(self, device_id: str) -> NodeView:
        state, device = self._state, self._state.devices[device_id]
        running = state.plan.devices.get(device_id)
        return NodeView(
            device_id,
            len(device.held),
            running.first_answer_ms if running is not None else math.inf,
            not device.is_silent,
            self._is_suspect and state.suspicion.has_died(device_id, self._now_ms),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._state.devices)

    def __len__(self) -> int:
        return len(self._state.devices)


def _send(state: EndpointState, frame: HeldFrame, device: AttachedDevice, now_ms: float) -> None:
    ticket = frame.ticket = state.next_ticket
    state.next_ticket += 1
    frame.device_id = device.device_id
    frame.handed_ms = now_ms
    if not state.suspicion.is_empty:
        frame.is_alone = state.suspicion.is_suspect(frame.gate.stream_id)
        if frame.is_alone:
            state.suspicion.started(frame.gate.stream_id)
    device.held[ticket] = Handed(frame, frame.is_alone)
    if not frame.has_slot:
        frame.has_slot = True
        state.num_free -= 1
    state.out.append(Dispatch(frame))


def _has_slot(state: EndpointState) -> bool:
    return state.num_free > 0 and state.has_memory


def _free(state: EndpointState, frame: HeldFrame) -> None:
    if frame.has_slot:
        frame.has_slot = False
        state.num_free += 1
