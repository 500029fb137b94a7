"""The account of a stream: drives its `Sender`, and makes an answer of each frame's end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..adapting.client_link import ClientLink
from ..adapting.estimators import make_estimator
from ..adapting.frames import OfferedFrame
from ..adapting.policies.registry import policy
from ..adapting.sender import Encode, Send, Sender
from ..core.clock import Clock
from ..core.ledger import Outcome
from ..core.verdict import Reason
from ..vision.fits import Image
from .answers import Answer, Told
from .options import StreamOptions

if TYPE_CHECKING:
    from .session import Session


@dataclass(eq=False)
class CapturedFrame(OfferedFrame):
    """A frame and its picture, which is taken away once it is encoded, unless the stream keeps images."""

    image: Image | None = None


class Account:
    """Has a stream's `Sender` decide, and does what it says.

    Attributes:
        sender: decides; whoever tells it something calls `act` next.
        session: set while there is a session.
    """

    def __init__(
        self, options: StreamOptions, clock: Clock, deliver: Callable[[Answer], None]
    ) -> None:
        estimator = make_estimator(
            options.bandwidth_kbps, options.wire_ms or 0.0, options.estimator
        )
        self.sender: Sender[CapturedFrame] = Sender(
            ClientLink(
                options.fps, options.slo_ms, estimator, policy(options.policy, options.ladder)
            )
        )
        self.session: Session | None = None
        self.options = options
        self.clock = clock
        self._zero_ms = clock.now_ms() if options.zero_ms is None else options.zero_ms
        self._deliver = deliver
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at_ms = math.inf

    def capture(self, sequence: int, captured_ms: float, image: Image | Reason) -> None:
        """Offers a captured frame; one without a picture ends at once, for the reason in its place."""
        if isinstance(image, Reason):
            self.sender.missed(CapturedFrame(sequence, captured_ms), image)
        else:
            frame = CapturedFrame(sequence, captured_ms, image=image)
            self.sender.offered(frame, self.clock.now_ms())
        self.act()

    def disconnect(self) -> None:
        """Gives up every open frame, as the session is over."""
        self.session = None
        self.sender.disconnected(self.clock.now_ms())
        self.act()

    def act(self) -> None:
        """Does what the sender says, and has it asked again when it wants to be."""
        now_ms = self.clock.now_ms()
        for instruction in self.sender.tick(now_ms):
            if not isinstance(instruction, (Encode, Send)):
                self._deliver(self._answer(instruction.frame, instruction.outcome))
            elif self.session is not None:
                self.session.carry_out(instruction)
        at_ms = self.sender.wake_at_ms
        if at_ms != self._wakes_at_ms:
            self._wakes_at_ms = at_ms
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            if at_ms < math.inf:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(max(0.0, at_ms - now_ms) / 1000, self._wake)

    def _wake(self) -> None:
        self._wakes_at_ms = math.inf
        self.act()

    def _answer(self, frame: CapturedFrame, outcome: Outcome) -> Answer:
        record = frame.client_record(self.options.stream_id, outcome, self._zero_ms)
        told = frame.answer if isinstance(frame.answer, Told) else None
        if told is not None:
            record = told.complete(record)
        return Answer(
            stream_id=self.options.stream_id,
            sequence=frame.sequence,
            verdict=outcome.verdict,
            drop=outcome.drop,
            detail="" if told is None else told.detail,
            found=None if told is None else told.found,
            latency_ms=record.latency_ms,
            record=record,
            image=frame.image,
        )
