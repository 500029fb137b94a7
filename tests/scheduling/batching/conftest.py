from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from virtual_clock import VirtualClock

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.port import Batch, Batcher, DeviceState, QueuedFrame


@dataclass
class Tally:
    """What became of the frames of a run. Every frame is in one of the first three."""

    in_time: int = 0
    late: int = 0
    dropped: int = 0
    num_batches: int = 0
    busy_ms: float = 0.0


def run_device(
    batcher: Batcher,
    latency: BatchLatency,
    arrivals: Sequence[tuple[float, float]],
    rate_fps: float,
    decode_ms: float = 0.0,
    stretch: Callable[[], float] = lambda: 1.0,
) -> Tally:
    """Runs one device under a virtual clock until its queue is empty. Open loop.

    Args:
        batcher: decides.
        latency: batches take its medians, times what `stretch` says.
        arrivals: arrival and SLO of each frame (ms), in order of arrival.
        rate_fps: what the plan expects.
        decode_ms: from arrival until a frame can run.
        stretch: called once a batch.
    """
    clock = VirtualClock()
    state = DeviceState(latency, latency.max_batch_size, rate_fps, decode_ms=decode_ms)
    tally = Tally()
    queue: dict[int, QueuedFrame] = {}
    num_arrived = 0
    free_ms = 0.0
    wake_ms: float | None = None
    while queue or num_arrived < len(arrivals):
        events = [arrivals[num_arrived][0]] if num_arrived < len(arrivals) else []
        events += [f.arrived_ms + decode_ms for f in queue.values() if not f.is_ready]
        if queue and free_ms > clock.now_ms():
            events.append(free_ms)
        if wake_ms is not None:
            events.append(wake_ms)
        assert events, f"{len(queue)} frames wait for nothing"
        now_ms = max(clock.now_ms(), min(events))
        clock.advance_to(now_ms)
        while num_arrived < len(arrivals) and arrivals[num_arrived][0] <= now_ms:
            arrived_ms, slo_ms = arrivals[num_arrived]
            queue[num_arrived] = QueuedFrame(
                num_arrived, arrived_ms, arrived_ms + slo_ms, is_ready=False
            )
            num_arrived += 1
        for key, frame in queue.items():
            if not frame.is_ready and frame.arrived_ms + decode_ms <= now_ms:
                queue[key] = replace(frame, is_ready=True)
        wake_ms = None
        if free_ms > now_ms or not queue:
            continue
        decision = batcher.decide(list(queue.values()), state, now_ms)
        for key, _ in decision.drop:
            del queue[key]
            tally.dropped += 1
        if not decision.run:
            wake_ms = decision.wait_until_ms if queue else None
            assert wake_ms is None or wake_ms > now_ms
            continue
        batch_ms = latency.p50_ms[len(decision.run) - 1] * stretch()
        free_ms = now_ms + batch_ms
        tally.num_batches += 1
        tally.busy_ms += batch_ms
        frames = tuple(queue[key] for key in decision.run)
        batch = Batch(frames, "v", batch_ms, batch_ms, now_ms, 0.0, state.batch_size, len(queue), 1)
        batcher.ran(batch, batch_ms)
        for key in decision.run:
            frame = queue.pop(key)
            assert frame.is_ready
            if free_ms <= frame.deadline_ms:
                tally.in_time += 1
            else:
                tally.late += 1
    return tally


@pytest.fixture
def simulate():
    """Runs one device under a virtual clock; see `run_device`."""
    return run_device


@pytest.fixture
def gpu_like():
    """A large fixed cost: 12 frames take twice as long as one."""
    p50_ms = tuple(10.0 + size for size in range(1, 13))
    return BatchLatency(p50_ms, tuple(1.1 * ms for ms in p50_ms))


@pytest.fixture
def cpu_like():
    """Hardly any gain: 8 frames take 7.6 times as long as one."""
    p50_ms = tuple(0.6 + 9.4 * size for size in range(1, 9))
    return BatchLatency(p50_ms, tuple(1.1 * ms for ms in p50_ms))
