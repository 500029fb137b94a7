"""Which frame of a stream is encoded, sent or given up, and when: a state machine."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from ..core.advice import NO_ADVICE, SideAdvice
from ..core.ledger import IN_TIME, LATE, Ledger, Outcome
from ..core.verdict import Drop, Place, Reason, Verdict
from .client_link import ClientLink
from .frame_sizes import FrameChoices
from .frames import OfferedFrame
from .making import MakingCost
from .policies.port import Sending
from .server_forecast import ServerTimes

NO_ANSWER_AFTER_MS = 2000.0
"""A frame that was sent is given up when it is this much over its SLO."""
_REMEMBERED = 256
_GIVEN_UP = {reason: Outcome(Verdict.DROPPED, Drop(Place.CLIENT, reason)) for reason in Reason}


Frame = TypeVar("Frame", bound=OfferedFrame)


@dataclass(slots=True)
class Encode(Generic[Frame]):
    """Resize and encode a frame, then say `encoded`. There is one at a time."""

    frame: Frame
    sending: Sending


@dataclass(slots=True)
class Send(Generic[Frame]):
    """Hand an encoded frame to the transport, then say `written`."""

    frame: Frame


@dataclass(slots=True)
class End(Generic[Frame]):
    """A frame has its verdict: `outcome` is set."""

    frame: Frame
    outcome: Outcome


Instruction: TypeAlias = Encode[Frame] | Send[Frame] | End[Frame]


@dataclass(slots=True)
class ServerAnswer:
    """What a server says about a frame.

    Attributes:
        advice: for the frames to come.
        drop: where and why it was given up; None if it was answered.
        times: what the server took for it, if it was answered and says so.
        content: whatever else; stays with the frame that it gives its verdict.
    """

    advice: SideAdvice
    drop: Drop | None = None
    times: ServerTimes | None = None
    content: object = None


class Sender(Generic[Frame]):
    """Takes what happens to the frames of one stream, and tells what to do about them.

    Every frame that is offered ends exactly once. The newest one waits until the link has room and the one before
    was handed over; a newer one supersedes it. Whatever is not sent by its deadline is given up, and whatever is not
    answered 2 s after it as well, so nothing waits for ever.

    It has no clock: stimuli come with the time, which never falls. They only take note; `tick` decides, and says what is to
    be done. So a camera, a server and an encoder that are heard of at the same moment may be so in any order. Whoever drives it
    ticks after stimuli, in the same moment, and at `wake_at_ms`; after an ack only if it `has_to_decide`.

    Attributes:
        ledger: the counts of its frames.
        link: what it knows of the uplink.
        wake_at_ms: when the next tick is due, if nothing happens before, as of the last one; infinite if none is.
        num_late_answers: answers that came after their frames had been given up; counted and not applied.
    """

    def __init__(self, link: ClientLink) -> None:
        """Starts without a connection; the link is this stream's own."""
        self.ledger = Ledger()
        self.link = link
        self.num_late_answers = 0
        self.wake_at_ms = math.inf
        self._slo_ms = link.slo_ms
        self._answer_within_ms = link.slo_ms + NO_ANSWER_AFTER_MS
        self._open: dict[int, Frame] = {}
        self._given_up: deque[int] = deque(maxlen=_REMEMBERED)
        self._choices: FrameChoices | None = None  # None without a connection
        self._advice = NO_ADVICE
        self._is_draining = False
        self._waiting: Frame | None = None
        self._offered: list[Frame] = []  # since the last tick
        self._held_since_ms = 0.0  # since then the link alone holds the frame that waits
        self._hand: Encode[Frame] | None = None  # is encoded or written; nothing else is meanwhile
        self._making = MakingCost()
        self._making_since_ms = 0.0
        self._encoded_kbits: float | None = None  # of the frame in hand, since the last tick
        self._needs_writing = True
        self._sent: deque[Frame] = deque()  # oldest first; some have ended
        self._due_ms = math.inf  # no frame's time is over before
        self._out: list[Instruction[Frame]] = []

    @property
    def num_open(self) -> int:
        """Frames without a verdict."""
        return len(self._open)

    @property
    def has_to_decide(self) -> bool:
        """Whether an ack may have changed what is to be done: a frame waits for the link, or has ended."""
        return (self._waiting is not None and self._hand is None) or bool(self._out)

    def connected(self, choices: FrameChoices, advice: SideAdvice) -> None:
        """A session is there, with what may be sent in it, and its first advice."""
        self._choices = choices
        self._advice = advice

    def disconnected(self, now_ms: float) -> None:
        """The session is lost, and all open frames with it."""
        if now_ms >= self._due_ms:
            self._expire(now_ms)
        for frame in list(self._open.values()):
            was_sent = frame.sent_ms is not None
            self._give_up(frame, Reason.CONNECTION_LOST if was_sent else Reason.NOT_CONNECTED)
        self._choices = self._waiting = self._hand = self._encoded_kbits = None
        self._is_draining = False
        self._offered.clear()
        self._sent.clear()
        self._due_ms = math.inf
        self.link.on_disconnect()

    def draining(self, now_ms: float) -> None:
        """The server takes no more frames in this session."""
        if now_ms >= self._due_ms:
            self._expire(now_ms)
        self._is_draining = True

    def offered(self, frame: Frame, now_ms: float) -> None:
        """A frame was captured; one that still waits is superseded by it. Sequences rise."""
        if now_ms >= self._due_ms:
            self._expire(now_ms)
        self._enter(frame)
        self._offered.append(frame)
        if not self._is_making:
            self._held_since_ms = now_ms

    def missed(self, frame: Frame, reason: Reason) -> None:
        """A frame was due, and there is no picture of it."""
        self._enter(frame)
        self._give_up(frame, reason)

    def encoded(
        self, sequence: int, kbits: float, now_ms: float, *, needs_writing: bool = True
    ) -> None:
        """The frame in hand is encoded.

        Args:
            sequence: its number.
            kbits: its encoded size.
            now_ms: the time.
            needs_writing: whether `written` says when the transport has taken it; otherwise it does at once.
        """
        if now_ms >= self._due_ms:
            self._expire(now_ms)
        if (
            self._hand is not None and self._hand.frame.sequence == sequence
        ):  # not of a lost session
            self._making.add(self._hand.sending.size.side_px, now_ms - self._making_since_ms)
            self._encoded_kbits = kbits
            self._needs_writing = needs_writing
            self._held_since_ms = now_ms

    def written(self, sequence: int) -> None:
        """The transport has taken the frame in hand, and takes another one."""
        hand = self._hand
        if hand is not None and hand.frame.sequence == sequence and hand.frame.sent_ms is not None:
            self._hand = None

    def acked(self, sequence: int, held_ms: float, now_ms: float) -> None:
        """The server has a frame, and says that it held the ack for that long."""
        if now_ms >= self._due_ms:
            self._expire(now_ms)
        network_ms = self.link.on_ack(sequence, held_ms, now_ms)
        frame = self._open.get(sequence)
        if frame is not None and network_ms is not None:
            frame.network_ms = network_ms

    def answered(self, sequence: int, answer: ServerAnswer, now_ms: float) -> None:
        """The server is done with a frame.

        Raises:
            ValueError: if it was never sent.
            LedgerError: if it was never captured.
        """
        if now_ms >= self._due_ms:
            self._expire(now_ms)
        frame, drop = self._open.get(sequence), answer.drop
        if frame is not None and frame.sent_ms is None:
            raise ValueError(f"sequence={sequence}: answered but never sent")
        if drop is not None and drop.reason is Reason.TOO_LATE:
            self.link.on_too_late(sequence)
        else:
            self.link.on_answer(sequence, answer.times)
        self._advice = answer.advice
        if frame is not None:
            frame.answered_ms = now_ms
            if answer.content is not None:
                frame.answer = answer.content
            if drop is not None:
                self._end(frame, Outcome(Verdict.DROPPED, drop))
            else:
                self._end(frame, IN_TIME if now_ms - frame.captured_ms <= self._slo_ms else LATE)
        elif sequence in self._given_up:
            self._given_up.remove(sequence)
            self.num_late_answers += 1
        else:
            self.ledger.close(sequence, LATE)  # counts it, or raises

    def tick(self, now_ms: float) -> list[Instruction[Frame]]:
        """Returns what is to be done by now, in this order."""
        if self._offered:
            self._let_wait(self._offered)
        if self._is_draining and self._waiting is not None:
            self._give_up(self._waiting, Reason.DRAINING)
            self._waiting = None
        if now_ms >= self._due_ms:
            self._expire(now_ms)
        if self._encoded_kbits is not None and self._hand is not None:
            self._send_if_worth_it(self._hand, self._encoded_kbits, now_ms)
        self.wake_at_ms = self._due_ms
        if self._waiting is not None and self._hand is None:
            free_ms = self.link.may_send_at_ms(now_ms)
            if free_ms <= now_ms:
                self._encode(self._waiting, now_ms)
            elif free_ms < self._due_ms:
                self.wake_at_ms = free_ms
        out, self._out = self._out, []
        return out

    @property
    def _is_making(self) -> bool:
        """Whether a frame is being encoded: until then no other one waits for the link."""
        return self._hand is not None and self._hand.frame.sent_ms is None

    def _let_wait(self, frames: list[Frame]) -> None:
        """Has the newest of the frames just offered wait in place of the one before."""
        for frame in frames:
            if self._choices is None:
                self._give_up(frame, Reason.NOT_CONNECTED)
            elif self._is_draining:
                self._give_up(frame, Reason.DRAINING)
            else:
                if self._waiting is not None:
                    self._give_up(self._waiting, Reason.SUPERSEDED)
                self._waiting = frame
                due_ms = frame.captured_ms + self._slo_ms
                self._due_ms = min(self._due_ms, due_ms)
        frames.clear()

    def _encode(self, frame: Frame, now_ms: float) -> None:
        """Has the frame that waited for the link encoded, or gives it up."""
        if self._choices is None:
            raise AssertionError(f"frame {frame.sequence}: waits without a connection")
        if now_ms > self._held_since_ms:
            frame.link_ms = now_ms - self._held_since_ms
        self._waiting = None
        left_ms = frame.captured_ms + self._slo_ms - now_ms
        sending = self.link.choose_sending(
            frame.sequence, self._choices, self._advice, left_ms, now_ms, self._making.expected_ms
        )
        if isinstance(sending, Sending):
            self._hand = Encode(frame, sending)
            self._making_since_ms = now_ms
            self._out.append(self._hand)
        elif sending is Reason.SKIPPED:
            self._give_up(frame, sending)
        else:
            self._give_up_unsent(frame, None, now_ms)

    def _send_if_worth_it(self, encoded: Encode[Frame], kbits: float, now_ms: float) -> None:
        """Has the frame in hand sent, unless it turns out too large, or was given up meanwhile."""
        frame, sending = encoded.frame, encoded.sending
        self._encoded_kbits = None
        if not self._needs_writing:
            self._hand = None
        if frame.outcome is not None:
            self._hand = None
            return
        forecast = self.link.forecast(now_ms)
        left_ms = frame.captured_ms + self._slo_ms - now_ms
        if not (sending.may_be_late or forecast.round_trip_ms(kbits) <= left_ms):
            self._hand = None
            self._give_up_unsent(frame, kbits, now_ms)
        else:
            frame.sent_ms, frame.kbits = now_ms, kbits
            frame.side_px, frame.jpeg_quality = sending.size.side_px, sending.quality.quality
            frame.bandwidth_kbps = forecast.bandwidth_kbps
            self.link.on_sent(frame.sequence, sending, kbits, forecast, now_ms)
            self._sent.append(frame)
            self._out.append(Send(frame))
            self._look_whose_is_next()

    def _look_whose_is_next(self) -> None:
        """Finds out when the time of a frame is over next, once the one in hand is sent."""
        sent = self._sent
        while sent[0].outcome is not None:
            sent.popleft()
        self._due_ms = sent[0].captured_ms + self._answer_within_ms
        if self._waiting is not None:
            self._due_ms = min(self._due_ms, self._waiting.captured_ms + self._slo_ms)

    def _expire(self, now_ms: float) -> None:
        """Gives up the frames whose time is over, and looks whose is next."""
        waiting, sent = self._waiting, self._sent
        due_ms = math.inf
        if waiting is not None:
            due_ms = waiting.captured_ms + self._slo_ms
            if due_ms <= now_ms:
                due_ms = math.inf
                self._waiting = None
                if not self._is_making:
                    waiting.link_ms = now_ms - self._held_since_ms
                self._give_up_unsent(waiting, None, now_ms)
        if self._hand is not None and self._is_making and self._hand.frame.outcome is None:
            making = self._hand.frame
            if making.captured_ms + self._slo_ms <= now_ms:
                self._give_up_unsent(making, None, now_ms)
            else:
                due_ms = min(due_ms, making.captured_ms + self._slo_ms)
        while sent:
            oldest_due_ms = sent[0].captured_ms + self._answer_within_ms
            if sent[0].outcome is None and oldest_due_ms > now_ms:
                due_ms = min(due_ms, oldest_due_ms)
                break
            self._give_up(sent.popleft(), Reason.NO_ANSWER)
        self._due_ms = due_ms

    def _give_up_unsent(self, frame: Frame, kbits: float | None, now_ms: float) -> None:
        """Gives up a frame that cannot be answered in time any more, and blames who is to blame."""
        if kbits is None:
            kbits = self.link.expected_kbits(self._choices.sizes[0]) if self._choices else 0.0
        is_links = self.link.is_to_blame(kbits, frame.link_ms, now_ms)
        self._give_up(frame, Reason.LINK_TOO_SLOW if is_links else Reason.CLIENT_TOO_SLOW)

    def _enter(self, frame: Frame) -> None:
        self.ledger.open(frame.sequence)
        self._open[frame.sequence] = frame

    def _give_up(self, frame: Frame, reason: Reason) -> None:
        if frame.outcome is None:
            if frame.sent_ms is not None:
                self._given_up.append(frame.sequence)
            self._end(frame, _GIVEN_UP[reason])

    def _end(self, frame: Frame, outcome: Outcome) -> None:
        frame.outcome = outcome
        del self._open[frame.sequence]
        self.ledger.close(frame.sequence, outcome)
        self._out.append(End(frame, outcome))
