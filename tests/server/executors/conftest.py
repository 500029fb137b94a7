"""An executor process as its supervisor, endpoint and scheduler see it."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Sequence

import pytest

from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.protos.internal_pb2 import (
    Attach,
    DevicePlan,
    Drain,
    Envelope,
    FrameDescriptor,
    FrameResult,
    FrameResults,
    PlanUpdate,
)
from moonjelly.server.config import ServerConfig
from moonjelly.server.supervisor.crew import CHILD_COMMAND
from moonjelly.server.wire.channel import Channel, socket_pair
from moonjelly.server.wire.frame_memory import FrameWriter, create_frame_memory, read_only

LIMIT_S = 60.0
FAR_MS = 60_000.0


def now_ms() -> float:
    return time.monotonic_ns() / 1e6


class ExecutorHarness:
    """Starts `executor-0` of a configuration, joined with one endpoint and one scheduler."""

    def __init__(self, config: ServerConfig, command: Sequence[str] = CHILD_COMMAND) -> None:
        ours, theirs = socket_pair()
        arguments = ["executor", "0", "1", "--control-fd", str(theirs.fileno())]
        self.process = subprocess.Popen([*command, *arguments], pass_fds=[theirs.fileno()])
        theirs.close()
        self.control = Channel(ours)
        self.control.send_bytes(config.to_json().encode())
        self.writer = FrameWriter(self._make_memory(config))
        self.endpoint = self.attach("endpoint-0")
        self.scheduler = self.attach("scheduler-0")
        self.next_ticket = 1
        self.slots: dict[int, tuple[int, int]] = {}  # by ticket, until the answer
        self.results: list[tuple[FrameResult, FrameResults]] = []

    def _make_memory(self, config: ServerConfig) -> int:
        self._memory = create_frame_memory(config.frame_slots, config.max_frame_bytes)
        readable = read_only(self._memory)
        attach = Attach(what=Attach.FRAME_MEMORY, peer="endpoint-0")
        self.control.send(Envelope(attach=attach), [readable])
        os.close(readable)
        return self._memory

    def attach(self, peer: str) -> Channel:
        ours, theirs = socket_pair()
        attach = Attach(what=Attach.SOCKET, peer=peer)
        self.control.send(Envelope(attach=attach), [theirs.fileno()])
        theirs.close()
        return Channel(ours)

    def receive(self, channel: Channel, kind: str) -> Envelope:
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        limit_s = time.monotonic() + LIMIT_S
        while True:
            packet = channel.receive()
            if packet is None:
                assert poll.poll(1000 * (limit_s - time.monotonic())), f"no {kind} came"
            elif packet[0].HasField(kind):
                return packet[0]

    def await_ready(self) -> None:
        self.receive(self.control, "ready")

    def plan(
        self,
        variant: str,
        batch_size: int,
        arrival_fps: float = 0.0,
        epoch: int = 1,
        clock_mhz: float | None = None,
    ) -> None:
        device = DevicePlan(
            device_id="device0",
            variant=variant,
            batch_size=batch_size,
            arrival_fps=arrival_fps,
            clock_mhz=clock_mhz,
        )
        self.scheduler.send(Envelope(plan=PlanUpdate(epoch=epoch, devices=[device])))

    def send(self, jpeg: bytes, deadline_in_ms: float = FAR_MS, **changes: int | str) -> int:
        """Sends one frame and returns its ticket."""
        slot, generation = self.writer.allocate(jpeg)
        descriptor = FrameDescriptor(
            ticket=self.next_ticket,
            slot=slot,
            slot_generation=generation,
            jpeg_bytes=len(jpeg),
            deadline_ms=now_ms() + deadline_in_ms,
            handed_ms=now_ms(),
        )
        for name, value in changes.items():
            setattr(descriptor, name, value)
        self.slots[self.next_ticket] = slot, generation
        self.next_ticket += 1
        self.endpoint.send(Envelope(frame=descriptor))
        return descriptor.ticket

    def await_results(self, num_frames: int) -> list[tuple[FrameResult, FrameResults]]:
        """Returns that many results in the order they came, each with its packet."""
        while len(self.results) < num_frames:
            packet = self.receive(self.endpoint, "results").results
            for frame in packet.frames:
                self.results.append((frame, packet))
                if frame.ticket in self.slots:
                    self.writer.free(*self.slots.pop(frame.ticket))
        taken, self.results = self.results[:num_frames], self.results[num_frames:]
        return taken

    def drain(self) -> int:
        self.control.send(Envelope(drain=Drain(grace_ms=0)))
        return self.process.wait(LIMIT_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for channel in (self.control, self.endpoint, self.scheduler):
            channel.close()
        self.writer.close()
        os.close(self._memory)


@pytest.fixture
def start():
    """Starts executors with a replayed device that answers at once, unless told otherwise."""
    made: list[ExecutorHarness] = []

    def make(command: Sequence[str] = CHILD_COMMAND, **options: object) -> ExecutorHarness:
        device = DeviceConfig("device0", "gpu", DeviceKind.REPLAYED)
        defaults = {"zoo": "replayed-gpu", "devices": (device,), "replay_latency_ratio": 0.0}
        config = ServerConfig(**defaults | options, frame_slots=16, max_frame_bytes=1 << 18)
        made.append(ExecutorHarness(config, command))
        return made[-1]

    yield make
    for harness in made:
        harness.close()
