"""A small server in the test's own process, that does what the test tells it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import google_crc32c
import grpc
import grpc.aio
from free_ports import free_port
from google.protobuf import any_pb2
from google.rpc import code_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from moonjelly.protos import serving_pb2 as pb
from moonjelly.protos import serving_pb2_grpc as pb_grpc

SIZES = ((128, 50.0), (320, 200.0), (608, 600.0))


@dataclass
class FakeServer(pb_grpc.ServingServicer, health_pb2_grpc.HealthServicer):
    """Answers each frame after a while; what it was sent can be looked at."""

    answer_s: float = 0.002
    advised_px: int = 320
    served_px: int = 0  # 0 as from servers that do not tell
    qualities: tuple[pb.JpegQuality, ...] = ()
    refusal: pb.Refusal | None = None
    refusal_code: int = code_pb2.RESOURCE_EXHAUSTED
    register_error: tuple[grpc.StatusCode, str] | None = None
    end_with: tuple[grpc.StatusCode, str] | None = None  # how it ends a stream that it just opened
    drop: pb.Drop | None = None  # instead of detections
    num_results: int = 1  # for each frame; 0 keeps silent
    is_mute: bool = False  # sends not even acks
    frames: list[pb.Frame] = field(default_factory=list)
    registrations: list[pb.RegisterRequest] = field(default_factory=list)
    options: tuple[tuple[str, int], ...] = ()  # of gRPC
    results: list[pb.Result] = field(
        default_factory=list
    )  # of the next frames, but for their sequence
    num_goodbyes: int = 0
    num_open: int = 0
    port: int = 0
    _server: grpc.aio.Server | None = None
    _streams: set[asyncio.Queue] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> FakeServer:
        await self.start()
        return self

    async def __aexit__(self, *_) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *self.options])
        pb_grpc.add_ServingServicer_to_server(self, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port or free_port()}")
        await self._server.start()

    async def stop(self) -> None:
        """Ends at once, as if killed; may be started again on the same port."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    def say(self, message: pb.ServerMessage) -> None:
        """Sends something on every stream."""
        for outbox in self._streams:
            outbox.put_nowait(message)

    def end_all(self, code: grpc.StatusCode, detail: str) -> None:
        """Ends every stream with a status."""
        for outbox in self._streams:
            outbox.put_nowait((code, detail))

    async def Check(self, request, context):  # noqa: N802
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    async def Register(self, request, context):  # noqa: N802
        self.registrations.append(request)
        if self.register_error is not None:
            await context.abort(*self.register_error)
        if self.refusal is not None:
            detail = any_pb2.Any()
            detail.Pack(self.refusal)
            status = status_pb2.Status(
                code=self.refusal_code, message=self.refusal.detail, details=[detail]
            )
            await context.abort_with_status(rpc_status.to_status(status))
        sizes = [pb.InputSize(side_px=side, frame_kbits=kbits) for side, kbits in SIZES]
        zoo = pb.Zoo(name="fake", class_names=["car", "bus"], sizes=sizes, qualities=self.qualities)
        return pb.RegisterReply(
            session=f"s{len(self.registrations)}",
            zoo=zoo,
            advised_side_px=self.advised_px,
            served_side_px=self.served_px,
        )

    async def Stream(self, request_iterator, context):  # noqa: N802
        opened = await anext(request_iterator)
        assert opened.open.session.startswith("s")
        if self.end_with is not None:
            await context.abort(*self.end_with)
        outbox = asyncio.Queue()
        self._streams.add(outbox)
        self.num_open += 1
        reading = asyncio.create_task(self._read(request_iterator, outbox))
        try:
            while (message := await outbox.get()) is not None:
                if isinstance(message, tuple):
                    await context.abort(*message)
                yield message
        finally:
            self._streams.discard(outbox)
            self.num_open -= 1
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self, request_iterator, outbox) -> None:
        answering = set()
        async for message in request_iterator:
            if message.HasField("goodbye"):
                self.num_goodbyes += 1
                break
            frame = message.frame
            assert frame.jpeg_bytes == len(frame.jpeg)
            assert frame.jpeg_crc32c == google_crc32c.value(frame.jpeg)
            self.frames.append(frame)
            if self.is_mute:
                continue
            outbox.put_nowait(
                pb.ServerMessage(acks=[pb.Ack(sequence=frame.sequence, held_ms=0.01)])
            )
            task = asyncio.create_task(self._answer(frame, outbox))
            answering.add(task)
            task.add_done_callback(answering.discard)
        await asyncio.gather(*answering)
        outbox.put_nowait(None)

    async def _answer(self, frame, outbox) -> None:
        await asyncio.sleep(self.answer_s)
        result = pb.Result(
            sequence=frame.sequence,
            advised_side_px=self.advised_px,
            served_side_px=self.served_px,
            plan_epoch=7,
        )
        if self.results:
            result.MergeFrom(self.results.pop(0))
        elif self.drop is None:
            result.verdict = pb.ANSWERED
            result.detections.boxes.extend([0.1, 0.2, 0.3, 0.4])
            result.detections.scores.append(0.9)
            result.detections.class_ids.append(1)
            result.variant, result.batch_size = "fake-320", 1
            result.timings.inference_ms, result.timings.server_ms = 1.5, 2.0
        else:
            result.verdict = pb.DROPPED
            result.drop.CopyFrom(self.drop)
        for _ in range(self.num_results):
            outbox.put_nowait(pb.ServerMessage(results=[result]))


async def until(condition, timeout_s: float = 60.0) -> None:
    """Waits until a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 any condition
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def unused_address():
    """An address where nobody listens."""
    yield f"127.0.0.1:{free_port()}"
