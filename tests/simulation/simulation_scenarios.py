from __future__ import annotations

import math
from typing import Any

from moonjelly.core.device import Device
from moonjelly.core.profile import BatchLatency, LatencyProfile
from moonjelly.core.records import (
    BatchRecord,
    EnergyRecord,
    FrameRecord,
    PlanRecord,
    ServerFrameRecord,
)
from moonjelly.core.variant import Variant
from moonjelly.links.traces import LinkTrace, constant_trace
from moonjelly.simulation.scenario import Sampling, Scenario, ServerModel, SimulatedStream
from moonjelly.simulation.simulation import Observers, Simulation, StreamResult

VARIANTS = (Variant("small", 128, 0.2, 50.0), Variant("large", 416, 0.4, 300.0))
SMALL_MS, LARGE_MS = (5.0, 6.0, 7.0, 8.0), (20.0, 25.0, 30.0, 35.0)


def stream(stream_id: str = "cam", **changes: Any) -> SimulatedStream:
    values: dict[str, Any] = {
        "fps": 10.0,
        "slo_ms": 200.0,
        "link": constant_trace(20.0),
        "wire_ms": 5.0,
        "first_kbps": 20_000.0,
    }
    return SimulatedStream(stream_id=stream_id, **(values | changes))


def scenario(*streams: SimulatedStream, num_devices: int = 1, **changes: Any) -> Scenario:
    server = changes.pop("server", ServerModel(sampling=Sampling.REPLAYED, planner="sa-dp"))
    latency = {"small": BatchLatency(SMALL_MS, SMALL_MS), "large": BatchLatency(LARGE_MS, LARGE_MS)}
    values: dict[str, Any] = {
        "seconds": 5.0,
        "zoo": "drawn",
        "variants": VARIANTS,
        "devices": tuple(Device(f"gpu-{number}", "gpu") for number in range(num_devices)),
        "profiles": {"gpu": LatencyProfile("gpu", latency)},
        "streams": streams or (stream(),),
        "server": server,
    }
    return Scenario(**(values | changes))


class Ran:
    """A run to its end, with everything that was logged."""

    def __init__(self, what: Scenario) -> None:
        self.frames: list[FrameRecord] = []
        self.plans: list[PlanRecord] = []
        self.batches: list[BatchRecord] = []
        self.server_frames: list[ServerFrameRecord] = []
        self.energies: list[EnergyRecord] = []
        self.simulation = Simulation(
            what,
            Observers(
                self.frames.append,
                self.plans.extend,
                self.batches.append,
                self.server_frames.append,
                on_energy=self.energies.append,
            ),
        )

    def finish(self) -> Ran:
        self.simulation.run_until(math.inf)
        return self

    @property
    def results(self) -> tuple[StreamResult, ...]:
        return self.simulation.results()

    def share_in_time(self) -> float:
        return sum(row.verdict == "in_time" for row in self.frames) / len(self.frames)


def steps(*values_mbps: float, period_s: float = 1.0) -> LinkTrace:
    return LinkTrace(values_mbps, period_s)
