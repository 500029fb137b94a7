"""A load on devices that obey scripts: in the simulator, or on a live server; and what came of it."""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from load import run_cameras, scene_jpeg

from moonjelly.core.device import Device
from moonjelly.core.profile import BatchLatency, LatencyProfile
from moonjelly.core.records import BatchRecord, PlanRecord, ServerFrameRecord
from moonjelly.devices.executors.replayed_executor import ReplayedExecutor
from moonjelly.devices.replay import SlowdownScript
from moonjelly.files.csv_log import read_records
from moonjelly.links.traces import constant_trace
from moonjelly.server.running_server import RunningServer
from moonjelly.simulation.scenario import Scenario, SimulatedStream
from moonjelly.simulation.simulation import Observers, Simulation
from moonjelly.zoos import find_profile, load_latency_profile, open_zoo

ZOO, TYPE = "replayed-gpu", "gpu"
EDGE_RATIO = 3.0  # a smaller device than the zoo's
FPS, SLO_MS = 10.0, 250.0
SIDE_PX, JPEG_BYTES = 320, 20_000


@dataclass(frozen=True)
class Load:
    """What runs: devices of one type, and cameras on good links.

    Attributes:
        variants: that may be served; empty for all.
        p99_ratio: p99 over median of the devices' profile; 0 for the zoo's own. In the simulator alone.
    """

    num_devices: int
    num_streams: int
    seconds: float = 30.0
    fps: float = FPS
    variants: tuple[str, ...] = ()
    p99_ratio: float = 0.0


class Seen(NamedTuple):
    """A captured frame, in seconds of the devices' scripts."""

    stream_id: str
    captured_s: float
    is_in_time: bool


class Run(ABC):
    """A run to its end.

    Attributes:
        frames: all that were captured.
        plans: the rows of each, with times of `captured_s` in milliseconds.
        served: stream, device and time (s) of frames that a device was given.
    """

    frames: list[Seen]
    plans: list[list[PlanRecord]]
    served: list[tuple[str, str, float]]

    def __init__(self, load: Load, scripts: Mapping[int, str], seed: int) -> None:
        """Runs it; `scripts` by number of the device."""
        self.frames, self.plans, self.served = [], [], []
        self._run(load, scripts, seed)

    def _run(self, load: Load, scripts: Mapping[int, str], seed: int) -> None:
        raise NotImplementedError

    def misses(self, from_s: float, to_s: float) -> int:
        """Frames captured meanwhile that were not answered in time."""
        return sum(not row.is_in_time and from_s <= row.captured_s < to_s for row in self.frames)

    def share_in_time(
        self, from_s: float, to_s: float, without: frozenset[str] = frozenset()
    ) -> float:
        """Of the frames captured meanwhile."""
        rows = [
            row.is_in_time
            for row in self.frames
            if from_s <= row.captured_s < to_s and row.stream_id not in without
        ]
        return sum(rows) / len(rows)

    def goodput_fps(self, from_s: float, to_s: float) -> float:
        """Frames in time a second, of those captured meanwhile."""
        in_time = sum(row.is_in_time and from_s <= row.captured_s < to_s for row in self.frames)
        return in_time / (to_s - from_s)

    def changes_s(self, from_s: float, to_s: float) -> list[float]:
        """When plans changed meanwhile."""
        epochs = [next(rows) for _, rows in groupby(self._rows(), key=lambda row: row.epoch)]
        return [row.at_ms / 1000 for row in epochs if from_s <= row.at_ms / 1000 < to_s]

    def settled_s(self, from_s: float, to_s: float, slack_ratio: float = 0.02) -> float:
        """How long it took until plans were as accurate, and served as many, as at the end of that time."""
        rows = [row for row in self._rows() if from_s <= row.at_ms / 1000 < to_s]
        last = rows[-1].accuracy_per_request * rows[-1].served_ratio
        off = [
            row.at_ms / 1000
            for row in rows
            if abs(row.accuracy_per_request * row.served_ratio - last) > slack_ratio * last
        ]
        return (
            next((row.at_ms / 1000 for row in rows if row.at_ms / 1000 > max(off, default=0)), 0.0)
            - from_s
        )

    def worth(self, at_s: float) -> float:
        """Accuracy a request of the plan in force then."""
        row = [row for row in self._rows() if row.at_ms / 1000 <= at_s][-1]
        return row.accuracy_per_request

    def fps(self, device_id: str, at_s: float) -> float:
        """What a device was planned to carry then; 0 if it was not in the plan."""
        rows = [rows for rows in self.plans if rows[0].at_ms / 1000 <= at_s][-1]
        return next((row.arrival_fps for row in rows if row.device_id == device_id), 0.0)

    def carried(self, device_id: str, from_s: float, to_s: float) -> list[tuple[float, float]]:
        """What a device was planned to carry, plan by plan (s, frame/s)."""
        return [
            (rows[0].at_ms / 1000, self.fps(device_id, rows[0].at_ms / 1000))
            for rows in self.plans
            if from_s <= rows[0].at_ms / 1000 < to_s
        ]

    def _rows(self) -> list[PlanRecord]:
        return [rows[0] for rows in self.plans]


