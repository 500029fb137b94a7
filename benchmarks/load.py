"""Load generators that speak the wire protocol directly, so that no client logic colours a measurement."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import cv2
import google_crc32c
import grpc
import numpy as np

from moonjelly.protos import serving_pb2 as pb
from moonjelly.protos import serving_pb2_grpc
from moonjelly.vision.scenes import Scene

LINK = pb.LinkEstimate(bandwidth_kbps=1e6, wire_ms=0.05)  # loopback
ANSWER_LIMIT_S = 2.0  # a frame without an answer by then counts as missed


def scene_jpeg(side_px: int, jpeg_bytes: int, seed: int = 7) -> bytes:
    """A drawn frame of that side, at the JPEG quality whose size comes closest to `jpeg_bytes`."""
    image = Scene(seed, split="test").frame(20).image
    resized = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)
    sizes = [
        cv2.imencode(".jpg", resized, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        for quality in range(20, 101)
    ]
    return min(sizes, key=lambda jpeg: abs(len(jpeg) - jpeg_bytes))


def frame_message(jpeg: bytes, side_px: int) -> pb.ClientMessage:
    """A frame as the protocol wants it; the caller sets sequence and age."""
    return pb.ClientMessage(
        frame=pb.Frame(
            width_px=side_px,
            height_px=side_px,
            jpeg_bytes=len(jpeg),
            jpeg_crc32c=google_crc32c.value(jpeg),
            jpeg=jpeg,
            link=LINK,
        )
    )


@dataclass(slots=True)
class CameraCount:
    """What became of one open-loop camera's frames.

    Attributes:
        is_admitted: whether the server took the stream.
        lost: how the server ended the stream, if it did; its later frames count as offered and are never answered.
        offered: frames scheduled.
        due_s: when each was scheduled (monotonic clock).
        answered_ms: sequence number to latency of the answered ones, from the scheduled send time.
        variants: name to number of answers.
        drops: reason to number of frames.
    """

    is_admitted: bool = True
    lost: str = ""
    offered: int = 0
    due_s: list[float] = field(default_factory=list)
    answered_ms: dict[int, float] = field(default_factory=dict)
    variants: dict[str, int] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)

    @property
    def latencies_ms(self) -> list[float]:
        """Of the answered frames."""
        return list(self.answered_ms.values())


async def run_camera(
    address: str,
    stream_id: str,
    fps: float,
    slo_ms: float,
    message: pb.ClientMessage,
    seconds: float,
    phase: float,
    *,
    on_open: Callable[[], object] = lambda: None,
    token: str = "",
    greed_ratio: float = 1.0,
) -> CameraCount:
    """Sends frames at their scheduled times whatever comes back (open loop), of a tenant if there is a token.

    For each frame that it declares it sends `greed_ratio`. A refused camera keeps its schedule: its frames count as offered
    and are never answered. `on_open` is called when the server has acknowledged the first frame.
    """
    count = CameraCount()
    metadata = (("authorization", f"Bearer {token}"),) if token else None
    fps_sent = fps * greed_ratio
    own = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each camera
    async with grpc.aio.insecure_channel(address, options=own) as channel:
        stub = serving_pb2_grpc.ServingStub(channel)
        try:
            reply = await stub.Register(
                pb.RegisterRequest(stream_id=stream_id, fps=fps, slo_ms=slo_ms, link=LINK),
                timeout=10,
                metadata=metadata,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            count.is_admitted = False
            count.offered = round(seconds * fps_sent)
            start = time.monotonic() + phase / fps
            count.due_s = [start + sequence / fps_sent for sequence in range(count.offered)]
            return count
        call = stub.Stream(metadata=metadata)
        await call.write(pb.ClientMessage(open=pb.Open(session=reply.session)))

        async def receive() -> None:
            is_open = False
            async for answer in call:
                now = time.monotonic()
                if not is_open:
                    is_open = True
                    on_open()
                for result in answer.results:
                    if result.verdict == pb.ANSWERED:
                        sequence = result.sequence
                        count.answered_ms[sequence] = 1000 * (now - count.due_s[sequence])
                        count.variants[result.variant] = count.variants.get(result.variant, 0) + 1
                    else:
                        reason = result.drop.reason
                        count.drops[reason] = count.drops.get(reason, 0) + 1

        receiver = asyncio.create_task(receive())
        start = time.monotonic() + phase / fps
        for sequence in range(round(seconds * fps_sent)):
            due = start + sequence / fps_sent
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            count.due_s.append(due)
            message.frame.sequence = sequence
            message.frame.age_ms = max(0.0, 1000 * (time.monotonic() - due))
            count.offered += 1
            if not receiver.done():
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await call.write(message)
        await asyncio.sleep(ANSWER_LIMIT_S)
        try:
            await call.write(pb.ClientMessage(goodbye=pb.Goodbye()))
            await call.done_writing()
            await receiver
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            error = receiver.exception() if receiver.done() else None
            count.lost = (
                f"{error.code().name}: {error.details()}"
                if isinstance(error, grpc.aio.AioRpcError)
                else "lost"
            )
    return count


async def run_cameras(
    address: str,
    num_cameras: int,
    fps: float,
    slo_ms: float,
    jpeg: bytes,
    side_px: int,
    seconds: float,
    on_open: Callable[[], object] = lambda: None,
) -> list[CameraCount]:
    """Runs cameras side by side, their phases spread over one frame period."""
    return await asyncio.gather(
        *(
            run_camera(
                address,
                f"camera-{n}",
                fps,
                slo_ms,
                frame_message(jpeg, side_px),
                seconds,
                n / num_cameras,
                on_open=on_open,
            )
            for n in range(num_cameras)
        )
    )


@dataclass(slots=True)
class Saturation:
    """What closed-loop streams got through.

    Attributes:
        num_answers: within the measured time.
        seconds: measured time.
        latencies_ms: write to answer, of each.
    """

    num_answers: int
    seconds: float
    latencies_ms: list[float]

    @property
    def rate_fps(self) -> float:
        """Answers per second."""
        return self.num_answers / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """A percentile of the latencies."""
        return float(np.percentile(self.latencies_ms, percent))


async def saturate(
    calls: list[tuple[grpc.aio.StreamStreamCall, AsyncIterator[list[int]], pb.ClientMessage]],
    window: int,
    seconds: float,
) -> Saturation:
    """Keeps `window` frames of each stream unanswered, for that long.

    Args:
        calls: per stream the call to write to, the sequences answered as they come, and the frame.
        window: frames under way per stream.
        seconds: measured time, after a tenth of it as warm-up.
    """
    warm_up_s = seconds / 10
    start = time.monotonic() + warm_up_s
    end = start + seconds
    latencies_ms: list[float] = []

    async def one(
        call: grpc.aio.StreamStreamCall,
        answers: AsyncIterator[list[int]],
        message: pb.ClientMessage,
    ) -> int:
        num_answers, sequence, under_way = 0, 0, {}
        while True:
            while len(under_way) < window and time.monotonic() < end:
                message.frame.sequence = sequence
                under_way[sequence] = time.monotonic()
                sequence += 1
                await call.write(message)
            if not under_way:
                return num_answers
            for answered in await anext(answers):
                now = time.monotonic()
                sent = under_way.pop(answered)
                if start <= now < end:
                    num_answers += 1
                    latencies_ms.append(1000 * (now - sent))

    counts = await asyncio.gather(*(one(*call) for call in calls))
    return Saturation(sum(counts), seconds, latencies_ms)
