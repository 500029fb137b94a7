"""The streams that are registered at an endpoint, and how they end."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ....core.codes import Code
from ...pacing import URGENT_GAP_MS
from .dispatcher import Dispatcher
from .drop_notes import CLIENT_GONE, POISON
from .gate import StreamGate
from .instructions import EndCall, Instruction, Note, SessionOver


class Sessions:
    """The gates of the streams, by number in the order of registration, and when the scheduler hears of them.

    Attributes:
        report_at_ms: when the next report is due.
        is_urgent: whether it tells of who came, left, or changed much.
    """

    def __init__(self, dispatcher: Dispatcher, out: list[Instruction]) -> None:
        self.report_at_ms = math.inf
        self.is_urgent = False
        self._dispatcher = dispatcher
        self._out = out
        self._gates: dict[int, StreamGate] = {}
        self._by_stream: dict[str, StreamGate] = {}

    def __len__(self) -> int:
        return len(self._gates)

    def __iter__(self) -> Iterator[StreamGate]:
        return iter(list(self._gates.values()))

    def find(self, stream_id: str) -> StreamGate | None:
        """The gate of a stream, if it is registered."""
        return self._by_stream.get(stream_id)

    def report_soon(self, now_ms: float, *, is_urgent: bool = False) -> None:
        """Has the scheduler told; several changes make one report."""
        self.is_urgent = self.is_urgent or is_urgent
        self.report_at_ms = min(self.report_at_ms, now_ms + URGENT_GAP_MS)

    def enter(self, gate: StreamGate, now_ms: float) -> None:
        """A stream has its place, instead of any other of its name."""
        self.supersede(gate.stream_id, now_ms)
        self._gates[gate.number] = gate
        self._by_stream[gate.stream_id] = gate
        self.report_soon(now_ms)

    def supersede(self, stream_id: str, now_ms: float) -> None:
        """Ends the session of a stream that was registered again, here or at another endpoint."""
        older = self.find(stream_id)
        if older is not None:
            self.end_call(older, Code.ABORTED, "the stream was registered again")
            self.forget(older, now_ms)

    def condemn(self, stream_id: str, now_ms: float) -> None:
        """Ends a stream whose frames end executors; they are given up wherever they are."""
        gate = self.find(stream_id)
        if gate is None:
            return
        self._out.append(Note("ERROR", f"stream {stream_id} is ended: its frames end executors"))
        self._dispatcher.take_back(gate, POISON, now_ms, is_told=True)
        detail = "POISON: two executors ended at work on frames of this stream"
        self.end_call(gate, Code.INVALID_ARGUMENT, detail)
        self.forget(gate, now_ms)

    def cut_off(self, gate: StreamGate, now_ms: float) -> None:
        """Gives up a client that takes nothing of what it is sent."""
        text = f"stream {gate.stream_id} takes no answers; its call is ended"
        self._out.append(Note("WARNING", text))
        detail = "answers were not read for 10 s"
        self._out.append(EndCall(gate, Code.RESOURCE_EXHAUSTED, detail, is_stuck=True))
        self.forget(gate, now_ms)

    def end_call(self, gate: StreamGate, code: Code | None, detail: str = "") -> None:
        """Ends the call of a stream, once what is to be sent was sent."""
        self._out.append(EndCall(gate, code, detail))

    def forget(self, gate: StreamGate, now_ms: float) -> None:
        """Takes a session's capacity and frames back; a second time finds nothing."""
        if self._gates.pop(gate.number, None) is None:
            return
        gate.is_over = True
        del self._by_stream[gate.stream_id]
        self.report_soon(now_ms, is_urgent=True)
        self._dispatcher.take_back(gate, CLIENT_GONE, now_ms)
        self._out.append(SessionOver(gate))
