"""The cameras of a run, played to a server through their links, while the machine is watched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from ..client.answers import Answer
from ..client.emulation import CameraResult, EmulatedCamera, run_cameras
from ..client.sources import FrameSource
from .cameras import LiveCamera
from .load import LoadMeter, write_load


def play_cameras(
    cameras: Sequence[LiveCamera],
    sources: Sequence[FrameSource],
    address_of: Callable[[str], str],
    seconds: float,
    seed: int,
    out_dir: Path,
    zero_ms: float,
    on_answer: Callable[[Answer], None],
) -> list[CameraResult]:
    """Streams all cameras for a while; writes `frames.csv`, `detections.jsonl` and `load.json`.

    Args:
        cameras: of different stream ids.
        sources: what each of them sees.
        address_of: stream id to HOST:PORT of the near end of its link.
        seconds: how long each camera captures.
        seed: of the moments at which cameras start.
        out_dir: existing folder.
        zero_ms: time of the monotonic clock from which the logs count.
        on_answer: called with each answer.

    Raises:
        OSError: if a log cannot be written.
    """
    emulated = [
        EmulatedCamera(
            stream_id=camera.stream_id,
            source=f"scene:{camera.scene_seed}",
            fps=camera.fps,
            slo_ms=camera.slo_ms,
            server=address_of(camera.stream_id),
            bandwidth_kbps=camera.trace.rate_kbps(0),
            policy=camera.policy,
            estimator=camera.estimator,
        )
        for camera in cameras
    ]

    async def play() -> list[CameraResult]:
        meter = LoadMeter()
        metering = asyncio.create_task(meter.run(), name="load meter")
        try:
            return await run_cameras(
                emulated,
                seconds,
                out_dir,
                sources=sources,
                zero_ms=zero_ms,
                seed=seed,
                on_answer=on_answer,
            )
        finally:
            metering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await metering
            write_load(out_dir, meter.load())

    return asyncio.run(play())
