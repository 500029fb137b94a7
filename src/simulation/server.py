"""The server: what endpoint and scheduler decide about streams and frames, without their processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..adapting.frame_sizes import frame_sizes
from ..core.advice import NO_ADVICE, SideAdvice
from ..core.budget_rules import budget_rule
from ..core.records import ServerFrameRecord
from ..core.verdict import Drop, Place, Reason
from ..scheduling.pacing import REPORTS_PER_PLAN, URGENT_GAP_MS
from ..scheduling.plan_view import PlanView
from ..scheduling.planning.admission import Refusal
from ..scheduling.running_plan import RunningPlan
from ..scheduling.streams.adviser import Adviser
from ..scheduling.streams.intake import frame_limit, reason_to_drop
from ..scheduling.streams.observed_stream import ObservedStream
from ..scheduling.streams.overhead import OverheadEstimate
from ..scheduling.streams.policing import RatePolicer
from .devices import SimulatedDevice
from .events import EventQueue, Priority
from .frame import SimulatedFrame
from .scenario import Scenario, SimulatedStream
from .scheduler import SimulatedScheduler


@dataclass(slots=True, eq=False)
class _Session:
    observed: ObservedStream
    policer: RatePolicer
    on_ack: Callable[[SimulatedFrame], None]
    on_answer: Callable[[SimulatedFrame], None]
    most_under_way: int
    num_under_way: int = 0


class SimulatedServer:
    """Takes frames, and answers each exactly once."""

    def __init__(
        self,
        scenario: Scenario,
        devices: Mapping[str, SimulatedDevice],
        scheduler: SimulatedScheduler,
        events: EventQueue,
        on_frame: Callable[[ServerFrameRecord], None] | None,
    ) -> None:
        """Serves with the plans of `scheduler` on `devices`; `on_frame` takes each frame's end."""
        self._on_frame = on_frame
        self._model = scenario.server
        self._devices = devices
        self._scheduler = scheduler
        self._events = events
        self._kbits = {size.side_px: size.kbits for size in frame_sizes(scenario.variants)}
        self._sessions: dict[str, _Session] = {}
        self._overhead = OverheadEstimate()
        types = {device.device_id: device.device_type for device in scenario.devices}
        self._running = RunningPlan(
            lambda device_id, variant: scenario.profiles[types[device_id]].by_variant[
                scenario.variants[variant].name
            ]
        )
        self._variant_index = {one.name: number for number, one in enumerate(scenario.variants)}
        self._adviser = Adviser(
            scenario.variants,
            self._plan,
            budget_rule(scenario.server.budget_rule, scenario.variants),
            lambda: self._overhead.mean_ms,
        )
        self._looks_at_ms = -1.0
        self._is_report_due = False

    def join(
        self,
        stream: SimulatedStream,
        on_reply: Callable[[Refusal | None, SideAdvice], None],
        on_ack: Callable[[SimulatedFrame], None],
        on_answer: Callable[[SimulatedFrame], None],
    ) -> None:
        """Registers a stream; `on_reply` takes a refusal, or None and the first advice."""
        now_ms = self._events.now_ms
        session = _Session(
            ObservedStream(
                stream_id=stream.stream_id,
                fps=stream.fps,
                slo_ms=stream.slo_ms,
                first_kbps=stream.first_kbps,
                wire_ms=stream.wire_ms,
                last_frame_ms=now_ms,
            ),
            RatePolicer(stream.fps, self._model.rate_tolerance_ratio, now_ms),
            on_ack,
            on_answer,
            min(frame_limit(stream.fps, stream.slo_ms), self._model.max_waiting_frames),
        )

        def reply(refusal: Refusal | None) -> None:
            if refusal is not None:
                on_reply(refusal, NO_ADVICE)
                return
            session.observed.last_frame_ms = self._events.now_ms
            self._sessions[stream.stream_id] = session
            self._look_later()
            self._report_soon()  # that it is open
            on_reply(None, self._adviser.sides(session.observed, self._events.now_ms))

        self._scheduler.join(session.observed.tell(now_ms), reply)

    def leave(self, stream_id: str) -> None:
        """Ends a stream, all of whose frames have ended."""
        del self._sessions[stream_id]
        self._report_soon()

    def take(self, frame: SimulatedFrame, wire_ms: float) -> None:
        """Reads a frame, acknowledges it, and runs it or gives it up."""
        session = self._sessions.get(frame.stream_id)
        if session is None:  # its client has given it up and gone
            return
        now_ms = frame.read_ms = self._events.now_ms
        observed = session.observed
        self._events.at(now_ms + wire_ms, Priority.DONE, session.on_ack, frame)
        session.num_under_way += 1
        if not session.policer.takes(now_ms):
            self._give_up(frame, Place.ENDPOINT, Reason.RATE_EXCEEDED)
            return
        was_silent = observed.is_silent(now_ms)
        frame.way_ms, frame.deadline_ms = observed.take_frame(
            now_ms,
            (frame.sent_ms or 0.0) - frame.captured_ms,
            frame.kbits,
            self._kbits.get(frame.side_px or 0),
            frame.bandwidth_kbps or 0.0,
            wire_ms,
        )
        if was_silent:
            self._report_soon()
        running = self._plan().serving(frame.stream_id)
        reason = reason_to_drop(
            frame.deadline_ms - now_ms, running, session.num_under_way - 1, session.most_under_way
        )
        if reason is not None or running is None:
            self._give_up(frame, Place.ENDPOINT, reason or Reason.NOT_PLACED)
            return
        frame.device_id = running.device_id
        frame.handed_ms = now_ms + self._model.arrival_ms
        self._events.at(
            frame.handed_ms, Priority.ARRIVAL, self._devices[running.device_id].take, frame
        )

    def answer(self, frames: list[SimulatedFrame]) -> None:
        """Takes the frames of a batch that has run."""
        at_ms = self._events.now_ms + self._model.answer_ms
        self._events.at(at_ms, Priority.DONE, self._send_all, frames)

    def _send_all(self, frames: list[SimulatedFrame]) -> None:
        for frame in frames:
            self._running.ran(frame.device_id, self._variant_index[frame.variant])
            self._send(frame)

    def _plan(self) -> PlanView:
        """The plan in force, with what devices run while they cannot carry it out."""
        return self._running.view(self._scheduler.view)

    def drop(self, frame: SimulatedFrame, reason: Reason) -> None:
        """Takes a frame that its device has given up."""
        self._give_up(frame, Place.EXECUTOR, reason)

    def _give_up(self, frame: SimulatedFrame, place: Place, reason: Reason) -> None:
        frame.drop = Drop(place, reason)
        self._send(frame)

    def _send(self, frame: SimulatedFrame) -> None:
        session = self._sessions.get(frame.stream_id)
        if session is None:
            return
        now_ms = self._events.now_ms
        session.num_under_way -= 1
        frame.server_ms = now_ms - frame.read_ms
        frame.advice = self._adviser.sides(session.observed, now_ms)
        if frame.drop is None:
            elsewhere_ms = (frame.queue_ms or 0.0) + (frame.inference_ms or 0.0)
            self._overhead.add(max(0.0, frame.server_ms - elsewhere_ms))
        else:
            frame.plan_epoch = self._scheduler.view.epoch
        if self._on_frame is not None:
            self._on_frame(frame.server_record(session.observed.planned_kbps(now_ms)))
        self._events.at(now_ms + session.observed.wire_ms, Priority.DONE, session.on_answer, frame)

    def _look_later(self) -> None:
        """Looks after the sessions twice a period of planning, while there are any."""
        now_ms = self._events.now_ms
        if self._looks_at_ms <= now_ms and self._sessions:
            self._looks_at_ms = now_ms + self._model.plan_period_ms / REPORTS_PER_PLAN
            self._events.at(self._looks_at_ms, Priority.DECISION, self._look)

    def _look(self) -> None:
        self._report(is_urgent=False)
        self._look_later()

    def _report_soon(self) -> None:
        """Has an urgent report sent; several changes make one."""
        if not self._is_report_due:
            self._is_report_due = True
            at_ms = self._events.now_ms + URGENT_GAP_MS
            self._events.at(at_ms, Priority.DECISION, self._report_now)

    def _report_now(self) -> None:
        self._is_report_due = False
        self._report(is_urgent=True)

    def _report(self, *, is_urgent: bool) -> None:
        """Tells the scheduler how all streams fare."""
        now_ms = self._events.now_ms
        sessions = self._sessions.values()
        has_jumped = any(session.observed.has_jumped(now_ms) for session in sessions)
        self._scheduler.take_report(
            [session.observed.tell(now_ms) for session in sessions],
            self._overhead.mean_ms,
            is_urgent=is_urgent or has_jumped,
        )
