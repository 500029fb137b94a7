"""Hands frames to executors and takes back what became of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ...core.verdict import Place, Reason
from ...protos.internal_pb2 import Cancel, Envelope, FrameDescriptor, FrameResult, FrameResults
from ...scheduling.plan_view import PlanView
from ..channel import AsyncChannel, Channel
from ..frame_memory import FrameWriter
from .frame import ArrivedFrame, DropNote
from .problems import CODE_OF_REASON, DETAIL_OF_REASON, Code

TICKETS_PER_CANCEL = 4096

_log = logging.getLogger(__name__)

OnResult = Callable[[ArrivedFrame, FrameResult, FrameResults], None]
OnDrop = Callable[[ArrivedFrame, DropNote], None]


@dataclass(slots=True, eq=False)
class _Executor:
    """An executor that is attached; `held` are the frames it has, by ticket."""

    device_id: str
    channel: AsyncChannel
    held: dict[int, ArrivedFrame] = field(default_factory=dict)


class Dispatcher:
    """Keeps every frame that is under way at the executors, and its slot.

    A frame that was taken ends in exactly one call of `on_result` or `on_drop`, or in `cancel`. When an
    executor dies, each of its frames is sent once more, to another one that can still make it.
    """

    def __init__(
        self,
        plan: Callable[[], PlanView],
        now_ms: Callable[[], float],
        on_result: OnResult,
        on_drop: OnDrop,
        on_change: Callable[[], None],
    ) -> None:
        """Starts without executors and without memory.

        Args:
            plan: the plan in force.
            now_ms: the monotonic clock.
            on_result: takes a frame that ran, with its part of the packet and the packet.
            on_drop: takes a frame that was given up.
            on_change: called when an executor comes or goes.
        """
        self._plan = plan
        self._now_ms = now_ms
        self._on_result = on_result
        self._on_drop = on_drop
        self._on_change = on_change
        self._memory: FrameWriter | None = None
        self._executors: dict[str, _Executor] = {}
        self._next_ticket = 1
        self._tickets: dict[ArrivedFrame, int] = {}

    @property
    def device_ids(self) -> Iterable[str]:
        """The devices whose executors are attached."""
        return self._executors.keys()

    @property
    def num_held(self) -> int:
        """Frames at the executors."""
        return len(self._tickets)

    @property
    def has_memory(self) -> bool:
        """Whether frames can be taken at all."""
        return self._memory is not None

    def use_memory(self, memory: FrameWriter) -> None:
        """Takes the frame memory of this endpoint."""
        self._memory = memory

    def attach(self, device_id: str, channel: Channel) -> None:
        """Takes the channel of a device's executor, in place of its predecessor's."""
        self.detach(device_id)
        executor = _Executor(
            device_id,
            AsyncChannel(
                channel,
                lambda envelope, _: self._on_packet(executor, envelope),
                lambda: self._on_close(executor),
            ),
        )
        self._executors[device_id] = executor
        self._on_change()

    def detach(self, device_id: str) -> None:
        """Lets go of a device's executor, if there is one; its frames are sent elsewhere."""
        executor = self._executors.get(device_id)
        if executor is not None:
            executor.channel.close()
            self._on_close(executor)

    def close(self) -> None:
        """Closes all channels; frames that are still held end nowhere."""
        for executor in self._executors.values():
            executor.channel.close()
        self._executors.clear()

    def dispatch(self, frame: ArrivedFrame, jpeg: bytes, device_id: str) -> DropNote | None:
        """Puts a frame into a slot and sends it to a device; returns why that failed."""
        if device_id not in self._executors:
            substitute = self._substitute(frame)
            if substitute is None:
                return _drop(Reason.EXECUTOR_LOST, "its device is being restarted")
            device_id = substitute.device_id
        place = self._memory.allocate(jpeg) if self._memory is not None else None
        if place is None:
            return _drop(Reason.NO_SLOT, "the frame memory is full")
        frame.slot, frame.slot_generation = place
        is_sent = False
        try:
            is_sent = self._send(frame, self._executors[device_id])
        finally:
            if not is_sent:
                self._free(frame)
        return None if is_sent else _drop(Reason.EXECUTOR_LOST, "its device takes nothing")

    def cancel(self, frames: Iterable[ArrivedFrame]) -> None:
        """Takes frames back; nothing more will be heard of them."""
        cancelled: dict[str, list[int]] = {}
        for frame in frames:
            ticket = self._tickets.pop(frame, None)
            if ticket is None:
                continue
            self._free(frame)
            executor = self._executors.get(frame.device_id)
            if executor is not None and executor.held.pop(ticket, None) is not None:
                cancelled.setdefault(frame.device_id, []).append(ticket)
        for device_id, tickets in cancelled.items():
            for start in range(0, len(tickets), TICKETS_PER_CANCEL):
                cancel = Cancel(tickets=tickets[start : start + TICKETS_PER_CANCEL])
                self._executors[device_id].channel.send(Envelope(cancel=cancel))

    def _send(self, frame: ArrivedFrame, executor: _Executor) -> bool:
        ticket = self._next_ticket
        self._next_ticket += 1
        frame.device_id = executor.device_id
        frame.handed_ms = self._now_ms()
        descriptor = FrameDescriptor(
            ticket=ticket,
            slot=frame.slot,
            slot_generation=frame.slot_generation,
            jpeg_bytes=frame.num_bytes,
            deadline_ms=frame.deadline_ms,
            handed_ms=frame.handed_ms,
            jpeg_crc32c=frame.crc32c,
            side_px=frame.side_px,
        )
        if not executor.channel.send(Envelope(frame=descriptor)):
            return False
        executor.held[ticket] = frame
        self._tickets[frame] = ticket
        return True

    def _on_packet(self, executor: _Executor, envelope: Envelope) -> None:
        if not envelope.HasField("results"):
            return
        results = envelope.results
        for result in results.frames:
            frame = executor.held.pop(result.ticket, None)
            if frame is None:  # cancelled in the meantime
                continue
            del self._tickets[frame]
            self._free(frame)
            if result.HasField("detections"):
                self._on_result(frame, result, results)
            else:
                self._on_drop(frame, _told(result))

    def _on_close(self, executor: _Executor) -> None:
        if self._executors.get(executor.device_id) is executor:
            del self._executors[executor.device_id]
        held, executor.held = executor.held, {}
        _log.warning("the executor of %s is gone with %d frames", executor.device_id, len(held))
        for frame in held.values():
            self._tickets.pop(frame, None)
            substitute = None if frame.was_moved else self._substitute(frame)
            frame.was_moved = True
            if substitute is None or not self._send(frame, substitute):
                self._free(frame)
                self._on_drop(frame, _drop(Reason.EXECUTOR_LOST, "its device failed"))
        self._on_change()

    def _substitute(self, frame: ArrivedFrame) -> _Executor | None:
        """The executor with the fewest frames that could answer in time; None if there is none."""
        plan, left_ms = self._plan(), frame.deadline_ms - self._now_ms()
        able = [
            executor
            for executor in self._executors.values()
            if (running := plan.devices.get(executor.device_id)) is not None
            and running.first_answer_ms <= left_ms
        ]
        return min(able, key=lambda one: len(one.held), default=None)

    def _free(self, frame: ArrivedFrame) -> None:
        if self._memory is not None:
            self._memory.free(frame.slot, frame.slot_generation)


def _drop(reason: Reason, detail: str) -> DropNote:
    return DropNote(Place.ENDPOINT, reason, CODE_OF_REASON[reason], detail)


def _told(result: FrameResult) -> DropNote:
    """What an executor says of a frame that it dropped."""
    try:
        reason = Reason(result.drop_reason)
    except ValueError:
        reason = Reason.MODEL_OUTPUT
    try:
        code = Code(result.drop_code)
    except ValueError:
        code = CODE_OF_REASON.get(reason, Code.INTERNAL)
    detail = DETAIL_OF_REASON.get(reason, "given up at its device")
    return DropNote(Place.EXECUTOR, reason, code, detail, result.decode_ms)
