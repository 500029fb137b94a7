"""Links that die under real streams: cut for seconds, reset again and again, left half-open.

How soon streams are served again is measured by `benchmarks/outages.py`; here they have to be.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from moonjelly.client import Answer, ArraySource, Reason, Refused, Stream, connect
from moonjelly.links.shapers import Fault, FaultKind, LinkConfig, open_shaper
from moonjelly.links.shapers.relay import Link
from moonjelly.links.traces import constant_trace
from moonjelly.server.running_server import RunningServer

FPS, SLO_MS, MBPS = 15.0, 400.0, 20.0
LIMIT_S = 60.0
PICTURE = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)
SERVER = ("--zoo", "replayed-gpu", "--devices", "replayed:gpu", "--replay-latency-ratio", "0.2")

pytestmark = pytest.mark.slow
shapers = pytest.mark.parametrize(
    "kind", ["relay", pytest.param("kernel", marks=pytest.mark.network)]
)


@dataclass
class Watched:
    """A stream, and its answers with the times at which they came (monotonic, s)."""

    stream: Stream
    answers: list[tuple[float, Answer]] = field(default_factory=list)

    async def collect(self) -> None:
        async for answer in self.stream:
            self.answers.append((time.monotonic(), answer))

    def captured_s(self, answer: Answer, zero_s: float) -> float:
        return zero_s + answer.record.captured_ms / 1000

    def check_ledger(self) -> None:
        """Every captured frame has exactly one verdict."""
        ledger = self.stream.ledger
        ledger.check_invariants()
        assert ledger.lost == ledger.duplicated == 0
        assert len({answer.sequence for _, answer in self.answers}) == ledger.captured

    def is_served_between(self, start_s: float, end_s: float) -> bool:
        """Whether an answer came in time between two moments."""
        return any(start_s <= at_s < end_s and answer.is_in_time for at_s, answer in self.answers)

    def is_served_after(self, moment_s: float) -> bool:
        """Whether an answer came in time after a moment."""
        return self.is_served_between(moment_s, float("inf"))

    def drops(self, reason: Reason) -> int:
        return sum(1 for _, answer in self.answers if answer.drop and answer.drop.reason is reason)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        await asyncio.sleep(0.02)


async def sleep_until(moment_s: float) -> None:
    await asyncio.sleep(max(0.0, moment_s - time.monotonic()))


@contextlib.asynccontextmanager
async def streaming(
    address: str, stream_id: str, zero_s: float, fps: float = FPS, slo_ms: float = SLO_MS
) -> AsyncIterator[Watched]:
    """Streams pictures until the block is left, then waits for the last answers."""
    async with (
        connect(address) as client,
        client.stream(
            ArraySource([PICTURE]),
            fps=fps,
            slo_ms=slo_ms,
            stream_id=stream_id,
            bandwidth_kbps=MBPS * 1000,
            zero_ms=zero_s * 1000,
        ) as stream,
    ):
        watched = Watched(stream)
        collecting = asyncio.create_task(watched.collect())
        try:
            yield watched
        finally:
            stream.stop()
            await collecting


@contextlib.contextmanager
def linked_server(
    kind: str, names: Sequence[str], faults: tuple[Fault, ...], folder: Path
) -> Iterator[tuple[list[str], float]]:
    """A server behind a link per name; yields the links' addresses, and when their traces began."""
    with (
        open_shaper(kind, names, folder) as shaper,
        RunningServer(
            [*SERVER, *shaper.server_options],
            log_path=folder / "server.log",
            command_prefix=shaper.server_command,
        ) as server,
    ):
        trace = constant_trace(MBPS)
        shaper.start([LinkConfig(name, server.address, trace, faults=faults) for name in names])
        yield [shaper.address(name) for name in names], time.monotonic()


@shapers
async def test_streams_whose_links_die_for_3_s_are_served_again_with_nothing_stale(
    kind: str, tmp_path: Path
) -> None:
    names = [f"camera-{number}" for number in range(4)]
    cut = Fault(3.0, FaultKind.CUT, 3.0)
    with linked_server(kind, names, (cut,), tmp_path) as (addresses, zero_s):
        back_s = zero_s + cut.at_s + cut.seconds
        async with contextlib.AsyncExitStack() as stack:
            cameras = [
                await stack.enter_async_context(streaming(address, name, zero_s))
                for address, name in zip(addresses, names, strict=True)
            ]
            await sleep_until(back_s)
            await until(lambda: all(one.is_served_after(back_s) for one in cameras))
    for camera in cameras:
        camera.check_ledger()
        assert camera.is_served_between(zero_s, zero_s + cut.at_s)
        captured_s = [
            camera.captured_s(answer, zero_s)
            for at_s, answer in camera.answers
            if at_s >= back_s and answer.detections is not None
        ]
        assert min(captured_s) >= back_s - 1, "nothing stale"
        assert not camera.drops(Reason.CONNECTION_LOST), "no session was lost"
        assert not camera.drops(Reason.NOT_CONNECTED)


@shapers
async def test_streams_that_are_reset_again_and_again_come_back_each_time(
    kind: str, tmp_path: Path
) -> None:
    names = ["first", "second"]
    resets_s = (2.5, 5.0)
    resets = tuple(Fault(at_s, FaultKind.RESET) for at_s in resets_s)
    with linked_server(kind, names, resets, tmp_path) as (addresses, zero_s):
        async with contextlib.AsyncExitStack() as stack:
            cameras = [
                await stack.enter_async_context(streaming(address, name, zero_s))
                for address, name in zip(addresses, names, strict=True)
            ]
            reset_s = zero_s + resets_s[-1] + 0.2  # by then it has happened
            await sleep_until(reset_s)
            await until(lambda: all(one.is_served_after(reset_s) for one in cameras))
    most_under_way = FPS * SLO_MS / 1000 + 1
    for camera in cameras:
        camera.check_ledger()
        for at_s, end_s in itertools.pairwise((*resets_s, float("inf"))):
            assert camera.is_served_between(zero_s + at_s + 0.2, zero_s + end_s), f"after {at_s} s"
        lost = camera.drops(Reason.CONNECTION_LOST)
        assert lost + camera.drops(Reason.NOT_CONNECTED) >= 1, "the resets were felt"
        assert lost <= most_under_way * len(resets), "only what was under way"


async def test_a_half_open_stream_gives_its_place_to_others(tmp_path: Path) -> None:
    """Its client lives, its connection carries nothing more, and nobody was told."""
    slow = [*SERVER[:4], "--variants", "yolov4-608"]
    with RunningServer(slow, log_path=tmp_path / "server.log") as server:
        async with (
            Link(LinkConfig("link", server.address)) as link,
            contextlib.AsyncExitStack() as stack,
        ):
            zero_s = time.monotonic()
            half_open = await stack.enter_async_context(
                streaming(link.address, "half-open", zero_s, fps=10, slo_ms=150)
            )
            await until(lambda: half_open.is_served_after(zero_s))

            async def has_room(stream_id: str) -> bool:
                try:
                    await stack.enter_async_context(
                        streaming(server.address, stream_id, zero_s, fps=10, slo_ms=150)
                    )
                except Refused:
                    return False
                return True

            number = 0
            while await has_room(f"filler-{number}"):
                number += 1
                assert number < 20, "twenty streams fitted"
            await link.break_connections(FaultKind.HALF_OPEN)
            start_s = time.monotonic()
            while not await has_room("successor"):
                assert time.monotonic() - start_s < LIMIT_S, "its place was not freed"
                await asyncio.sleep(0.05)
    half_open.check_ledger()
