"""The devices that are there, and which of them takes a frame."""

from __future__ import annotations

from ...running_plan import RunningPlan
from .attached_device import AttachedDevice
from .held_frame import HeldFrame
from .suspects import Suspects


class Fleet:
    """Devices by name; they come and go at any time.

    Attributes:
        devices: those that are there.
    """

    def __init__(self, running: RunningPlan, suspects: Suspects) -> None:
        self.devices: dict[str, AttachedDevice] = {}
        self._running = running
        self._suspects = suspects

    @property
    def silent(self) -> list[str]:
        """Those that are as good as lost."""
        return [one.device_id for one in self.devices.values() if one.silence.is_silent]

    @property
    def num_speaking(self) -> int:
        """How many there are of the others."""
        return len(self.devices) - len(self.silent)

    def find(self, device_id: str, generation: int) -> AttachedDevice | None:
        """The device of that name, if it is of that generation."""
        device = self.devices.get(device_id)
        return device if device is not None and device.generation == generation else None

    def may_start(self, frame: HeldFrame, now_ms: float) -> bool:
        """Whether a frame may be sent now, as far as its stream is a suspect."""
        if self._suspects.is_empty:
            return True
        if not self._suspects.is_suspect(frame):
            return not self._suspects.is_condemned(frame)
        return self._suspects.may_start(frame, now_ms, self.num_speaking)

    def choose(self, frame: HeldFrame, device_id: str, now_ms: float) -> AttachedDevice | None:
        """The device that is planned; where it is lost, another one that can make it, or the silent one after all."""
        planned = self.devices.get(device_id)
        if planned is not None and not planned.silence.is_silent:
            is_fair = not self._suspects.is_suspect(frame) or not self._has_died(planned, now_ms)
            return planned if is_fair else self.substitute(frame, now_ms) or planned
        return self.substitute(frame, now_ms) or planned

    def substitute(self, frame: HeldFrame, now_ms: float) -> AttachedDevice | None:
        """The device with the fewest frames that could answer in time; None if there is none.

        Suspects are tried where nobody died of late, if there is such a device.
        """
        planned, left_ms = self._running.view.devices, frame.deadline_ms - now_ms
        able = [
            device
            for device in self.devices.values()
            if not device.silence.is_silent
            and (running := planned.get(device.device_id)) is not None
            and running.first_answer_ms <= left_ms
        ]
        is_suspect = self._suspects.is_suspect(frame)
        return min(
            able,
            key=lambda one: (is_suspect and self._has_died(one, now_ms), len(one.held)),
            default=None,
        )

    def _has_died(self, device: AttachedDevice, now_ms: float) -> bool:
        return self._suspects.has_died(device.device_id, now_ms)
