"""The cameras of a run, played to a server through their links, while the machine is watched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..client.answers import Answer
from ..client.emulation import CameraResult, EmulatedCamera, run_cameras
from ..client.errors import Refused
from ..client.sources import FrameSource
from ..reporting.load import write_load
from ..reporting.run_folder import StreamInfo
from .cameras import LiveCamera
from .load import LoadMeter


@dataclass(frozen=True, slots=True)
class CameraReport:
    """What came of a camera.

    Attributes:
        info: the camera as `run.json` describes it.
        is_refused: whether it was not admitted.
        problem: what broke it off; empty if nothing did.
        class_names: of the zoo that answered, by class id.
    """

    info: StreamInfo
    is_refused: bool
    problem: str
    class_names: tuple[str, ...]

    @classmethod
    def of(cls, result: CameraResult, link: str) -> Self:
        """Sums up a camera; `link` tells in words what lay between it and the server."""
        is_refused = isinstance(result.problem, Refused)
        problem = "" if is_refused or result.problem is None else str(result.problem)
        return cls(result.stream_info(link), is_refused, problem, tuple(result.class_names))


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
    """Streams all cameras for a while; writes `frames.csv`, `answers.jsonl` and `load.json`.

    Raises:
        OSError: if a log cannot be written.
    """
    emulated = [
        EmulatedCamera(
            stream_id=camera.stream_id,
            source=camera.source,
            fps=camera.fps,
            slo_ms=camera.slo_ms,
            server=address_of(camera.stream_id),
            bandwidth_kbps=camera.trace.rate_kbps(camera.start_s),
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
                starts_s=[camera.start_s for camera in cameras],
                on_answer=on_answer,
            )
        finally:
            metering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await metering
            write_load(out_dir, meter.load())

    return asyncio.run(play())
