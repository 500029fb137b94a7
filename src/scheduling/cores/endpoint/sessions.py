"""Streams at an endpoint: who gets a place, and how a session ends. Each who asks is answered once, or hangs up."""

from __future__ import annotations

from ....core.codes import Code
from .dispatching import take_back
from .drop_notes import CLIENT_GONE, POISON
from .gate import Declared, StreamGate
from .instructions import (
    AskScheduler,
    EndCall,
    LeaveScheduler,
    Note,
    NotRegistered,
    SessionOver,
    Why,
)
from .state import EndpointState, Joining

WAIT_PERIODS = 2.0


def ask(state: EndpointState, request: int, declared: Declared, now_ms: float) -> None:
    """A stream wants a place."""
    rules = state.rules
    is_full = len(state.sessions) + len(state.joining) >= rules.max_sessions
    why = None
    if state.is_draining:
        why = Why.DRAINING
    elif not state.devices:
        why = Why.NOT_READY
    elif is_full and str(declared.key) not in state.sessions:
        why = Why.SESSION_LIMIT
    elif not state.has_scheduler:
        why = Why.NO_SCHEDULER
    elif _is_taken(state, declared, now_ms):
        why = Why.NAME_TAKEN
    problem = why or _beyond_limits(state, declared, now_ms)
    if problem:
        state.out.append(NotRegistered(request, problem))
        return
    state.num_gates += 1
    gate = StreamGate(
        state.num_gates, declared, now_ms, rules.rate_tolerance_ratio, rules.max_waiting_frames
    )
    state.joining[request] = Joining(gate, now_ms + WAIT_PERIODS * rules.plan_period_ms)
    stream = gate.observed.tell(now_ms)
    state.out.append(AskScheduler(request, stream, declared.older_proof))


def answered(
    state: EndpointState, request: int, refusal: object, now_ms: float
) -> StreamGate | None:
    """The scheduler says yes, with None, or no; returns who has a place now."""
    joining = state.joining.pop(request, None)
    if joining is None:
        return None  # nobody waits any more, and the scheduler has been told
    if refusal is None:
        refusal = _changed_meanwhile(state, joining.gate, now_ms)
        if refusal is None:
            return joining.gate
        state.out.append(LeaveScheduler(request, joining.gate.stream_id))
    state.out.append(NotRegistered(request, refusal))
    return None


def hang_up(state: EndpointState, request: int) -> None:
    """Whoever asked is gone."""
    joining = state.joining.pop(request, None)
    if joining is not None:
        state.out.append(LeaveScheduler(request, joining.gate.stream_id))


def enter(state: EndpointState, gate: StreamGate, now_ms: float) -> None:
    """A stream has its place, instead of any other of its name."""
    supersede(state, gate.stream_id, now_ms)
    state.sessions[gate.stream_id] = gate
    state.report_soon(now_ms)


def supersede(state: EndpointState, stream_id: str, now_ms: float) -> None:
    """Ends the session of a stream that was registered again, here or at another endpoint."""
    older = state.sessions.get(stream_id)
    if older is not None:
        state.out.append(EndCall(older, Code.ABORTED, "the stream was registered again"))
        forget(state, older, now_ms)


def condemn(state: EndpointState, stream_id: str, now_ms: float) -> None:
    """Ends a stream whose frames end executors; they are given up wherever they are."""
    gate = state.sessions.get(stream_id)
    if gate is None:
        return
    state.out.append(Note("ERROR", f"stream {stream_id} is ended: its frames end executors"))
    take_back(state, gate, POISON, now_ms, is_told=True)
    detail = "POISON: two executors ended at work on frames of this stream"
    state.out.append(EndCall(gate, Code.INVALID_ARGUMENT, detail))
    forget(state, gate, now_ms)


def cut_off(state: EndpointState, gate: StreamGate, now_ms: float) -> None:
    """Gives up a client that takes nothing of what it is sent."""
    text = f"stream {gate.stream_id} takes no answers; its call is ended"
    state.out.append(Note("WARNING", text))
    detail = "answers were not read for 10 s"
    state.out.append(EndCall(gate, Code.RESOURCE_EXHAUSTED, detail, is_stuck=True))
    forget(state, gate, now_ms)


def forget(state: EndpointState, gate: StreamGate, now_ms: float) -> None:
    """Takes a session's capacity and frames back; a second time finds nothing."""
    if state.sessions.get(gate.stream_id) is not gate:
        return
    gate.is_over = True
    del state.sessions[gate.stream_id]
    state.report_soon(now_ms, is_urgent=True)
    take_back(state, gate, CLIENT_GONE, now_ms)
    state.out.append(SessionOver(gate))


def _changed_meanwhile(state: EndpointState, joining: StreamGate, now_ms: float) -> Why | None:
    """Why a stream has no place here although the scheduler has one for it."""
    if state.is_draining:
        return Why.DRAINING
    if _is_taken(state, joining.declared, now_ms):
        return Why.NAME_TAKEN
    return Why.NO_SLOTS if _lacks_slots(state, joining) else None


def _is_taken(state: EndpointState, declared: Declared, now_ms: float) -> bool:
    """Whether somebody streams under that name, and whoever asks has no proof that he was that."""
    older = state.sessions.get(str(declared.key))
    if older is None or older.observed.is_silent(now_ms):
        return False
    return older.proof not in (0, declared.older_proof)


def _beyond_limits(state: EndpointState, declared: Declared, now_ms: float) -> str:
    """Why an address may not have another stream; empty if it may, or if it is no other."""
    visitor, older = declared.visitor, state.sessions.get(str(declared.key))
    if older is not None and older.declared.visitor == visitor:
        return ""
    gates = (*state.sessions.values(), *(one.gate for one in state.joining.values()))
    others = [one for one in gates if one.declared.visitor == visitor]
    num_silent = sum(one.observed.is_silent(now_ms) for one in others)
    return state.limits.share(visitor, now_ms).sessions(len(others), num_silent)


def _lacks_slots(state: EndpointState, joining: StreamGate) -> bool:
    """Whether the plan has room for a stream, and the frame memory has not."""
    gates = (state.sessions | {joining.stream_id: joining}).values()
    needed = state.plan.slots_needed((one.stream_id, one.declared.fps) for one in gates)
    return needed > state.rules.frame_slots
