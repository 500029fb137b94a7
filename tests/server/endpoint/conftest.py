"""A real endpoint in this process, with a scheduler and executors that do as the test says."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import cv2
import google_crc32c
import grpc
import numpy as np
import pytest

from moonjelly.core.device import AnnouncedDevice, Device
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.files.shipped import shipped_folder
from moonjelly.protos import internal_pb2, serving_pb2
from moonjelly.protos.serving_pb2_grpc import ServingStub
from moonjelly.server.child import ChildContext
from moonjelly.server.config import ServerConfig
from moonjelly.server.endpoint.process import EndpointProcess
from moonjelly.server.wire.announcing import announcement
from moonjelly.server.wire.bench import Bench
from moonjelly.server.wire.channel import AsyncChannel, Channel, socket_pair
from moonjelly.server.wire.frame_memory import FrameReader, create_frame_memory
from moonjelly.zoos import load_latency_profile

LIMIT_S = 60.0
LINK = serving_pb2.LinkEstimate(bandwidth_kbps=100_000, wire_ms=0.5)
VARIANT = "yolov4-128"
DEVICES = ("gpu0", "gpu1")
PROFILE = load_latency_profile(shipped_folder("profiles") / "replayed-gpu" / "latency-gpu.csv")


def jpeg_of(side_px: int = 128, seed: int = 1) -> bytes:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 255, (side_px // 8, side_px // 8, 3), dtype=np.uint8)
    picture = cv2.resize(picture, (side_px, side_px))
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


JPEG = jpeg_of()


def frame(sequence: int, jpeg: bytes = JPEG, **changes: Any) -> serving_pb2.ClientMessage:
    """A sound frame, with changes."""
    values: dict[str, Any] = {
        "sequence": sequence,
        "age_ms": 1.0,
        "width_px": 128,
        "height_px": 128,
        "jpeg_bytes": len(jpeg),
        "jpeg_crc32c": google_crc32c.value(jpeg),
        "jpeg": jpeg,
        "link": LINK,
    }
    return serving_pb2.ClientMessage(frame=serving_pb2.Frame(**(values | changes)))


def registration(stream_id: str = "cam", **changes: Any) -> serving_pb2.RegisterRequest:
    """A sound registration, with changes."""
    values: dict[str, Any] = {"stream_id": stream_id, "fps": 240.0, "slo_ms": 2000.0, "link": LINK}
    return serving_pb2.RegisterRequest(**(values | changes))


def open_of(session: str) -> serving_pb2.ClientMessage:
    """The first message of a stream."""
    return serving_pb2.ClientMessage(open=serving_pb2.Open(session=session))


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something has become true."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 conditions of many kinds
            await asyncio.sleep(0.002)


class FakeScheduler:
    """Accepts every stream and puts it on the first device, unless told otherwise."""

    def __init__(self) -> None:
        self.snapshots: list[internal_pb2.Snapshot] = []
        self.joins: list[internal_pb2.Join] = []
        self.leaves: list[internal_pb2.Leave] = []
        self.refusal: serving_pb2.Refusal | None = None
        self.is_mute = False
        self.device_id = DEVICES[0]
        self.placements: dict[str, str] = {}
        self.preempted: set[str] = set()
        self.epoch = 0
        self.channel: AsyncChannel | None = None

    def connect(self, end: socket.socket) -> None:
        self.channel = AsyncChannel(Channel(end), self._on_packet, lambda: None)

    def publish(self, batch_size: int = 4) -> None:
        self.epoch += 1
        plan = internal_pb2.PlanUpdate(
            epoch=self.epoch,
            devices=[
                internal_pb2.DevicePlan(device_id=one, variant=VARIANT, batch_size=batch_size)
                for one in DEVICES
            ],
            placements=[
                internal_pb2.Placement(
                    stream_id=stream, device_id=device, is_preempted=stream in self.preempted
                )
                for stream, device in self.placements.items()
            ],
        )
        assert self.channel is not None
        self.channel.send(internal_pb2.Envelope(plan=plan))

    def _on_packet(self, envelope: internal_pb2.Envelope, _: tuple[int, ...]) -> None:
        if envelope.HasField("snapshot"):
            self.snapshots.append(envelope.snapshot)
        elif envelope.HasField("leave"):
            self.leaves.append(envelope.leave)
        else:
            self.joins.append(envelope.join)
            if not self.is_mute:
                self.accept(envelope.join)

    def supersede(self, stream_id: str) -> None:
        assert self.channel is not None
        superseded = internal_pb2.Superseded(stream_id=stream_id)
        self.channel.send(internal_pb2.Envelope(superseded=superseded))

    def accept(self, join: internal_pb2.Join) -> None:
        """Answers as it is told to."""
        if self.refusal is None:
            self.placements[join.stream.stream_id] = self.device_id
            self.publish()
        reply = internal_pb2.JoinReply(
            request=join.request, is_accepted=self.refusal is None, refusal=self.refusal
        )
        assert self.channel is not None
        self.channel.send(internal_pb2.Envelope(join_reply=reply))


class FakeExecutor:
    """Answers every frame with one detection, unless it holds them; says on its bench what the test tells it to."""

    def __init__(self, reader: FrameReader) -> None:
        self.reader = reader
        self.is_holding = False
        self.frames: list[internal_pb2.FrameDescriptor] = []
        self.cancelled: list[int] = []
        self.bench = Bench()
        self.channel: AsyncChannel | None = None

    def connect(self, end: socket.socket) -> None:
        self.channel = AsyncChannel(Channel(end), self._on_packet, lambda: None)

    def _on_packet(self, envelope: internal_pb2.Envelope, descriptors: tuple[int, ...]) -> None:
        if envelope.HasField("cancel"):
            self.cancelled.extend(envelope.cancel.tickets)
            return
        if envelope.HasField("attach"):
            self.bench = Bench(descriptors[0])
            os.close(descriptors[0])
            return
        self.frames.append(envelope.frame)
        if not self.is_holding:
            self.answer(envelope.frame)

    def picture(self, frame: internal_pb2.FrameDescriptor) -> bytes:
        return bytes(self.reader.read(frame.slot, frame.slot_generation, frame.jpeg_bytes))

    def answer(self, *frames: internal_pb2.FrameDescriptor) -> None:
        results = internal_pb2.FrameResults(
            frames=[
                internal_pb2.FrameResult(
                    ticket=one.ticket,
                    detections=serving_pb2.Detections(
                        boxes=[0.1, 0.2, 0.3, 0.4], scores=[0.9], class_ids=[1]
                    ),
                    queue_ms=1.0,
                    decode_ms=0.5,
                )
                for one in frames
            ],
            variant=VARIANT,
            inference_ms=3.0,
            plan_epoch=1,
            batch_size=len(frames),
        )
        self.send(results)

    def send(self, results: internal_pb2.FrameResults) -> None:
        assert self.channel is not None
        self.channel.send(internal_pb2.Envelope(results=results))


class Harness:
    """The endpoint, its peers, and clients."""

    jpeg = JPEG
    jpeg_of = staticmethod(jpeg_of)
    frame = staticmethod(frame)
    registration = staticmethod(registration)
    until = staticmethod(until)
    open_of = staticmethod(open_of)

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.port = 0
        self.health: list[bool] = []
        self.scheduler = FakeScheduler()
        self.executors: dict[str, FakeExecutor] = {}
        self.num_starts = 0
        self.num_starts = 0
        self._memory = create_frame_memory(config.frame_slots, config.max_frame_bytes)
        self._reader = FrameReader(self._memory)
        ours, theirs = socket_pair()
        self._control = AsyncChannel(Channel(ours), self._on_packet, lambda: None)
        self.process = EndpointProcess(ChildContext("endpoint", 0, config, Channel(theirs)))
        self.running: asyncio.Task[None] | None = None
        self.channels = AsyncExitStack()

    @property
    def endpoint(self) -> Any:
        return self.process._endpoint

    def gate(self, stream_id: str) -> Any:
        return self.endpoint.core.sessions.get(stream_id)

    def session(self, stream_id: str) -> Any:
        return self.endpoint.sessions[self.gate(stream_id).number]

    @property
    def num_free_slots(self) -> int:
        return self.endpoint.devices.memory.num_free

    async def start(self, *, with_peers: bool = True) -> None:
        self.running = asyncio.create_task(self.process.run())
        self._attach(internal_pb2.Attach.FRAME_MEMORY, "endpoint-0", self._memory)
        if with_peers:
            self.attach_scheduler()
            for device_id in DEVICES:
                self.attach_executor(device_id)
        await until(lambda: self.port > 0)
        if with_peers:
            await until(lambda: self.health == [True])

    def attach_scheduler(self) -> None:
        ours, theirs = socket_pair()
        self.scheduler.connect(ours)
        with theirs:
            self._attach(internal_pb2.Attach.SOCKET, "scheduler-0", theirs.fileno())

    def attach_executor(self, device_id: str) -> FakeExecutor:
        executor = self.executors[device_id] = FakeExecutor(self._reader)
        ours, theirs = socket_pair()
        executor.connect(ours)
        name = f"executor-{DEVICES.index(device_id)}"
        with theirs:
            self._attach(internal_pb2.Attach.SOCKET, name, theirs.fileno())
        self.num_starts += 1
        for part in announcement(
            AnnouncedDevice(Device(device_id, "gpu"), self.num_starts, PROFILE)
        ):
            executor.channel.send(part)
        return executor

    def tell_death(self, device_id: str, *, is_crash: bool) -> None:
        """The supervisor says what an executor died of."""
        name = f"executor-{DEVICES.index(device_id)}"
        status = internal_pb2.ChildStatus(peer=name, is_alive=False, is_crash=is_crash)
        self._control.send(internal_pb2.Envelope(child_status=status))

    def stub(self) -> ServingStub:
        return ServingStub(self.channel())

    def channel(self, *options: tuple[str, Any]) -> grpc.aio.Channel:
        address = f"127.0.0.1:{self.port}"
        own = ("grpc.use_local_subchannel_pool", 1)
        channel = grpc.aio.insecure_channel(address, options=(own, *options))
        self.channels.push_async_callback(channel.close)
        return channel

    async def register(self, stream_id: str = "cam", **changes: Any) -> str:
        reply = await self.stub().Register(registration(stream_id, **changes), timeout=LIMIT_S)
        return str(reply.session)

    async def stream(self, stream_id: str = "cam", **changes: Any) -> FakeClient:
        """A registered stream that is open."""
        client = FakeClient(self.stub().Stream())
        await client.send(open_of(await self.register(stream_id, **changes)))
        return client

    async def replan(self) -> None:
        """Another plan like the last, made since all streams have opened."""
        sessions = self.endpoint.sessions
        await self.until(lambda: all(one.gate.is_open for one in sessions.values()))
        self.scheduler.publish()
        await self.until(lambda: self.endpoint.core.plan.epoch == self.scheduler.epoch)

    def drain(self, grace_ms: float = 0.0) -> None:
        self._control.send(internal_pb2.Envelope(drain=internal_pb2.Drain(grace_ms=grace_ms)))

    async def stop(self) -> None:
        assert self.running is not None
        await self.channels.aclose()
        if not self.running.done():
            self.drain()
        async with asyncio.timeout(LIMIT_S):
            await self.running
        for peer in (self.scheduler, *self.executors.values()):
            if peer.channel is not None:
                peer.channel.close()
        for executor in self.executors.values():
            executor.bench.close()
        self._control.close()
        for memory in (self._reader, self.endpoint.devices.memory):
            memory.close()
        os.close(self._memory)

    def _attach(self, what: internal_pb2.Attach.What, peer: str, descriptor: int) -> None:
        attach = internal_pb2.Attach(what=what, peer=peer)
        self._control.send(internal_pb2.Envelope(attach=attach), (descriptor,))

    def _on_packet(self, envelope: internal_pb2.Envelope, _: tuple[int, ...]) -> None:
        if envelope.HasField("ready"):
            self.port = envelope.ready.port
        elif envelope.HasField("child_status"):
            self.health.append(envelope.child_status.is_alive)


class FakeClient:
    """A client that does what the test says, and gathers what it is sent."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.acks: list[serving_pb2.Ack] = []
        self.results: list[serving_pb2.Result] = []
        self.notices: list[serving_pb2.Notice] = []
        self.num_messages = 0

    async def send(self, *messages: serving_pb2.ClientMessage) -> None:
        for message in messages:
            await self.call.write(message)

    async def read(self) -> bool:
        """Reads one message; False at the end of the call."""
        async with asyncio.timeout(LIMIT_S):
            message = await self.call.read()
        if message is grpc.aio.EOF:
            return False
        self.num_messages += 1
        self.acks.extend(message.acks)
        self.results.extend(message.results)
        if message.HasField("notice"):
            self.notices.append(message.notice)
        return True

    async def results_of(self, count: int) -> list[serving_pb2.Result]:
        """Waits for so many results in all."""
        while len(self.results) < count:
            assert await self.read(), f"ended with {await self.call.code()}"
        return self.results

    async def result_of(self, message: serving_pb2.ClientMessage) -> serving_pb2.Result:
        """Sends a message and returns the next result."""
        count = len(self.results) + 1
        await self.send(message)
        return (await self.results_of(count))[-1]

    async def end(self) -> tuple[grpc.StatusCode, str]:
        """Reads on to the end of the call; returns how it ended."""
        try:
            while await self.read():
                pass
        except grpc.aio.AioRpcError:
            pass
        return await self.call.code(), await self.call.details()

    async def goodbye(self) -> tuple[grpc.StatusCode, str]:
        await self.send(serving_pb2.ClientMessage(goodbye=serving_pb2.Goodbye()))
        return await self.end()


def make_config(**changes: Any) -> ServerConfig:
    values: dict[str, Any] = {
        "port": 0,
        "zoo": "replayed-gpu",
        "devices": tuple(DeviceConfig(one, "gpu", DeviceKind.REPLAYED) for one in DEVICES),
        "frame_slots": 16,
        "plan_period_ms": 200.0,
    }
    return ServerConfig(**(values | changes))


MakeHarness = Callable[..., Awaitable[Harness]]


@pytest.fixture
async def make_harness() -> AsyncIterator[MakeHarness]:
    """Starts endpoints with options of the test's own."""
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def running(with_peers: bool, changes: dict[str, Any]) -> AsyncIterator[Harness]:
            harness = Harness(make_config(**changes))
            await harness.start(with_peers=with_peers)
            try:
                yield harness
            finally:
                await harness.stop()

        async def make(*, with_peers: bool = True, **changes: Any) -> Harness:
            return await stack.enter_async_context(running(with_peers, changes))

        yield make


@pytest.fixture
async def harness(make_harness: MakeHarness) -> Harness:
    """A running endpoint with everything attached."""
    return await make_harness()
