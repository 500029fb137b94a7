"""Cameras: what a client does with each of its frames, as `Sender` decides."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from ..adapting.client_link import ClientLink
from ..adapting.estimators import BandwidthEstimator, make_estimator
from ..adapting.frame_sizes import FrameChoices
from ..adapting.policies.port import Sending
from ..adapting.policies.registry import DEFAULT_POLICY, policy
from ..adapting.sender import Encode, Send, Sender, ServerAnswer
from ..adapting.server_forecast import ServerTimes
from ..core.advice import SideAdvice
from ..core.ledger import Ledger, Outcome
from ..core.records import FrameRecord
from ..scheduling.planning.admission import Refusal
from .events import EventQueue, Priority
from .frame import SimulatedFrame
from .links import SimulatedLink, jitter
from .oracle import ORACLE, TrueRate
from .scenario import SimulatedStream
from .server import SimulatedServer


class SimulatedCamera:
    """One stream's client: a shell around its `Sender`, with a link and a server that are simulated.

    Attributes:
        stream: what it does.
        num_frames: how many it captures if it is admitted.
        refusal: why it was not admitted; None if it was.
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
        self.refusal: Refusal | None = None
        leave_s = end_s if stream.leave_s is None else min(end_s, stream.leave_s)
        self.num_frames = max(1, round((leave_s - stream.join_s) * stream.sent_fps))
        self._choices = choices
        self._random = random
        self._server = server
        self._events = events
        self._on_frame = on_frame
        self._uplink = SimulatedLink(stream.link, stream.wire_ms)
        self._jitter_ms = jitter(stream, random)
        self._arrived_ms = 0.0  # the newest frame; none overtakes another
        self._sender: Sender[SimulatedFrame] = Sender(_link_of(stream))
        self._start_ms = 0.0
        self._captures_at_ms = math.inf
        self._encoded_at_ms = math.inf
        self._wakes_at_ms = math.inf

    @property
    def ledger(self) -> Ledger:
        """The counts of its frames."""
        return self._sender.ledger

    @property
    def num_late_answers(self) -> int:
        """Answers that came after their frames had been given up."""
        return self._sender.num_late_answers

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
        self._sender.connected(self._choices, advice)
        first_frame_ms = 1000.0 * (self.stream.first_frame_s or 0.0)
        self._start_ms = max(self._events.now_ms, first_frame_ms)
        self._events.at(self._start_ms, Priority.ARRIVAL, self._capture, 0)

    def _capture(self, sequence: int) -> None:
        now_ms = self._events.now_ms
        following = sequence + 1
        if following < self.num_frames:
            next_ms = self._start_ms + 1000.0 * following / self.stream.sent_fps
            self._captures_at_ms = next_ms
            self._events.at(next_ms, Priority.ARRIVAL, self._capture, following)
        else:
            self._captures_at_ms = math.inf
        self._sender.offered(SimulatedFrame(self.stream.stream_id, sequence, now_ms), now_ms)
        self._act()

    def _finish_encoding(self, frame: SimulatedFrame, sending: Sending) -> None:
        self._encoded_at_ms = math.inf
        kbits = self._kbits(frame, sending)
        self._sender.encoded(frame.sequence, kbits, self._events.now_ms, needs_writing=False)
        self._act()

    def _take_ack(self, frame: SimulatedFrame) -> None:
        self._sender.acked(frame.sequence, 0.0, self._events.now_ms)
        if self._sender.has_to_decide:
            self._act()

    def _take_answer(self, frame: SimulatedFrame) -> None:
        if frame.note is None:
            waited_ms = frame.queue_ms
            times = ServerTimes(frame.server_ms - waited_ms, frame.inference_ms, waited_ms)
            answer = ServerAnswer(frame.advice, None, times)
        else:
            answer = ServerAnswer(frame.advice, frame.note.drop)
        self._sender.answered(frame.sequence, answer, self._events.now_ms)
        self._act()

    def _wake(self) -> None:
        if self._events.now_ms == self._wakes_at_ms:  # else another one was set for before
            self._wakes_at_ms = math.inf
            self._act()

    def _act(self) -> None:
        """Does what the sender says, and has it asked again when it wants to be, unless it is before anyway."""
        now_ms = self._events.now_ms
        for instruction in self._sender.tick(now_ms):
            if isinstance(instruction, Encode):
                frame, sending = instruction.frame, instruction.sending
                making_ms = self.stream.making_ms(sending.size.side_px, now_ms)
                at_ms = self._encoded_at_ms = now_ms + making_ms + self._jitter_ms()
                self._events.at(at_ms, Priority.ARRIVAL, self._finish_encoding, frame, sending)
            elif isinstance(instruction, Send):
                self._transmit(instruction.frame)
            else:
                self._end(instruction.frame, instruction.outcome)
        at_ms = self._sender.wake_at_ms
        if (
            at_ms < self._captures_at_ms
            and at_ms < self._encoded_at_ms
            and at_ms < self._wakes_at_ms
        ):
            self._wakes_at_ms = at_ms
            self._events.at(at_ms, Priority.TIMEOUT, self._wake)

    def _transmit(self, frame: SimulatedFrame) -> None:
        arrival_ms = self._uplink.arrival_ms(frame.kbits, self._events.now_ms) + self._jitter_ms()
        arrival_ms = max(arrival_ms, self._arrived_ms)
        self._arrived_ms = arrival_ms
        if arrival_ms < math.inf:
            self._events.at(
                arrival_ms, Priority.ARRIVAL, self._server.take, frame, self.stream.wire_ms
            )

    def _end(self, frame: SimulatedFrame, outcome: Outcome) -> None:
        if self._on_frame is not None:
            self._on_frame(frame.record(outcome))
        if self.ledger.captured == self.num_frames and not self._sender.num_open:
            self._server.leave(self.stream.stream_id)

    def _kbits(self, frame: SimulatedFrame, sending: Sending) -> float:
        if self.stream.frame_sizes is not None:
            kbits = self.stream.frame_sizes.frame_kbits(frame.sequence, sending.size.side_px)
            return kbits * sending.quality.size_ratio
        kbits = sending.size.kbits * self.stream.frame_size_ratio * sending.quality.size_ratio
        if self.stream.frame_size_spread:
            kbits *= math.exp(self._random.gauss(0.0, self.stream.frame_size_spread))
        return kbits


def _link_of(stream: SimulatedStream) -> ClientLink:
    """What its client knows of its link, and the policy that it has."""
    estimator: BandwidthEstimator
    if stream.policy == ORACLE:
        name, estimator = DEFAULT_POLICY, TrueRate(stream.link, stream.slo_ms, stream.wire_ms)
    else:
        name = stream.policy
        estimator = make_estimator(stream.first_kbps, stream.wire_ms, stream.estimator)
    return ClientLink(stream.fps, stream.slo_ms, estimator, policy(name, stream.ladder))
