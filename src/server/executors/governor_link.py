"""The governor as an executor sees it: clocks are asked for here, what the meter says comes from there."""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable

from ...protos.internal_pb2 import ClockAsked, EnergyRead, Envelope
from ..wire.channel import Channel, ChannelClosedError

NOBODY = "there is no governor"


class GovernorLink:
    """A `ClockAsker`. Is read by the receiving thread alone; asked by any.

    A governor that was started anew is asked again.

    Attributes:
        on_energy: takes what the meter says, and None when there is nobody to say it.
        clock_problem: why the clock is not what was asked for, as told last; empty if it is.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
    ) -> None:
        """Knows no governor yet."""
        self.on_energy: Callable[[EnergyRead | None], None] = lambda _: None
        self.clock_mhz: float | None = None
        self.clock_problem = NOBODY
        self._selector = selector
        self._channel: Channel | None = None
        self._asking = threading.Lock()
        self._asked_mhz: float | None = None

    def ask_clock(self, mhz: float) -> None:
        """See the port."""
        with self._asking:
            if mhz != self._asked_mhz:
                self._asked_mhz = mhz
                if self.clock_mhz is not None:
                    self.clock_problem = ""  # else no clock can be set at all
                self._ask()

    def attach(self, channel: Channel) -> None:
        """Takes the connection to a governor."""
        self.drop()
        with self._asking:
            self._channel = channel
            self.clock_problem = ""
            self._ask()
        self._selector.register(channel, selectors.EVENT_READ, self._read)

    def _ask(self) -> None:
        if self._channel is not None and self._asked_mhz is not None:
            try:
                self._channel.send(Envelope(clock_asked=ClockAsked(mhz=self._asked_mhz)))
            except (ChannelClosedError, OSError):
                return  # the receiving thread tells

    def _read(self) -> None:
        if self._channel is None:
            return
        try:
            for envelope, _ in self._channel.drain():
                match envelope.WhichOneof("message"):
                    case "energy_read":
                        self.on_energy(envelope.energy_read)
                    case "clock_reached":
                        reached = envelope.clock_reached
                        self.clock_mhz = reached.mhz or None
                        self.clock_problem = reached.problem
        except ChannelClosedError:
            self.drop()

    def drop(self) -> None:
        """Lets go of the governor."""
        with self._asking:
            channel, self._channel = self._channel, None
        if channel is not None:
            self._selector.unregister(channel)
            channel.close()
            self.clock_mhz = None
            self.clock_problem = NOBODY
            self.on_energy(None)
