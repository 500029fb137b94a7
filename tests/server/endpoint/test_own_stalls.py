"""The endpoint stands still for a while, and its clients do not."""

from __future__ import annotations

import asyncio
import queue
import threading
import time

import grpc

from moonjelly.protos import serving_pb2
from moonjelly.protos.serving_pb2_grpc import ServingStub

FPS = 20.0
SLO_MS = 400.0
STALL_S = 2.0


class ThreadedClient:
    """A camera in a thread of its own: sends a frame a period, whatever happens."""

    def __init__(self, harness, token: str) -> None:
        self.harness = harness
        self.outgoing: queue.SimpleQueue = queue.SimpleQueue()
        self.results: list[serving_pb2.Result] = []
        self.newest = 0
        self.must_stop = threading.Event()
        self.outgoing.put(harness.open_of(token))
        self.channel = grpc.insecure_channel(f"127.0.0.1:{harness.port}")
        self.call = ServingStub(self.channel).Stream(iter(self.outgoing.get, None))
        self.threads = [threading.Thread(target=one) for one in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self) -> None:
        start_s, sequence = time.monotonic(), 0
        while not self.must_stop.wait(max(0.0, start_s + sequence / FPS - time.monotonic())):
            self.newest = sequence
            self.outgoing.put(self.harness.frame(sequence))
            elapsed_s = time.monotonic() - start_s
            sequence = max(sequence + 1, int(elapsed_s * FPS))  # captures that were missed count
        self.outgoing.put(serving_pb2.ClientMessage(goodbye=serving_pb2.Goodbye()))
        self.outgoing.put(None)

    def receive(self) -> None:
        for message in self.call:
            self.results.extend(message.results)

    def stop(self) -> None:
        self.must_stop.set()
        for thread in self.threads:
            thread.join(30)
        self.channel.close()


async def test_frames_that_grew_old_meanwhile_are_dropped_unrun_and_fresh_ones_are_answered(
    harness,
) -> None:
    client = ThreadedClient(harness, await harness.register(fps=FPS, slo_ms=SLO_MS))
    try:
        await harness.until(lambda: len(client.results) >= 5)
        first = client.newest + 1
        num_run = len(harness.executors["gpu0"].frames)
        time.sleep(STALL_S)  # noqa: ASYNC251 - the endpoint is in this process, and stands still
        last = client.newest
        await harness.until(lambda: client.results[-1].sequence >= last + 20)
    finally:
        await asyncio.to_thread(client.stop)
    by_sequence = {one.sequence: one for one in client.results}
    reasons = {one.drop.reason for one in client.results}
    assert reasons == {"", "too_late"}  # nobody sent more than he declared
    old = [one for number, one in by_sequence.items() if first < number < last - SLO_MS / 50 - 4]
    assert len(old) > 10
    assert {one.drop.reason for one in old} == {"too_late"}
    fresh = [one for number, one in by_sequence.items() if number > last + 4]
    assert len(fresh) >= 10
    assert {one.verdict for one in fresh} == {serving_pb2.ANSWERED}
    assert len(harness.executors["gpu0"].frames) > num_run
