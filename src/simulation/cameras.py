"""Cameras: what a client does with each of its frames, with the link knowledge that clients use."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from random import Random

from ..adapting.client_link import NO_ANSWER_AFTER_MS, ClientLink, ServerTimes
from ..adapting.estimators import make_estimator
from ..adapting.frame_sizes import FrameChoices
from ..adapting.policies.port import Sending
from ..adapting.policies.registry import policy
from ..core.advice import NO_ADVICE, SideAdvice
from ..core.ledger import IN_TIME, LATE, Ledger, Outcome
from ..core.records import FrameRecord
from ..core.verdict import Drop, Place, Reason, Verdict
from ..scheduling.planning.admission import Refusal
from .events import EventQueue, Priority
from .frame import SimulatedFrame
from .links import SimulatedLink, jitter
from .scenario import SimulatedStream
from .server import SimulatedServer


class SimulatedCamera:
    """One stream's client. The newest frame goes out as soon as the link has room for it.

    Attributes:
        stream: what it does.
        num_frames: how many it captures if it is admitted.
        ledger: its frames.
        refusal: why it was not admitted; None if it was.
        num_late_answers: answers that came after their frames had been given up.
    """

    def __init__(
        self,
        stream: SimulatedStream,
        choices: FrameChoices,
        end_s: float,
        random: Random,
        server: SimulatedServer,
        events: EventQueue,
        on_frame: Callable[[FrameRecord], None] | None,
    ) -> None:
        """Prepares a camera; `start` has it join.

        Args:
            stream: what it does.
            choices: what the zoo lets it send.
            end_s: when it captures no more at the latest.
            random: for its start and the sizes of its frames.
            server: takes its frames.
            events: of the run.
            on_frame: takes each frame that has ended; None to spare the rows.
        """
        self.stream = stream
        self.ledger = Ledger()
        self.refusal: Refusal | None = None
        self.num_late_answers = 0
        leave_s = end_s if stream.leave_s is None else min(end_s, stream.leave_s)
        self.num_frames = max(1, round((leave_s - stream.join_s) * stream.fps))
        self._choices = choices
        self._random = random
        self._server = server
        self._events = events
        self._on_frame = on_frame
        self._uplink = SimulatedLink(stream.link, stream.wire_ms)
        self._jitter_ms = jitter(stream, random)
        self._arrived_ms = 0.0  # the newest frame; none overtakes another
        self._link = ClientLink(
            stream.fps,
            stream.slo_ms,
            make_estimator(stream.first_kbps, stream.wire_ms, stream.estimator),
            policy(stream.policy, stream.ladder),
        )
        self._advice = NO_ADVICE
        self._start_ms = 0.0
        self._waiting: SimulatedFrame | None = None
        self._waits_since_ms = 0.0  # for the link
        self._is_encoding = False
        self._sends_at_ms = -1.0  # when it will look at its link again
        self._sent: deque[SimulatedFrame] = deque()  # oldest first; some have ended

    def start(self) -> None:
        """Joins when its time has come."""
        phase_s = self.stream.phase_s
        if phase_s is None:
            phase_s = self._random.uniform(0.0, 1 / self.stream.fps)
        self._events.at(1000.0 * (self.stream.join_s + phase_s), Priority.ARRIVAL, self._join)

    def _join(self) -> None:
        self._server.join(
            self.stream,
            self._take_reply,
            self._after_jitter(self._take_ack),
            self._after_jitter(self._take_answer),
        )

    def _after_jitter(
        self, take: Callable[[SimulatedFrame], None]
    ) -> Callable[[SimulatedFrame], None]:
        if not self.stream.jitter_p50_ms:
            return take

        def take_later(frame: SimulatedFrame) -> None:
            at_ms = self._events.now_ms + self._jitter_ms()
            self._events.at(at_ms, Priority.DONE, take, frame)

        return take_later

    def _take_reply(self, refusal: Refusal | None, advice: SideAdvice) -> None:
        self.refusal = refusal
        if refusal is not None:
            return
        self._advice = advice
        first_frame_ms = 1000.0 * (self.stream.first_frame_s or 0.0)
        self._start_ms = max(self._events.now_ms, first_frame_ms)
        self._events.at(self._start_ms, Priority.ARRIVAL, self._capture, 0)

    def _capture(self, sequence: int) -> None:
        now_ms = self._events.now_ms
        self.ledger.open(sequence)
        if sequence + 1 < self.num_frames:
            next_ms = self._start_ms + 1000.0 * (sequence + 1) / self.stream.fps
            self._events.at(next_ms, Priority.ARRIVAL, self._capture, sequence + 1)
        if self._waiting is not None:
            self._give_up(self._waiting, Reason.SUPERSEDED)
        frame = SimulatedFrame(
            stream_id=self.stream.stream_id, sequence=sequence, captured_ms=now_ms
        )
        self._waiting, self._waits_since_ms = frame, now_ms
        self._try_to_send()
        if self._waiting is frame:
            self._events.at(
                now_ms + self.stream.slo_ms, Priority.TIMEOUT, self._give_up_waiting, frame
            )

    def _try_to_send(self) -> None:
        frame = self._waiting
        if frame is None or self._is_encoding:
            return
        now_ms = self._events.now_ms
        start_ms = self._link.may_send_at_ms(now_ms)
        if start_ms > now_ms:
            if start_ms < math.inf and not now_ms < self._sends_at_ms <= start_ms:
                self._sends_at_ms = start_ms
                self._events.at(start_ms, Priority.ARRIVAL, self._try_to_send)
            return
        frame.waited_ms = now_ms - self._waits_since_ms
        self._waiting = None
        left_ms = frame.captured_ms + self.stream.slo_ms - now_ms
        sending = self._link.choose_sending(
            frame.sequence, self._choices, self._advice, left_ms, now_ms
        )
        if sending is Reason.SKIPPED:
            self._give_up(frame, sending)
            return
        if not isinstance(sending, Sending):
            self._give_up_unsent(frame)
            return
        self._is_encoding = True
        self._events.at(
            now_ms + self.stream.encode_ms + self._jitter_ms(),
            Priority.ARRIVAL,
            self._send,
            frame,
            sending,
        )

    def _kbits(self, frame: SimulatedFrame, sending: Sending) -> float:
        if self.stream.frame_sizes is not None:
            kbits = self.stream.frame_sizes.frame_kbits(frame.sequence, sending.size.side_px)
            return kbits * sending.quality.size_ratio
        kbits = sending.size.kbits * self.stream.frame_size_ratio * sending.quality.size_ratio
        if self.stream.frame_size_spread:
            kbits *= math.exp(self._random.gauss(0.0, self.stream.frame_size_spread))
        return kbits

    def _send(self, frame: SimulatedFrame, sending: Sending) -> None:
        self._is_encoding = False
        now_ms = self._waits_since_ms = self._events.now_ms
        left_ms = frame.captured_ms + self.stream.slo_ms - now_ms
        kbits = self._kbits(frame, sending)
        if left_ms > 0 and self._link.is_worth_sending(sending, kbits, left_ms, now_ms):
            frame.sent_ms, frame.side_px, frame.kbits = now_ms, sending.size.side_px, kbits
            frame.jpeg_quality = sending.quality.quality
            frame.bandwidth_kbps = self._link.bandwidth_kbps(now_ms)
            self._link.on_sent(frame.sequence, sending, kbits, now_ms)
            arrival_ms = self._uplink.arrival_ms(kbits, now_ms) + self._jitter_ms()
            arrival_ms = self._arrived_ms = max(self._arrived_ms, arrival_ms)
            if arrival_ms < math.inf:
                self._events.at(
                    arrival_ms, Priority.ARRIVAL, self._server.take, frame, self.stream.wire_ms
                )
            self._sent.append(frame)
            if len(self._sent) == 1:
                self._watch_oldest()
        else:
            self._give_up_unsent(frame, kbits)
        self._try_to_send()

    def _take_ack(self, frame: SimulatedFrame) -> None:
        network_ms = self._link.on_ack(frame.sequence, 0.0, self._events.now_ms)
        if frame.is_open and network_ms is not None:
            frame.network_ms = network_ms
        self._try_to_send()

    def _take_answer(self, frame: SimulatedFrame) -> None:
        now_ms = self._events.now_ms
        if frame.drop is not None and frame.drop.reason is Reason.TOO_LATE:
            self._link.on_too_late(frame.sequence)
        else:
            self._link.on_answer(frame.sequence, _server_times(frame))
        self._advice = frame.advice
        if not frame.is_open:
            self.num_late_answers += 1
        elif frame.drop is not None:
            self._end(frame, Outcome(Verdict.DROPPED, frame.drop), now_ms)
        elif now_ms - frame.captured_ms <= self.stream.slo_ms:
            self._end(frame, IN_TIME, now_ms)
        else:
            self._end(frame, LATE, now_ms)
        self._try_to_send()

    def _watch_oldest(self) -> None:
        """Gives up frames whose answers are long overdue; looks at the oldest one alone."""
        now_ms = self._events.now_ms
        limit_ms = self.stream.slo_ms + NO_ANSWER_AFTER_MS
        while self._sent:
            frame = self._sent[0]
            if frame.is_open:
                due_ms = frame.captured_ms + limit_ms
                if due_ms > now_ms:
                    self._events.at(due_ms, Priority.TIMEOUT, self._watch_oldest)
                    return
                self._give_up(frame, Reason.NO_ANSWER)
            self._sent.popleft()

    def _give_up_waiting(self, frame: SimulatedFrame) -> None:
        """Gives up a frame whose time is over, if it still waits; one being encoded goes after that."""
        if frame is self._waiting:
            self._give_up_unsent(frame)

    def _give_up_unsent(self, frame: SimulatedFrame, kbits: float | None = None) -> None:
        """Gives up a frame that cannot be answered in time any more."""
        now_ms = self._events.now_ms
        waited_ms = frame.waited_ms
        if frame is self._waiting:
            self._waiting = None
            if not self._is_encoding:
                waited_ms += now_ms - self._waits_since_ms
        if kbits is None:
            kbits = self._link.expected_kbits(self._choices.sizes[0])
        is_links = self._link.is_to_blame(kbits, waited_ms, self.stream.slo_ms, now_ms)
        self._give_up(frame, Reason.LINK_TOO_SLOW if is_links else Reason.CLIENT_TOO_SLOW)

    def _give_up(self, frame: SimulatedFrame, reason: Reason) -> None:
        self._end(frame, Outcome(Verdict.DROPPED, Drop(Place.CLIENT, reason)), None)

    def _end(self, frame: SimulatedFrame, outcome: Outcome, now_ms: float | None) -> None:
        frame.is_open = False
        self.ledger.close(frame.sequence, outcome)
        if self._on_frame is not None:
            self._on_frame(frame.record(outcome.verdict, outcome.drop, now_ms))
        if self.ledger.captured == self.num_frames and not self.ledger.lost:
            self._server.leave(self.stream.stream_id)


def _server_times(frame: SimulatedFrame) -> ServerTimes | None:
    """What the server took for a frame that ran."""
    if frame.note is not None:
        return None
    return ServerTimes(frame.server_ms - frame.queue_ms, frame.inference_ms)
