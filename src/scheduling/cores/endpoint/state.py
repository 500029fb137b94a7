"""What an endpoint's core knows. The modules beside it decide, each about one thing, and share this."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ....core.profile import BatchLatency
from ....core.variant import Variant
from ...limits import LimitTable
from ...pacing import URGENT_GAP_MS
from ...placement.planned import PlannedPlacer
from ...plan_view import PlanView, RunningPlan
from ...streams.adviser import Adviser
from ...streams.overhead import OverheadEstimate
from ...streams.stalls import StallWatch
from ...suspicion import Suspicion
from .attached_device import AttachedDevice, Handed
from .gate import StreamGate
from .instructions import DevicesChanged, Instruction
from .stimuli import EndpointRules
from .waiting_room import WaitingRoom


@dataclass(frozen=True, slots=True)
class Joining:
    """A stream that asked for a place, and how long it waits for the scheduler."""

    gate: StreamGate
    until_ms: float


class EndpointState:
    """What is there, and what is to be done.

    Attributes:
        out: instructions, in order.
        running: the plan, as it is carried out.
        overhead: checks, and the ways between processes. Decoding counts for its stream alone.
        sessions: the gates of the streams by name, in the order of registration.
        joining: who waits for a place, by request.
        report_at_ms: when the scheduler hears next how streams fare.
        is_urgent: whether that tells of who came, left, or changed much.
        devices: those that are there; they come and go at any time.
        known_devices: those that ever were.
        suspicion: whose frames may kill devices.
        waiting: frames that wait for a slot, or for their turn.
        placer: chooses the device of each frame, one at a time; it holds none.
        has_memory: whether the frame memory is there.
        num_free: its slots that no frame is in.
        stalls: tells when this process stood still.
        limits: what each address and tenant has taken.
    """

    def __init__(
        self,
        rules: EndpointRules,
        variants: Sequence[Variant],
        latency: Callable[[str, int], BatchLatency],
        bench: Callable[[str], Sequence[int]],
        now_ms: float,
    ) -> None:
        """Starts with nothing there.

        Args:
            rules: what it holds to.
            variants: least accurate first.
            latency: the profile of a device and a variant.
            bench: tells the tickets that a device is working at, or was when it died.
            now_ms: when it starts.
        """
        self.rules = rules
        self.out: list[Instruction] = []
        self.kbits: dict[int, float] = {}  # of each side; where variants share it, the most
        for one in variants:
            known = self.kbits.get(one.input_side_px, 0.0)
            self.kbits[one.input_side_px] = max(known, one.frame_kbits)
        self.index = {variant.name: number for number, variant in enumerate(variants)}
        self.running = RunningPlan(latency)
        self.adviser = Adviser(variants, rules.budget_rule)
        self.overhead = OverheadEstimate()
        self.sessions: dict[str, StreamGate] = {}
        self.joining: dict[int, Joining] = {}
        self.num_gates = 0
        self.has_scheduler = self.is_draining = False
        self.report_at_ms = math.inf
        self.is_urgent = False
        self.devices: dict[str, AttachedDevice] = {}
        self.known_devices: set[str] = set()
        self.known_silent: list[str] = []
        self.suspicion = Suspicion()
        self.waiting = WaitingRoom()
        self.placer = PlannedPlacer()
        self.has_memory = False
        self.num_free = rules.frame_slots
        self.next_ticket = 1
        self.stalls = StallWatch(now_ms)
        self.known_stall = self.stalls.latest
        self.limits = LimitTable(rules.limits)
        self._bench = bench

    @property
    def plan(self) -> PlanView:
        """The plan in force, as it is carried out."""
        return self.running.view

    @property
    def silent_devices(self) -> list[str]:
        """Devices that are there, and as good as lost."""
        return [one.device_id for one in self.devices.values() if one.is_silent]

    @property
    def num_speaking(self) -> int:
        """How many there are of the others."""
        return len(self.devices) - len(self.silent_devices)

    @property
    def can_run(self) -> bool:
        """Whether frames can be taken, and a device is there that speaks."""
        return self.has_memory and self.num_speaking > 0

    @property
    def num_held(self) -> int:
        """Frames that are at devices, or wait to be sent there."""
        return len(self.waiting) + sum(len(one.held) for one in self.devices.values())

    def find_device(self, device_id: str, generation: int) -> AttachedDevice | None:
        """The device of that name, if it is of that generation."""
        device = self.devices.get(device_id)
        return device if device is not None and device.generation == generation else None

    def at_work(self, device: AttachedDevice) -> dict[int, Handed]:
        """The frames that a device is working at, or was when it died, by ticket."""
        return device.at_work(self._bench(device.device_id))

    def report_soon(self, now_ms: float, *, is_urgent: bool = False) -> None:
        """Has the scheduler told; several changes make one report."""
        self.is_urgent = self.is_urgent or is_urgent
        self.report_at_ms = min(self.report_at_ms, now_ms + URGENT_GAP_MS)

    def devices_changed(self, now_ms: float) -> None:
        """The scheduler hears at once where a device hangs or speaks again."""
        silent = self.silent_devices
        if silent != self.known_silent:
            self.known_silent = silent
            self.report_soon(now_ms, is_urgent=True)
        self.out.append(DevicesChanged())
