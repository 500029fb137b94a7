"""Hands frames to executors and takes back what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from ...core.verdict import Place, Reason, reason_named
from ...protos.internal_pb2 import Cancel, Envelope, FrameResult, FrameResults
from ...scheduling.device_silence import PATIENCE_MS
from ...scheduling.plan_view import PlanView
from ...scheduling.suspicion import FORGET_MS
from ..wire.channel import Channel
from ..wire.frame_memory import FrameWriter
from .attached_executor import AttachedExecutor, Handed
from .frame import ArrivedFrame, DropNote, drop
from .problems import CODE_OF_REASON, DETAIL_OF_REASON, Code
from .suspects import Suspects
from .waiting_room import WaitingRoom

TICKETS_PER_CANCEL = 4096

_log = logging.getLogger(__name__)

OnResult = Callable[[ArrivedFrame, FrameResult, FrameResults], None]
OnDrop = Callable[[ArrivedFrame, DropNote], None]


class Dispatcher:
    """Keeps every frame that is under way at the executors, or waits for a slot, and its slot.

    A frame that was taken ends in exactly one call of `on_result` or `on_drop`, or in `cancel`. When an
    executor dies or falls silent, each of its frames is sent once more, to another one that can still make it.
    """

    def __init__(
        self,
        plan: Callable[[], PlanView],
        now_ms: Callable[[], float],
        on_result: OnResult,
        on_drop: OnDrop,
        on_poison: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        """Starts without executors and without memory.

        Args:
            plan: the plan in force.
            now_ms: the monotonic clock.
            on_result: takes a frame that ran, with its part of the packet and the packet.
            on_drop: takes a frame that was given up.
            on_poison: takes the id of a stream whose frames kill executors.
            on_change: called when an executor comes or goes, falls silent or speaks again.
        """
        self._plan = plan
        self._now_ms = now_ms
        self._on_result = on_result
        self._on_drop = on_drop
        self._on_poison = on_poison
        self._on_change = on_change
        self._memory: FrameWriter | None = None
        self._executors: dict[str, AttachedExecutor] = {}
        self._next_ticket = 1
        self._tickets: dict[ArrivedFrame, int] = {}
        self._waiting = WaitingRoom()
        self._suspects = Suspects()

    @property
    def device_ids(self) -> Iterable[str]:
        """The devices whose executors are attached."""
        return self._executors.keys()

    @property
    def silent_devices(self) -> list[str]:
        """Those of them that are as good as lost."""
        return [one.device_id for one in self._executors.values() if one.silence.is_silent]

    @property
    def num_held(self) -> int:
        """Frames at the executors, and those that wait to be sent there."""
        return len(self._tickets) + len(self._waiting)

    @property
    def can_run(self) -> bool:
        """Whether frames can be taken, and a device is there that speaks."""
        has_device = len(self._executors) > len(self.silent_devices)
        return has_device and self._memory is not None

    def use_memory(self, memory: FrameWriter) -> None:
        """Takes the frame memory of this endpoint."""
        self._memory = memory

    def attach(self, device_id: str, channel: Channel) -> None:
        """Takes the channel of a device's executor, in place of its predecessor's."""
        self.detach(device_id)
        self._judge(device_id, is_crash=False)  # nobody said anything else
        self._suspects.know(device_id)
        self._executors[device_id] = AttachedExecutor(
            device_id, channel, self._now_ms(), self._on_packet, self._on_close
        )
        for stream_id in self._waiting.streams:
            self._release(stream_id)
        self._on_change()

    def detach(self, device_id: str) -> None:
        """Lets go of a device's executor, if there is one; its frames are sent elsewhere."""
        executor = self._executors.get(device_id)
        if executor is not None:
            self._on_close(executor)

    def close(self) -> None:
        """Closes all channels; frames that are still held end nowhere."""
        for executor in self._executors.values():
            executor.close()
        self._executors.clear()

    def dispatch(self, frame: ArrivedFrame, jpeg: bytes, device_id: str) -> DropNote | None:
        """Puts a frame into a slot and sends it to a device, now or soon; returns why that failed."""
        if self._suspects.is_condemned(frame):
            asyncio.get_running_loop().call_soon(self._on_poison, frame.session.stream_id)
            return drop(Reason.EXECUTOR_LOST, "frames of this stream end executors")
        if self._choose(frame, device_id) is None:
            return drop(Reason.EXECUTOR_LOST, "its device is being restarted")
        if not self._may_start(frame):
            has_room = self._waiting.wait_for_stream(frame, jpeg)
        elif self._is_slot_free():
            return self._place(frame, jpeg, device_id)
        else:
            has_room = self._waiting.wait_for_slot(frame, jpeg)
        return None if has_room else drop(Reason.NO_SLOT, "the frame memory is full")

    def cancel(self, frames: Iterable[ArrivedFrame]) -> None:
        """Takes frames back; nothing more will be heard of them."""
        cancelled: dict[str, list[int]] = {}
        for frame in frames:
            ticket = self._tickets.pop(frame, None)
            if ticket is None and not self._waiting.discard(frame):
                continue
            self._free(frame)
            executor = self._executors.get(frame.device_id)
            if executor is not None and ticket is not None and ticket in executor.held:
                cancelled.setdefault(frame.device_id, []).append(ticket)
        for device_id, tickets in cancelled.items():
            executor = self._executors[device_id]
            at_work = executor.at_work()
            for ticket in tickets:
                handed = executor.held.pop(ticket)
                if ticket in at_work:
                    executor.gone[ticket] = handed
                elif handed.is_alone:
                    self._trial_over(handed, ran_well=False)
            for start in range(0, len(tickets), TICKETS_PER_CANCEL):
                cancel = Cancel(tickets=tickets[start : start + TICKETS_PER_CANCEL])
                executor.tell(Envelope(cancel=cancel))
        self._serve_waiting()

    def excuse(self, now_ms: float) -> None:
        """This process stood still: what executors said meanwhile is yet to be read."""
        for executor in self._executors.values():
            executor.silence.excuse(now_ms)

    def sweep(self, now_ms: float) -> None:
        """Ends what is overdue, and takes devices that hang for lost; to be called every 50 ms or so."""
        devices = self._plan().devices
        for executor in list(self._executors.values()):
            running = devices.get(executor.device_id)
            batch_ms = running.batch_p99_ms if running is not None else 0.0
            if executor.silence.look(now_ms, executor.earliest_deadline_ms, batch_ms):
                self._on_silence(executor)
            self._end_overdue(executor, now_ms, batch_ms)
        for frame in self._waiting.hopeless(self._is_hopeless):
            self._free(frame)
            is_suspect = self._suspects.is_suspect(frame)
            reason = Reason.EXECUTOR_LOST if is_suspect else Reason.NO_SLOT
            self._on_drop(frame, drop(reason, "waited for its turn until it was too late"))
        self._serve_waiting()

    def _end_overdue(self, executor: AttachedExecutor, now_ms: float, batch_ms: float) -> None:
        """Gives up frames of which nothing will be heard, or nothing in time."""
        executor.note_given_up({})
        is_silent = executor.silence.is_silent
        for ticket, handed in list(executor.held.items()):
            frame = handed.frame
            grace_ms = 0.0
            if not is_silent:  # it answers others; else it would be silent by then
                grace_ms = max(frame.session.declared.slo_ms, batch_ms + 2 * PATIENCE_MS)
            if frame.deadline_ms + grace_ms < now_ms:
                executor.gone[ticket] = executor.held.pop(ticket)
                self._give_up(frame, "its device says nothing of it")
        for ticket, handed in list(executor.gone.items()):
            if handed.frame.deadline_ms + FORGET_MS < now_ms:
                del executor.gone[ticket]
                if handed.is_alone:
                    self._trial_over(handed, ran_well=False)

    def _on_packet(self, executor: AttachedExecutor, envelope: Envelope) -> None:
        if not envelope.HasField("results"):
            return
        results = envelope.results
        was_silent = executor.silence.heard(self._now_ms())
        given_up: dict[int, Handed] = {}
        for result in results.frames:
            handed = executor.held.pop(result.ticket, None)
            has_run = result.HasField("detections")
            if handed is not None:
                self._tickets.pop(handed.frame)
                self._free(handed.frame)
                if has_run:
                    self._on_result(handed.frame, result, results)
                else:
                    self._on_drop(handed.frame, _told(result))
                    given_up[result.ticket] = handed
            else:  # it was taken back in the meantime
                handed = executor.gone.pop(result.ticket, None)
            if handed is not None and handed.is_alone:
                self._trial_over(handed, ran_well=has_run)
        if given_up:
            executor.note_given_up(given_up)
        self._serve_waiting()
        if was_silent:
            _log.warning("the executor of %s speaks again", executor.device_id)
            self._on_change()

    def note_death(self, device_id: str, *, is_crash: bool) -> None:
        """Takes in what the executor of a device died of; its end shows before or after.

        Args:
            device_id: its device.
            is_crash: whether it ended by itself; else it was killed.
        """
        executor = self._executors.get(device_id)
        if executor is not None:
            executor.is_crash = is_crash
        else:
            self._judge(device_id, is_crash=is_crash)

    def _on_silence(self, executor: AttachedExecutor) -> None:
        """Moves the frames of a device that hangs; those that nobody else can take stay, in case it comes back."""
        _log.error(
            "the executor of %s is silent with %d frames", executor.device_id, len(executor.held)
        )
        at_work = executor.at_work()
        self._suspects.lost(executor, at_work, self._now_ms())
        for ticket, handed in _safest_first(executor.held, at_work):
            if not handed.is_alone and self._move(handed.frame):
                executor.gone[ticket] = executor.held.pop(ticket)
        self._on_change()

    def _on_close(self, executor: AttachedExecutor) -> None:
        """Moves the frames of a dead executor; not those that were alone at work."""
        device_id = executor.device_id
        if self._executors.get(device_id) is executor:
            del self._executors[device_id]
        _log.warning("the executor of %s is gone with %d frames", device_id, len(executor.held))
        at_work = executor.last_at_work()
        self._suspects.lost(executor, at_work, self._now_ms())
        held, executor.held = executor.held, {}
        waited = [
            handed
            for ticket, handed in (held | executor.gone).items()
            if handed.is_alone and ticket not in at_work
        ]
        for handed in waited:  # alone, and had not begun
            self._suspects.ended(handed, ran_well=False)
        for ticket, handed in _safest_first(held, at_work):
            is_over = handed.is_alone and ticket in at_work
            if is_over or not self._move(handed.frame):
                self._give_up(handed.frame, "its device failed")
        for handed in waited:
            self._release(handed.stream_id)
        if executor.is_crash is not None:
            self._judge(device_id, is_crash=executor.is_crash)
        self._serve_waiting()
        self._on_change()

    def _judge(self, device_id: str, *, is_crash: bool) -> None:
        """Ends the streams that a dead executor was alone at work on, if they are guilty."""
        tried, condemned = self._suspects.explain(device_id, is_crash=is_crash)
        for stream_id in tried - condemned:
            self._release(stream_id)
        for stream_id in condemned:
            self._on_poison(stream_id)

    def _trial_over(self, handed: Handed, *, ran_well: bool) -> None:
        """A frame of a suspect is not at a device any more: the next one has its turn."""
        self._suspects.ended(handed, ran_well=ran_well)
        self._release(handed.stream_id)

    def _release(self, stream_id: str) -> None:
        """Sends what waits for other frames of a stream, as far as it may go."""
        while (frame := self._waiting.first_of_stream(stream_id)) and self._may_start(frame):
            waiting = self._waiting.next_of_stream(stream_id)
            if waiting is not None:
                self._start(*waiting)

    def _serve_waiting(self) -> None:
        """Gives free slots to those who wait for them."""
        while self._memory is not None and self._memory.num_free:
            waiting = self._waiting.next_for_slot()
            if waiting is None:
                return
            self._start(*waiting)

    def _start(self, frame: ArrivedFrame, jpeg: bytes) -> None:
        """Sends a frame that has waited; it may have to wait for something else."""
        running = self._plan().serving(frame.session.stream_id)
        device_id = running.device_id if running is not None else ""
        if not jpeg:  # it has its slot
            executor = self._choose(frame, device_id)
            if executor is None or not self._send(frame, executor):
                self._give_up(frame, "its device failed")
            return
        if not self._may_start(frame):
            has_room = self._waiting.wait_for_stream(frame, jpeg)
        elif self._memory is not None and self._memory.num_free:
            note = self._place(frame, jpeg, device_id)
            if note is not None:
                self._on_drop(frame, note)
            return
        else:
            has_room = self._waiting.wait_for_slot(frame, jpeg)
        if not has_room:
            self._on_drop(frame, drop(Reason.NO_SLOT, "the frame memory is full"))

    def _place(self, frame: ArrivedFrame, jpeg: bytes, device_id: str) -> DropNote | None:
        """Puts a frame into a slot, of which there is one, and sends it."""
        executor = self._choose(frame, device_id)
        if executor is None:
            return drop(Reason.EXECUTOR_LOST, "its device is being restarted")
        place = self._memory.allocate(jpeg) if self._memory is not None else None
        if place is None:
            return drop(Reason.NO_SLOT, "the frame memory is full")
        frame.slot, frame.slot_generation = place
        is_sent = False
        try:
            is_sent = self._send(frame, executor)
        finally:
            if not is_sent:
                self._free(frame)
        return None if is_sent else drop(Reason.EXECUTOR_LOST, "its device takes nothing")

    def _send(self, frame: ArrivedFrame, executor: AttachedExecutor) -> bool:
        ticket = self._next_ticket
        self._next_ticket += 1
        frame.device_id = executor.device_id
        frame.handed_ms = self._now_ms()
        handed = Handed(frame, self._suspects.is_suspect(frame))
        if not executor.send(ticket, handed):
            return False
        self._tickets[frame] = ticket
        self._suspects.started(handed)
        return True

    def _move(self, frame: ArrivedFrame) -> bool:
        """Sends a frame to another device than the one that was lost, once; returns whether it did."""
        substitute = None if frame.was_moved else self._substitute(frame)
        if substitute is None:
            return False
        frame.was_moved = True
        if self._may_start(frame):
            return self._send(frame, substitute)
        self._tickets.pop(frame, None)
        return self._waiting.wait_for_stream(frame)

    def _may_start(self, frame: ArrivedFrame) -> bool:
        """Whether a frame may be sent now, as far as its stream is a suspect."""
        num_devices = len(self._executors) - len(self.silent_devices)
        return self._suspects.may_start(frame, self._now_ms(), num_devices)

    def _choose(self, frame: ArrivedFrame, device_id: str) -> AttachedExecutor | None:
        """The executor that is planned; where it is lost, another one that can make it, or the silent one after all."""
        planned = self._executors.get(device_id)
        if planned is not None and not planned.silence.is_silent:
            is_fair = not self._suspects.is_suspect(frame) or not self._has_died(planned)
            return planned if is_fair else self._substitute(frame) or planned
        return self._substitute(frame) or planned

    def _has_died(self, executor: AttachedExecutor) -> bool:
        return self._suspects.has_died(executor.device_id, self._now_ms())

    def _substitute(self, frame: ArrivedFrame) -> AttachedExecutor | None:
        """The executor with the fewest frames that could answer in time; None if there is none.

        Suspects are tried where nobody died of late, if there is such a device.
        """
        plan, left_ms = self._plan(), frame.deadline_ms - self._now_ms()
        able = [
            executor
            for executor in self._executors.values()
            if not executor.silence.is_silent
            and (running := plan.devices.get(executor.device_id)) is not None
            and running.first_answer_ms <= left_ms
        ]
        is_suspect = self._suspects.is_suspect(frame)
        return min(
            able, key=lambda one: (is_suspect and self._has_died(one), len(one.held)), default=None
        )

    def _is_hopeless(self, frame: ArrivedFrame) -> bool:
        """Whether its device could not answer a waiting frame in time any more."""
        running = self._plan().serving(frame.session.stream_id)
        first_answer_ms = running.first_answer_ms if running is not None else 0.0
        return frame.deadline_ms < self._now_ms() + first_answer_ms

    def _is_slot_free(self) -> bool:
        return (
            self._memory is not None
            and self._memory.num_free > 0
            and not self._waiting.is_slot_wanted
        )

    def _give_up(self, frame: ArrivedFrame, detail: str) -> None:
        """Ends a frame of a device that is lost."""
        self._tickets.pop(frame, None)
        self._free(frame)
        self._on_drop(frame, drop(Reason.EXECUTOR_LOST, detail))

    def _free(self, frame: ArrivedFrame) -> None:
        if self._memory is not None and frame.slot >= 0:
            self._memory.free(frame.slot, frame.slot_generation)
            frame.slot = -1


def _safest_first(held: dict[int, Handed], at_work: dict[int, Handed]) -> list[tuple[int, Handed]]:
    """Frames in the order in which they are moved: who was at work comes last, and whoever never ran well."""
    return sorted(
        held.items(),
        key=lambda item: (item[0] in at_work, -item[1].frame.session.num_answered),
    )


def _told(result: FrameResult) -> DropNote:
    """What an executor says of a frame that it dropped."""
    reason, word = reason_named(result.drop_reason)
    try:
        code = Code(result.drop_code)
    except ValueError:
        code = CODE_OF_REASON.get(reason, Code.INTERNAL)
    detail = DETAIL_OF_REASON.get(reason, word or "given up at its device")
    return DropNote(Place.EXECUTOR, reason, code, detail, result.decode_ms)
