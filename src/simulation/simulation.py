"""One run of a scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, cycle
from random import Random

from ..adapting.frame_sizes import FrameChoices, frame_sizes
from ..core.device import Device
from ..core.ledger import Ledger
from ..core.mode import latencies_by_clock
from ..core.records import (
    BatchRecord,
    EnergyRecord,
    FrameRecord,
    LoadRecord,
    PlanRecord,
    ServerFrameRecord,
)
from ..devices.replay import ALWAYS_AS_PROFILED
from ..scheduling.batching.registry import batcher
from ..scheduling.cores.device.core import DeviceCore
from ..scheduling.planning.admission import Refusal
from ..scheduling.sharing.entitlements import weights_of
from .absences import Absences
from .cameras import SimulatedCamera
from .devices import SimulatedClock, SimulatedDevice, draw_latency
from .events import EventQueue, Priority
from .meters import DepartingMeter
from .scenario import Scenario, SimulatedStream
from .scheduler import SimulatedScheduler
from .server import SimulatedServer


@dataclass(frozen=True, slots=True)
class Observers:
    """Who takes the rows of the run logs, as they come about; None spares the rows."""

    on_frame: Callable[[FrameRecord], None] | None = None
    on_plan: Callable[[Sequence[PlanRecord]], None] | None = None
    on_batch: Callable[[BatchRecord], None] | None = None
    on_server_frame: Callable[[ServerFrameRecord], None] | None = None
    on_load: Callable[[LoadRecord], None] | None = None
    on_energy: Callable[[EnergyRecord], None] | None = None


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What came of one stream.

    Attributes:
        num_frames: how many it captures if it is admitted.
        refusal: why it was not admitted; None if it was.
        num_late_answers: answers that came after their frames had been given up.
    """

    stream: SimulatedStream
    num_frames: int
    ledger: Ledger
    refusal: Refusal | None
    num_late_answers: int


class Simulation:
    """Holds all state of one run, so that runs in one process do not touch."""

    def __init__(self, scenario: Scenario, observers: Observers | None = None) -> None:
        """Prepares the run; nothing has happened yet."""
        observers = observers or Observers()
        self.scenario = scenario
        self._events = EventQueue()
        self._scheduler = SimulatedScheduler(scenario, self._events, observers.on_plan)
        self._devices: dict[str, SimulatedDevice] = {}
        self._server = SimulatedServer(
            scenario, self._devices, self._scheduler, self._events, observers.on_server_frame
        )
        self._observers = observers
        self._scheduler.attach(self._devices, self._server.take_plan)
        self._server.start()
        for device in scenario.devices:
            self._run_device(device)
        choices = FrameChoices(frame_sizes(scenario.variants), scenario.qualities)
        self._cameras = [
            SimulatedCamera(
                stream,
                choices,
                scenario.seconds,
                _random(scenario, stream.stream_id),
                self._server,
                self._events,
                observers.on_frame,
            )
            for stream in scenario.streams
        ]
        for camera in self._cameras:
            camera.start()

    def _run_device(self, device: Device) -> None:
        """Has a device come, and go and come again as the scenario says."""
        scenario = self.scenario
        table = scenario.profiles[device.device_type].by_variant
        latencies = {one.name: table[one.name] for one in scenario.variants}
        random = _random(scenario, device.device_id)
        meter_random = _random(scenario, f"{device.device_id} meter")
        draw_ms = draw_latency(scenario.server.sampling, latencies, random)
        by_clock = latencies_by_clock(scenario.modes.get(device.device_type), latencies)
        draws_ms = {
            mhz: draw_latency(scenario.server.sampling, some, random)
            for mhz, some in by_clock.items()
        }
        generations = count(1)
        weights = weights_of(scenario.tenants)

        def come() -> None:
            self._devices[device.device_id] = made = SimulatedDevice(
                device.device_id,
                next(generations),
                DeviceCore(
                    latencies,
                    batcher(scenario.server.batcher, weights),
                    num_loaded=scenario.server.loaded_variants,
                    max_batch_size=scenario.server.max_batch_size,
                    now_ms=self.now_ms,
                    by_clock=by_clock,
                    can_park=not scenario.server.no_parking,
                ),
                draw_ms,
                scenario.server.load_ms,
                self._events,
                slowdown=scenario.slowdowns.get(device.device_id, ALWAYS_AS_PROFILED),
                probes_until_ms=1000 * scenario.seconds,
                on_answers=self._server.answer,
                on_drop=self._server.drop,
                on_status=self._scheduler.take_status,
                on_batch=self._observers.on_batch,
                on_load=self._observers.on_load,
                power=scenario.powers.get(device.device_type),
                variants=list(latencies),
                on_energy=self._observers.on_energy,
                clock=SimulatedClock(scenario.server.clock_ms, draws_ms, self._events),
                meter=DepartingMeter(scenario.server.power_departure_ratio, meter_random),
                on_meter=self._scheduler.take_meter if self._scheduler.has_caps else None,
            )
            self._server.device_came(made)
            self._scheduler.device_came(device, made.generation)

        def go() -> None:
            gone = self._devices.pop(device.device_id)
            gone.go()
            self._server.device_gone(gone)
            self._scheduler.device_gone(gone)

        come()
        absences = scenario.absences.get(device.device_id, Absences())
        for at_s, change in zip(absences.times_s, cycle((go, come)), strict=False):
            if at_s < scenario.seconds:
                self._events.at(1000 * at_s, Priority.DONE, change)

    @property
    def now_ms(self) -> float:
        """The virtual time."""
        return self._events.now_ms

    @property
    def num_events(self) -> int:
        """Events to come; 0 when everything is over."""
        return len(self._events)

    @property
    def num_plans(self) -> int:
        """Plans made so far."""
        return self._scheduler.num_plans

    def run_until(self, end_ms: float) -> None:
        """Goes on to a virtual time; infinite to the end, when every frame has its verdict."""
        self._events.run_until(end_ms)
        if not self.num_events:
            for device in self._devices.values():
                device.close()

    def results(self) -> tuple[StreamResult, ...]:
        """What has come of the streams so far, in the scenario's order."""
        return tuple(
            StreamResult(
                camera.stream,
                camera.num_frames,
                camera.ledger,
                camera.refusal,
                camera.num_late_answers,
            )
            for camera in self._cameras
        )


def _random(scenario: Scenario, name: str) -> Random:
    """A source of chance of its own, so that one stream more leaves the others as they were."""
    return Random(f"{scenario.seed} {name}")  # noqa: S311 - text seeds are the same everywhere