class Twin(Run):
    """In the simulator."""

    def _run(self, load: Load, scripts: Mapping[int, str], seed: int) -> None:
        variants = tuple(
            one for one in open_zoo(ZOO).variants if not load.variants or one.name in load.variants
        )
        scenario = Scenario(
            seconds=load.seconds,
            seed=seed,
            zoo=ZOO,
            variants=variants,
            devices=tuple(Device(f"gpu-{k}", TYPE) for k in range(load.num_devices)),
            profiles={TYPE: profile(load.p99_ratio)},
            slowdowns={f"gpu-{k}": SlowdownScript.parse(text) for k, text in scripts.items()},
            streams=tuple(
                SimulatedStream(
                    stream_id=f"cam-{k}",
                    fps=load.fps,
                    slo_ms=SLO_MS,
                    link=constant_trace(60.0),
                    first_kbps=50_000.0,
                    wire_ms=2.0,
                )
                for k in range(load.num_streams)
            ),
        )
        observers = Observers(
            on_frame=lambda row: self.frames.append(
                Seen(row.stream_id, row.captured_ms / 1000, row.verdict == "in_time")
            ),
            on_plan=lambda plan: self.plans.append(list(plan)),
            on_server_frame=lambda row: self.served.append(
                (row.stream_id, row.device_id, row.read_ms / 1000)
            ),
        )
        Simulation(scenario, observers).run_until(math.inf)


class Live(Run):
    """On a server of this machine; the seed changes nothing. Refused cameras' frames are missed, as in the simulator."""

    def _run(self, load: Load, scripts: Mapping[int, str], seed: int) -> None:
        del seed
        devices = [
            f"replayed:{TYPE}" + (f"@{scripts[k]}" if k in scripts else "")
            for k in range(load.num_devices)
        ]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            arguments = ["--zoo", ZOO, "--out-dir", name, "--log-level", "warning"]
            arguments += ["--replay-latency-ratio", str(EDGE_RATIO), "--devices", *devices]
            arguments += ["--variants", ",".join(load.variants)] if load.variants else []
            with RunningServer(arguments, log_path=folder / "server.log") as server:
                jpeg = scene_jpeg(SIDE_PX, JPEG_BYTES)
                cameras = asyncio.run(
                    run_cameras(
                        server.address,
                        load.num_streams,
                        load.fps,
                        SLO_MS,
                        jpeg,
                        SIDE_PX,
                        load.seconds,
                    )
                )
            zero_s = self._zero_s(folder, scripts, min(one.due_s[0] for one in cameras))
            self._read(folder, zero_s)
        for number, camera in enumerate(cameras):
            for sequence, due_s in enumerate(camera.due_s):
                latency_ms = camera.answered_ms.get(sequence, math.inf)
                seen = Seen(f"cam-{number}", due_s - zero_s, latency_ms <= SLO_MS)
                self.frames.append(seen)

    @staticmethod
    def _zero_s(folder: Path, scripts: Mapping[int, str], first_s: float) -> float:
        """When the scripts began, as their first change shows; without one, the first frame."""
        for number, text in scripts.items():
            script = SlowdownScript.parse(text)
            rows = read_records(folder / f"batches-replayed{number}.csv", BatchRecord)
            changed = [
                row.at_ms / 1000
                for row in rows
                if abs(math.log(row.inference_ms / row.expected_ms / script.factors[0])) < 0.2
            ]
            if changed:
                return changed[0] - script.starts_s[0]
        return first_s

    def _read(self, folder: Path, zero_s: float) -> None:
        """Names devices and times as the simulator does."""
        rows = [
            row._replace(
                device_id=row.device_id.replace("replayed", "gpu-"), at_ms=row.at_ms - 1000 * zero_s
            )
            for path in sorted(folder.glob("plans*.csv"))
            for row in read_records(path, PlanRecord)
        ]
        self.plans = [list(group) for _, group in groupby(rows, key=lambda row: row.at_ms)]
        self.served = [
            (
                row.stream_id.replace("camera", "cam"),
                row.device_id.replace("replayed", "gpu-"),
                row.read_ms / 1000 - zero_s,
            )
            for path in sorted(folder.glob("server_frames*.csv"))
            for row in read_records(path, ServerFrameRecord)
        ]


def profile(p99_ratio: float = 0.0) -> LatencyProfile:
    """Of the devices."""
    path = find_profile(open_zoo(ZOO), TYPE, None)
    if path is None:
        raise FileNotFoundError(f"{ZOO}: has no profile {TYPE}")
    latencies = load_latency_profile(path, open_zoo(ZOO).variants).by_variant
    return LatencyProfile(TYPE, {name: _scaled(one, p99_ratio) for name, one in latencies.items()})


def _scaled(latency: BatchLatency, p99_ratio: float) -> BatchLatency:
    p50_ms = tuple(EDGE_RATIO * ms for ms in latency.p50_ms)
    p99_ms = tuple(EDGE_RATIO * ms for ms in latency.p99_ms)
    if p99_ratio:
        p99_ms = tuple(p99_ratio * ms for ms in p50_ms)
    return BatchLatency.monotone(p50_ms, p99_ms)


def closed_loop_fps(variant: str, p99_ratio: float = 0.0) -> float:
    """What a device carries when the largest batches follow each other."""
    latency = profile(p99_ratio).by_variant[variant]
    sigma = math.log(latency.p99_ms[-1] / latency.p50_ms[-1]) / 2.3263
    return 1000 * latency.max_batch_size / (latency.p50_ms[-1] * math.exp(sigma * sigma / 2))


def replayed_fps(variant: str, seconds: float = 4.0) -> float:
    """The same of a replayed executor on this machine, measured now."""
    latencies = profile().by_variant
    executor, size = ReplayedExecutor(latencies), latencies[variant].max_batch_size
    executor.load(variant, size)
    num_frames, start_s = 0, time.monotonic()
    while time.monotonic() < start_s + seconds:
        num_frames += len(executor.finish(executor.start(variant, [None] * size)))
    return num_frames / (time.monotonic() - start_s)
