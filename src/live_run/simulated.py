"""A live run as the simulator takes it: the same cameras, links, frames and server."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence

from ..client.emulation import start_phases_s
from ..client.session import JPEG_QUALITY
from ..core.device import Device
from ..server.config import DeviceConfig, DeviceKind, ServerConfig
from ..server.zoo import load_served_zoo
from ..simulation.encoding import EncodedFrames
from ..simulation.scenario import Sampling, Scenario, ServerModel, SimulatedStream
from ..vision.preprocessing import Image, encode_frame
from .cameras import LiveCamera

BITS_PER_KBIT = 1000.0
NUM_ENCODERS = 1  # emulated cameras are one process, and share its encoder


def simulated_run(
    cameras: Sequence[LiveCamera],
    seconds: float,
    seed: int,
    config: ServerConfig,
    devices: Sequence[DeviceConfig],
    encoded: Mapping[int, EncodedFrames],
) -> Scenario:
    """What `stream_cameras` plays, as a scenario.

    Args:
        cameras: of different stream ids.
        seconds: how long each camera captures.
        seed: of the moments at which cameras start.
        config: the server's options; its seed is the planner's.
        devices: of the server, with their profiles measured.
        encoded: scene's seed to its encoded frames.

    Raises:
        UsageError: if the zoo or a profile is missing or broken.
        ValueError: if the simulator has no such devices or streams.
    """
    zoo = load_served_zoo(dataclasses.replace(config, devices=tuple(devices)))
    phases_s = start_phases_s([camera.fps for camera in cameras], seed)
    is_replayed = all(device.kind is DeviceKind.REPLAYED for device in devices)
    return Scenario(
        seconds=seconds + max(phases_s, default=0.0),  # each camera has its full time
        seed=config.seed,
        zoo=config.zoo,
        variants=zoo.variants,
        devices=tuple(Device(device.device_id, device.device_type) for device in devices),
        profiles={device.device_type: zoo.profiles[device.device_id] for device in devices},
        streams=tuple(
            SimulatedStream(
                stream_id=camera.stream_id,
                fps=camera.fps,
                slo_ms=camera.slo_ms,
                link=camera.trace,
                wire_ms=camera.wire_ms,
                phase_s=phase_s,
                leave_s=seconds,
                first_kbps=camera.trace.rate_kbps(0),
                encoded=encoded[camera.scene_seed],
            )
            for camera, phase_s in zip(cameras, phases_s, strict=True)
        ),
        server=ServerModel(
            planner=config.planner,
            batcher=config.batcher,
            max_batch_size=config.max_batch_size,
            plan_period_ms=config.plan_period_ms,
            max_waiting_frames=config.max_waiting_frames,
            rate_tolerance_ratio=config.rate_tolerance_ratio,
            sampling=Sampling.REPLAYED if is_replayed else Sampling.LOG_NORMAL,
        ),
        num_encoders=NUM_ENCODERS,
    )


def measure_encoded(images: Sequence[Image], sides_px: Iterable[int]) -> EncodedFrames:
    """Encodes pictures as a client does, at each side; takes about 5 ms a picture and side."""
    kbits: dict[int, tuple[float, ...]] = {}
    encode_ms: dict[int, tuple[float, ...]] = {}
    for side_px in sides_px:
        measured = [_encode(image, side_px) for image in images]
        kbits[side_px] = tuple(size for size, _ in measured)
        encode_ms[side_px] = tuple(duration_ms for _, duration_ms in measured)
    return EncodedFrames(kbits, encode_ms)


def _encode(image: Image, side_px: int) -> tuple[float, float]:
    """Encoded size (kbit) and how long it took (ms)."""
    start_s = time.perf_counter()
    jpeg = encode_frame(image, side_px, JPEG_QUALITY)
    return 8 * len(jpeg) / BITS_PER_KBIT, 1000 * (time.perf_counter() - start_s)
