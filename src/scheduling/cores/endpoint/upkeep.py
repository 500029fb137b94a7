"""What an endpoint does by the clock: looks after its sessions and devices, and reports."""

from __future__ import annotations

import math
from collections.abc import Callable

from ....core.codes import Code
from ...pacing import REPORTS_PER_PLAN
from ...streams.stalls import TICK_MS
from .instructions import EndCall, Note, NotRegistered, Report, Why
from .losses import sweep
from .sessions import cut_off, forget, hang_up
from .state import EndpointState

WRITE_LIMIT_MS = 10_000.0
IDLE_PERIODS = 10.0


def give_up_joining(state: EndpointState, now_ms: float) -> None:
    """Answers those who have waited for the scheduler long enough."""
    late = [request for request, one in state.joining.items() if one.until_ms <= now_ms]
    for request in late:
        hang_up(state, request)
        state.out.append(NotRegistered(request, Why.SCHEDULER_SILENT))


def report(state: EndpointState, now_ms: float) -> None:
    """Tells the scheduler how streams fare."""
    gates = state.sessions.values()
    is_urgent = state.is_urgent or any(one.observed.has_jumped(now_ms) for one in gates)
    state.is_urgent = False
    period_ms = state.rules.plan_period_ms / REPORTS_PER_PLAN
    state.report_at_ms = now_ms + period_ms if gates else math.inf
    state.out.append(
        Report(
            [one.observed.tell(now_ms) for one in gates if one.is_open],
            [one.observed.tell(now_ms) for one in gates if not one.is_open],
            state.overhead.mean_ms,
            is_urgent,
            state.silent_devices,
            state.plan.epoch,
            {one.stream_id: one.proof for one in gates},
        )
    )


def _look_for_stall(state: EndpointState, now_ms: float) -> None:
    """If it was us who stood still, neither clients nor devices were silent: they are yet to be read."""
    known, stall = state.known_stall, state.stalls.tick(now_ms)
    if stall is known:
        return
    state.known_stall = stall
    state.out.append(Note("WARNING", f"stood still for {stall.length_ms:.0f} ms"))
    for gate in state.sessions.values():
        gate.observed.last_frame_ms += stall.length_ms
    for device in state.devices.values():
        device.heard_ms = now_ms


def _expire(state: EndpointState, now_ms: float) -> None:
    """Ends sessions that were never opened."""
    for gate in list(state.sessions.values()):
        if not gate.is_open and now_ms - gate.registered_ms > state.rules.session_grace_ms:
            state.out.append(Note("INFO", f"stream {gate.stream_id} was never opened"))
            state.out.append(EndCall(gate))
            forget(state, gate, now_ms)


def _end_idle(state: EndpointState, now_ms: float) -> None:
    """Ends streams whose clients send nothing."""
    for gate in list(state.sessions.values()):
        limit_ms = max(state.rules.session_idle_ms, IDLE_PERIODS * 1000.0 / gate.declared.fps)
        if gate.is_open and now_ms - gate.observed.last_frame_ms > limit_ms:
            text = f"no frame came for {limit_ms / 1000:g} s"
            state.out.append(Note("INFO", f"stream {gate.stream_id} is ended: {text}"))
            state.out.append(EndCall(gate, Code.DEADLINE_EXCEEDED, text))
            forget(state, gate, now_ms)


def _cut_off_stuck(state: EndpointState, now_ms: float) -> None:
    """Ends calls whose clients take nothing of what they are sent."""
    for gate in list(state.sessions.values()):
        since_ms = gate.writing_since_ms
        if gate.is_open and since_ms is not None and now_ms - since_ms > WRITE_LIMIT_MS:
            cut_off(state, gate, now_ms)


PERIODS_MS: dict[Callable[[EndpointState, float], None], float] = {
    _look_for_stall: TICK_MS,  # first, or clients and devices would count as silent
    sweep: TICK_MS,
    _expire: 100.0,
    _cut_off_stuck: 500.0,
    _end_idle: 500.0,
}
"""How often each duty is due, while there are sessions."""
