"""What becomes of the frames of a device that hangs or dies, and who is to blame."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...device_silence import PATIENCE_MS
from ...running_plan import RunningPlan
from ...suspicion import FORGET_MS
from .attached_device import AttachedDevice, Handed, safest_first
from .dispatcher import Dispatcher
from .drop_notes import DEVICE_FAILED, DEVICE_SILENT
from .instructions import Instruction, Note


class DeviceLosses:
    """Notices what is overdue, moves frames once to other devices, and finds out what kills."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        running: RunningPlan,
        out: list[Instruction],
        on_poison: Callable[[str, float], None],
    ) -> None:
        """Takes whom to tell of a stream whose frames kill devices, and of the time."""
        self._dispatcher = dispatcher
        self._fleet = dispatcher.fleet
        self._suspects = dispatcher.suspects
        self._running = running
        self._out = out
        self._on_poison = on_poison

    @property
    def silent_devices(self) -> list[str]:
        """Those that are as good as lost."""
        return self._fleet.silent

    def excuse(self, now_ms: float) -> None:
        """This process stood still: what devices said meanwhile is yet to be read."""
        for device in self._fleet.devices.values():
            device.silence.excuse(now_ms)

    def sweep(self, now_ms: float) -> bool:
        """Ends what is overdue, and takes devices that hang for lost; returns whether there was one."""
        planned, has_lost = self._running.view.devices, False
        for device in self._fleet.devices.values():
            if not (device.held or device.gone or device.given_up):
                continue
            running = planned.get(device.device_id)
            batch_ms = running.batch_p99_ms if running is not None else 0.0
            if device.silence.look(now_ms, device.earliest_deadline_ms, batch_ms):
                self._fall_silent(device, now_ms)
                has_lost = True
            self._end_overdue(device, now_ms, batch_ms)
        self._dispatcher.give_up_waiting(now_ms)
        self._dispatcher.serve_waiting(now_ms)
        return has_lost

    def _end_overdue(self, device: AttachedDevice, now_ms: float, batch_ms: float) -> None:
        """Gives up frames of which nothing will be heard, or nothing in time."""
        dispatcher = self._dispatcher
        dispatcher.note_given_up(device, {})
        is_silent = device.silence.is_silent
        for ticket, handed in list(device.held.items()):
            frame = handed.frame
            grace_ms = 0.0
            if not is_silent:  # it answers others; else it would be silent by then
                grace_ms = max(frame.gate.slo_ms, batch_ms + 2 * PATIENCE_MS)
            if frame.deadline_ms + grace_ms < now_ms:
                device.gone[ticket] = device.held.pop(ticket)
                dispatcher.end(frame, DEVICE_SILENT, now_ms)
        for ticket, handed in list(device.gone.items()):
            if handed.frame.deadline_ms + FORGET_MS < now_ms:
                del device.gone[ticket]
                if handed.is_alone:
                    dispatcher.trial_over(handed, now_ms, ran_well=False)

    def _fall_silent(self, device: AttachedDevice, now_ms: float) -> None:
        """Moves the frames of a device that hangs; those that nobody else can take stay, in case it comes back."""
        text = f"the executor of {device.device_id} is silent with {len(device.held)} frames"
        self._out.append(Note("ERROR", text))
        at_work = self._dispatcher.at_work(device)
        self._lost(device, at_work.values(), now_ms)
        for ticket, handed in safest_first(device.held, at_work):
            if not handed.is_alone and self._dispatcher.move(handed.frame, now_ms):
                device.gone[ticket] = device.held.pop(ticket)

    def gone(self, device: AttachedDevice, now_ms: float) -> None:
        """Moves the frames of a dead device; not those that were alone at work."""
        dispatcher, device_id = self._dispatcher, device.device_id
        del self._fleet.devices[device_id]
        text = f"the executor of {device_id} is gone with {len(device.held)} frames"
        self._out.append(Note("WARNING", text))
        at_work = dispatcher.at_work(device)
        self._lost(device, at_work.values(), now_ms)
        waited = [
            handed
            for ticket, handed in (device.held | device.gone).items()
            if handed.is_alone and ticket not in at_work
        ]
        for handed in waited:  # alone, and had not begun
            self._suspects.ended(handed, ran_well=False)
        for ticket, handed in safest_first(device.held, at_work):
            is_over = handed.is_alone and ticket in at_work
            if is_over or not dispatcher.move(handed.frame, now_ms):
                dispatcher.end(handed.frame, DEVICE_FAILED, now_ms)
        for handed in waited:
            dispatcher.release(handed.stream_id, now_ms)
        if device.is_crash is not None:
            self.judge(device_id, now_ms, is_crash=device.is_crash)
        dispatcher.serve_waiting(now_ms)

    def judge(self, device_id: str, now_ms: float, *, is_crash: bool) -> None:
        """Ends the streams that a dead device was alone at work on, if they are guilty."""
        tried, condemned = self._suspects.explain(device_id, is_crash=is_crash)
        for stream_id in tried:
            self._dispatcher.release(stream_id, now_ms)
        for stream_id in condemned:
            self._on_poison(stream_id, now_ms)

    def _lost(self, device: AttachedDevice, at_work: Iterable[Handed], now_ms: float) -> None:
        for frame, is_alone in at_work:
            text = (
                f"{device.device_id} was lost at work on frame {frame.sequence} of "
                f"{frame.gate.stream_id}: {frame.num_bytes} bytes, crc32c {frame.crc32c:08x}"
            )
            self._out.append(Note("WARNING", text + (", alone" if is_alone else "")))
        self._suspects.lost(device.device_id, at_work, now_ms)
