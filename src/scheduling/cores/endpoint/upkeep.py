"""What an endpoint does by the clock: looks after its sessions and devices, and reports."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...duties import Duties
from ...pacing import REPORTS_PER_PLAN
from ...running_plan import RunningPlan
from ...streams.stalls import TICK_MS, StallWatch
from .ending import FrameEnds
from .instructions import DevicesChanged, EndCall, Instruction, Note, Report, WakeAt
from .losses import DeviceLosses
from .registrar import Registrar
from .sessions import Sessions
from .stimuli import EndpointRules

WRITE_LIMIT_MS = 10_000.0
EXPIRY_LOOK_MS, STUCK_LOOK_MS = 100.0, 500.0  # how often each is due


class Upkeep:
    """Each duty has a due time of its own, whatever else happens. Rests while there is nothing to look after.

    Attributes:
        stalls: tells when this process stood still.
        wake_ms: when the next tick is due, as the shell was told.
    """

    def __init__(
        self,
        rules: EndpointRules,
        sessions: Sessions,
        registrar: Registrar,
        losses: DeviceLosses,
        ends: FrameEnds,
        running: RunningPlan,
        out: list[Instruction],
        now_ms: float,
    ) -> None:
        self.stalls = StallWatch(now_ms)
        self._rules = rules
        self._sessions = sessions
        self._registrar = registrar
        self._losses = losses
        self._ends = ends
        self._running = running
        self._out = out
        self._known_stall = self.stalls.latest
        self._duties: Duties[Callable[[float], None]] = Duties(
            {
                self._look_for_stall: TICK_MS,  # first, or clients and devices would count as silent
                self._sweep: TICK_MS,
                self._expire: EXPIRY_LOOK_MS,
                self._cut_off_stuck: STUCK_LOOK_MS,
            },
            now_ms,
        )
        self._silent: list[str] = []
        self.wake_ms = math.inf

    def begin(self, now_ms: float) -> None:
        """There is a session again; nothing is late."""
        self._duties.rest(now_ms)
        self.stalls.restart(now_ms)

    def tick(self, now_ms: float) -> None:
        """Does what is due."""
        self._registrar.give_up_waiting(now_ms)
        if len(self._sessions):
            for due in self._duties.take_due(now_ms):
                due.name(now_ms)
        if self._sessions.report_at_ms <= now_ms:
            self._report(now_ms)

    def set_alarm(self) -> None:
        """Tells when the next tick is due, if that has changed."""
        wake_ms = min(self._sessions.report_at_ms, self._registrar.due_ms)
        if len(self._sessions):
            wake_ms = min(wake_ms, self._duties.next_ms)
        if wake_ms != self.wake_ms:
            self.wake_ms = wake_ms
            self._out.append(WakeAt(wake_ms))

    def devices_changed(self, now_ms: float) -> None:
        """The scheduler hears at once where a device hangs or speaks again."""
        silent = self._losses.silent_devices
        if silent != self._silent:
            self._silent = silent
            self._sessions.report_soon(now_ms, is_urgent=True)
        self._out.append(DevicesChanged())

    def _report(self, now_ms: float) -> None:
        sessions = self._sessions
        is_urgent = sessions.is_urgent or any(one.observed.has_jumped(now_ms) for one in sessions)
        sessions.is_urgent = False
        period_ms = self._rules.plan_period_ms / REPORTS_PER_PLAN
        sessions.report_at_ms = now_ms + period_ms if len(sessions) else math.inf
        self._out.append(
            Report(
                [one.observed.tell(now_ms) for one in sessions if one.is_open],
                [one.observed.tell(now_ms) for one in sessions if not one.is_open],
                self._ends.overhead.mean_ms,
                is_urgent,
                self._losses.silent_devices,
                self._running.view.epoch,
            )
        )

    def _look_for_stall(self, now_ms: float) -> None:
        """If it was us who stood still, neither clients nor devices were silent."""
        known, stall = self._known_stall, self.stalls.tick(now_ms)
        if stall is known:
            return
        self._known_stall = stall
        self._out.append(Note("WARNING", f"stood still for {stall.length_ms:.0f} ms"))
        for gate in self._sessions:
            gate.observed.last_frame_ms += stall.length_ms
        self._losses.excuse(now_ms)

    def _sweep(self, now_ms: float) -> None:
        """Notices what is overdue at devices."""
        if self._losses.sweep(now_ms):
            self.devices_changed(now_ms)

    def _expire(self, now_ms: float) -> None:
        """Ends sessions that were never opened."""
        for gate in self._sessions:
            if not gate.is_open and now_ms - gate.registered_ms > self._rules.session_grace_ms:
                self._out.append(Note("INFO", f"stream {gate.stream_id} was never opened"))
                self._out.append(EndCall(gate))
                self._sessions.forget(gate, now_ms)

    def _cut_off_stuck(self, now_ms: float) -> None:
        """Ends calls whose clients take nothing of what they are sent."""
        for gate in self._sessions:
            since_ms = gate.writing_since_ms
            if gate.is_open and since_ms is not None and now_ms - since_ms > WRITE_LIMIT_MS:
                self._sessions.cut_off(gate, now_ms)
