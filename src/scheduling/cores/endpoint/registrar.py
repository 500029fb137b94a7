"""Who waits for a place at an endpoint. Each who asks is answered once, or hangs up."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...running_plan import RunningPlan
from ...slots import slots_needed
from .gate import Declared, StreamGate
from .instructions import AskScheduler, Instruction, LeaveScheduler, NotRegistered, Why
from .sessions import Sessions
from .stimuli import EndpointRules

WAIT_PERIODS = 2.0


@dataclass(frozen=True, slots=True)
class _Joining:
    gate: StreamGate
    until_ms: float


class Registrar:
    """Asks the scheduler for places.

    Attributes:
        has_scheduler: whether there is one to ask.
        is_draining: whether nobody is registered any more.
    """

    def __init__(
        self,
        rules: EndpointRules,
        sessions: Sessions,
        running: RunningPlan,
        out: list[Instruction],
    ) -> None:
        self.has_scheduler = False
        self.is_draining = False
        self._rules = rules
        self._sessions = sessions
        self._running = running
        self._out = out
        self._joining: dict[int, _Joining] = {}
        self._num_made = 0

    @property
    def due_ms(self) -> float:
        """When the first one has waited long enough for the scheduler."""
        return min((one.until_ms for one in self._joining.values()), default=math.inf)

    def ask(self, request: int, declared: Declared, now_ms: float, *, has_device: bool) -> None:
        """A stream wants a place."""
        rules = self._rules
        is_full = len(self._sessions) + len(self._joining) >= rules.max_sessions
        why = None
        if self.is_draining:
            why = Why.DRAINING
        elif not has_device:
            why = Why.NOT_READY
        elif is_full and self._sessions.find(str(declared.key)) is None:
            why = Why.SESSION_LIMIT
        elif not self.has_scheduler:
            why = Why.NO_SCHEDULER
        if why is not None:
            self._out.append(NotRegistered(request, why))
            return
        self._num_made += 1
        gate = StreamGate(
            self._num_made,
            declared,
            now_ms,
            rules.rate_tolerance_ratio,
            rules.max_waiting_frames,
        )
        self._joining[request] = _Joining(gate, now_ms + WAIT_PERIODS * rules.plan_period_ms)
        self._out.append(AskScheduler(request, gate.observed.tell(now_ms)))

    def answered(self, request: int, refusal: object) -> StreamGate | None:
        """The scheduler says yes, with None, or no; returns who has a place now."""
        joining = self._joining.pop(request, None)
        if joining is None:
            return None  # nobody waits any more, and the scheduler has been told
        if refusal is None and (self.is_draining or self._lacks_slots(joining.gate)):
            self._out.append(LeaveScheduler(request, joining.gate.stream_id))
            refusal = Why.DRAINING if self.is_draining else Why.NO_SLOTS
        if refusal is None:
            return joining.gate
        self._out.append(NotRegistered(request, refusal))
        return None

    def hang_up(self, request: int) -> None:
        """Whoever asked is gone."""
        joining = self._joining.pop(request, None)
        if joining is not None:
            self._out.append(LeaveScheduler(request, joining.gate.stream_id))

    def scheduler_lost(self) -> None:
        """Nobody will answer what was asked."""
        self.has_scheduler = False
        self._out += [NotRegistered(request, Why.SCHEDULER_LOST) for request in self._joining]
        self._joining.clear()

    def give_up_waiting(self, now_ms: float) -> None:
        """Answers those who have waited for the scheduler long enough."""
        late = [request for request, one in self._joining.items() if one.until_ms <= now_ms]
        for request in late:
            self.hang_up(request)
            self._out.append(NotRegistered(request, Why.SCHEDULER_SILENT))

    def _lacks_slots(self, joining: StreamGate) -> bool:
        """Whether the plan has room for a stream, and the frame memory has not."""
        plan = self._running.view
        others = [one for one in self._sessions if one.stream_id != joining.stream_id]
        needed = slots_needed(
            (one.declared.fps, running)
            for one in (*others, joining)
            if (running := plan.serving(one.stream_id)) is not None
        )
        return needed > self._rules.frame_slots
