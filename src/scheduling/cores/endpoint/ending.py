"""Ends frames, once each, and learns from them what the server itself costs."""

from __future__ import annotations

from functools import partial

from ....core.advice import NO_ADVICE, SideAdvice
from ...plan_view import RunningVariant
from .drop_notes import DropNote
from .gate import StreamGate
from .held_frame import HeldFrame
from .instructions import Answer, Dropped, EndCall, Mistake
from .state import EndpointState
from .stimuli import BatchDone, FrameDone


def answer(
    state: EndpointState, frame: HeldFrame, done: FrameDone, batch: BatchDone, now_ms: float
) -> None:
    """A frame ran."""
    gate = frame.gate
    observed = gate.observed
    frame.variant, frame.batch_size = batch.variant, batch.batch_size
    frame.inference_ms, frame.plan_epoch = batch.inference_ms, batch.plan_epoch
    frame.queue_ms, frame.decode_ms = done.queue_ms, done.decode_ms
    if batch.frame_mj is not None:
        frame.energy_mj = batch.frame_mj
    frame.server_ms = server_ms = now_ms - frame.read_ms
    frame.advice = sides(state, gate, now_ms)
    observed.response_kbits = done.response_kbits
    state.overhead.add(server_ms - done.queue_ms - batch.inference_ms)
    observed.decoding.add(done.decode_ms)
    gate.num_answered += 1
    state.out.append(Answer(frame, done.found))
    _has_ended(state, gate)


def drop(
    state: EndpointState, frame: HeldFrame, note: DropNote, now_ms: float, *, is_told: bool = True
) -> None:
    """A frame is given up; it is in no slot."""
    gate = frame.gate
    observed = gate.observed
    if note.decode_ms > 0:
        observed.decoding.add(note.decode_ms)
    frame.note = note
    frame.server_ms = now_ms - frame.read_ms
    frame.plan_epoch = state.plan.epoch
    if is_told:
        frame.advice = sides(state, gate, now_ms)
    gate.drops[note.drop] += 1
    state.out.append(Dropped(frame, is_told))
    _has_ended(state, gate)


def sides(state: EndpointState, gate: StreamGate, now_ms: float) -> SideAdvice:
    """The newest advice; none if we fail, since the frame has to end all the same."""
    observed, overhead_ms = gate.observed, state.overhead.mean_ms
    try:
        running = state.plan.serving(gate.stream_id)
        if running is None or not _is_new(state, gate, running, now_ms):
            return state.adviser.sides(observed, running, overhead_ms, now_ms)
        latency = partial(state.running.latency, running.device_id)
        return state.adviser.first_sides(observed, latency, overhead_ms, now_ms)
    except Exception as error:  # noqa: BLE001 see above
        state.out.append(Mistake("advising a stream", error))
        return NO_ADVICE


def _is_new(state: EndpointState, gate: StreamGate, running: RunningVariant, now_ms: float) -> bool:
    """Whether a stream is to run on a device whose variant was planned for nobody; soon there is another plan."""
    epoch = state.plan.epoch
    if gate.first_epoch <= epoch or now_ms - gate.opened_ms > state.rules.plan_period_ms:
        return False
    return not any(
        one.first_epoch <= epoch and state.plan.serving(one.stream_id) is running
        for one in state.sessions.values()
    )


def _has_ended(state: EndpointState, gate: StreamGate) -> None:
    gate.num_under_way -= 1
    if gate.is_leaving and not gate.num_under_way:
        state.out.append(EndCall(gate))
