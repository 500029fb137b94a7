"""A live run as the simulator takes it: the same cameras, links, frames and server."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..adapting.frame_sizes import DEFAULT_QUALITY
from ..client.emulation import start_phases_s
from ..core.device import Device
from ..core.link import KBITS_PER_BYTE
from ..core.options import same_options
from ..core.zoo import Fit
from ..devices.config import DeviceConfig, DeviceKind
from ..devices.replay import SlowdownScript
from ..reporting.load import MachineLoad
from ..scheduling.serving_options import ServingOptions
from ..server.config import ServerConfig
from ..server.zoo import load_served_zoo
from ..simulation.recorded_sizes import RecordedSizes
from ..simulation.scenario import Sampling, Scenario, ServerModel, SimulatedStream
from ..zoos import power_table
from .cameras import LiveCamera
from .videos import OnPicture, VideoCamera

CONNECT_S = 0.05
"""From the start of a link's trace until its camera has connected, probed its link and registered."""
ENCODE_MS = 0.6
"""From a frame's capture until it is sent, where frames are encoded in advance: changes of threads."""
STACK_MS = 0.3
"""What gRPC, loopback and relay add to the delay of a link, each way."""
PLAN_MS = 2.0
"""From the state that a plan is made of until executors have it, with a few streams."""
SIZE_PERIOD = 5
"""One picture in so many is encoded to learn sizes: each fifth of a second of a drawn street."""
QUIET = MachineLoad(
    processor_ratio=0.4, capture_late_p50_ms=0.6, capture_late_p99_ms=2.0, capture_late_max_ms=5.0
)
"""A machine of two cores that does nothing else: timers are up to 1 ms late, and seldom more."""


@dataclass(frozen=True, slots=True)
class Chance:
    """What befalls a live run and no description fixes.

    Attributes:
        first_frames_s: stream id to when it captured its first frame, counted from the start of its
            link's trace; how cameras meet at a device hangs on it.
    """

    load: MachineLoad = QUIET
    first_frames_s: Mapping[str, float] = field(default_factory=dict)


CALM = Chance()


def simulated_run(
    cameras: Sequence[LiveCamera],
    seconds: float,
    seed: int,
    config: ServerConfig,
    devices: Sequence[DeviceConfig],
    sizes: Mapping[str, RecordedSizes],
    chance: Chance = CALM,
) -> Scenario:
    """What `stream_cameras` plays, as a scenario; sizes are those of the frames of each stream.

    Each timer of cameras and relay is late as the load of the live run tells.

    Raises:
        UsageError: if the zoo or a profile is missing or broken.
        ValueError: if the simulator has no such devices or streams.
    """
    zoo = load_served_zoo(dataclasses.replace(config, devices=tuple(devices)))
    phases_s = start_phases_s([camera.fps for camera in cameras], seed)
    modes = {
        device.device_type: table
        for device in devices
        if (table := zoo.modes(device.device_id)) is not None
    }
    is_replayed = all(device.kind is DeviceKind.REPLAYED for device in devices)
    return Scenario(
        seconds=CONNECT_S + max(camera.start_s for camera in cameras) + seconds,
        seed=config.seed,
        zoo=zoo.name,
        variants=zoo.variants,
        qualities=zoo.qualities,
        devices=tuple(Device(device.device_id, device.device_type) for device in devices),
        slowdowns={
            device.device_id: SlowdownScript.parse(device.slowdown)
            for device in devices
            if device.slowdown
        },
        profiles={device.device_type: zoo.profiles[device.device_id] for device in devices},
        modes=modes,
        powers={
            device.device_type: power
            for device in devices
            if (table := modes.get(device.device_type)) is not None
            and (power := power_table(zoo.files[device.device_id], table)) is not None
        },
        streams=tuple(
            SimulatedStream(
                stream_id=camera.stream_id,
                fps=camera.fps,
                slo_ms=camera.slo_ms,
                wire_ms=camera.wire_ms + STACK_MS,
                policy=camera.policy,
                estimator=camera.estimator,
                link=camera.trace,
                join_s=CONNECT_S + camera.start_s,
                phase_s=phase_s,
                leave_s=CONNECT_S + camera.start_s + seconds,
                first_frame_s=chance.first_frames_s.get(camera.stream_id),
                first_kbps=camera.trace.rate_kbps(camera.start_s),
                frame_sizes=sizes[camera.stream_id],
                encode_ms=ENCODE_MS,
                jitter_p50_ms=chance.load.capture_late_p50_ms,
                jitter_p99_ms=max(chance.load.capture_late_p50_ms, chance.load.capture_late_p99_ms),
            )
            for camera, phase_s in zip(cameras, phases_s, strict=True)
        ),
        server=ServerModel(
            **same_options(config, ServingOptions),
            plan_ms=PLAN_MS,
            load_ms=config.replay_load_ms,
            clock_ms=config.replay_clock_ms,
            sampling=Sampling.REPLAYED if is_replayed else Sampling.LOG_NORMAL,
        ),
    )


def measured_sizes(
    camera: VideoCamera,
    num_frames: int,
    sides_px: Sequence[int],
    fit: Fit,
    on_picture: OnPicture = lambda _done, _of: None,
) -> RecordedSizes:
    """The sizes of a camera's frames at each side, as it encodes them: of one picture in five, which stands for those after it."""
    quality = DEFAULT_QUALITY.quality
    numbers = [number - number % SIZE_PERIOD for number in camera.numbers(num_frames)]
    camera.video.encode_ahead(numbers, sides_px, quality, fit, on_picture)
    num_bytes = camera.video.encoded_bytes(sides_px, quality, fit)
    return RecordedSizes(
        {
            side_px: tuple(KBITS_PER_BYTE * num_bytes[number, side_px] for number in numbers)
            for side_px in sides_px
        }
    )
