"""Our batching policy: as many frames in time as the queue allows.

Frames go in order of deadline. For each size of the next batch the queue is played forward, with
batches back to back, and the size that answers most frames in time is taken. A frame whose
deadline is too tight for a batch is left out of it only if that saves more than it loses. Batches are no larger than the
plan's, so that a frame that comes meanwhile waits no longer than it was planned to, unless frames that are there would be
lost to that. Where some frames are lost whatever is done, device time is scarce and is counted at what it could have answered:
otherwise a few tight frames would keep batches small, and lose many later ones.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple

from ...core.profile import BatchLatency
from ...core.verdict import Reason
from .port import Batch, BatchDecision, DeviceState, QueuedFrame

# A larger batch is worth waiting for if it needs at least this much less time per frame.
MIN_BATCHING_GAIN_RATIO = 0.1
# Batches carry the planned rate if it takes at most this share of their throughput.
MAX_LOAD_RATIO = 0.98
# A wait that ends with a drop is this much longer, so that the frame is past hope by then.
PAST_HOPE_MS = 1.0
# What a patient batch leaves for its start and for its answers.
PATIENCE_MARGIN_MS = 10.0
# Bounds on outcomes leave so much for rounding.
BOUND_SLACK_MS = 1e-3

_BY_DEADLINE = attrgetter("deadline_ms", "arrived_ms")


class _Latency(NamedTuple):
    """Predicted batch times (ms), by batch size; index 0 is not used.

    Attributes:
        median: what a batch most likely takes; time passes by it.
        bound: what it has to be able to take without a frame of it being late.
        frame_ms: the least median time per frame, of any size.
    """

    median: Sequence[float]
    bound: Sequence[float]
    frame_ms: float


class _Outcome(NamedTuple):
    """What a choice leads to; the greater, the better."""

    value: float  # frames in time, less what the time for them could have answered
    earliness_ms: float
    first_size: int  # negative: the smaller the first batch, the sooner there is a choice again


class DeadlineBatcher:
    """Forms the batch that lets most frames be in time, in order of deadline. Keeps no state.

    A frame has to be in time at the p99; only where no decoded frame can, at the median. What cannot be in time
    even alone at the median is dropped, decoded or not.
    """

    def __init__(self, *, is_patient: bool = False) -> None:
        """Runs frames as soon as that is sensible; if patient, as late as a full batch would be in time, to save energy."""
        self._is_patient = is_patient

    def decide(
        self, queue: Sequence[QueuedFrame], device: DeviceState, now_ms: float
    ) -> BatchDecision:
        """Decides for an idle device; see `Batcher`.

        Takes about 10 us where all frames fit into one batch in time, and O(batch size x queue) time
        at worst, about 0.2 ms for 64 frames and sizes up to 12.
        """
        surely, likely = _latencies(device.latency, device.batch_size)
        median = surely.median
        by_deadline = sorted(queue, key=_BY_DEADLINE)
        deadlines = [frame.deadline_ms for frame in by_deadline]
        num_hopeless = bisect_left(deadlines, now_ms + median[1])
        frames = by_deadline[num_hopeless:]
        drop = _too_late(by_deadline[:num_hopeless])
        if not frames:
            return BatchDecision(drop=drop)
        ready = [index for index, frame in enumerate(frames) if frame.is_ready]
        if not ready:
            past_hope_ms = frames[0].deadline_ms - median[1] + PAST_HOPE_MS
            return BatchDecision(drop=drop, wait_until_ms=past_hope_ms)
        can_be_sure = frames[ready[-1]].deadline_ms >= now_ms + surely.bound[1]
        latency = surely if can_be_sure else likely
        deadlines = deadlines[num_hopeless:]

        run, outcome = _best_batch(deadlines, ready, latency, now_ms)
        if outcome.value < len(frames) and device.max_batch_size > device.batch_size:
            larger = _latencies(device.latency, device.max_batch_size)
            latency = larger[0] if can_be_sure else larger[1]
            run, outcome = _best_batch(deadlines, ready, latency, now_ms)
        if len(ready) < len(frames):
            decoded_ms = now_ms + device.decode_ms
            _, if_waited = _best_batch(deadlines, range(len(frames)), latency, decoded_ms)
            if if_waited.value >= outcome.value + 1 and decoded_ms > now_ms:
                return BatchDecision(drop=drop, wait_until_ms=decoded_ms)
        elif len(run) == len(frames):
            if self._is_patient:
                start_ms = _latest_full_start(frames, device, latency)
            else:
                start_ms = _latest_sensible_start(frames, device, latency)
            if start_ms > now_ms:
                return BatchDecision(drop=drop, wait_until_ms=start_ms)
            return BatchDecision(run=tuple(frame.key for frame in frames), drop=drop)

        chosen = set(run)
        free_again_ms = now_ms + latency.median[len(run)]
        lost = [
            frame
            for index, frame in enumerate(frames)
            if index not in chosen and frame.deadline_ms < free_again_ms + median[1]
        ]
        return BatchDecision(
            run=tuple(frames[index].key for index in run), drop=drop + _too_late(lost)
        )

    def ran(self, batch: Batch, took_ms: float) -> None:
        """Needs not know: the slowdown tells."""


@lru_cache(maxsize=256)  # of the variants that devices run, again and again
def _latencies(latency: BatchLatency, batch_size: int) -> tuple[_Latency, _Latency]:
    """Of batches up to a size, bounded by the p99 and by the median; no median is below that of a smaller batch."""
    median = (0.0, *accumulate(latency.p50_ms[:batch_size], max))
    frame_ms = min(ms / size for size, ms in enumerate(median[1:], 1))
    p99 = (0.0, *latency.p99_ms[:batch_size])
    return _Latency(median, p99, frame_ms), _Latency(median, median, frame_ms)


def _too_late(frames: Sequence[QueuedFrame]) -> tuple[tuple[int, Reason], ...]:
    return tuple((frame.key, Reason.TOO_LATE) for frame in frames)


def _best_batch(
    deadlines_ms: Sequence[float], ready: Sequence[int], latency: _Latency, start_ms: float
) -> tuple[Sequence[int], _Outcome]:
    """Returns the batch to start then, as indices, and what it leads to; empty if none can start.

    Large batches are tried first. A size that could not lead to more, even if every frame were in time
    at the least time per frame, is not played forward.
    """
    best: Sequence[int] = ()
    best_outcome = _Outcome(-math.inf, 0.0, 0)
    num_frames = len(deadlines_ms)
    for size, first in reversed(_feasible_batches(deadlines_ms, ready, latency, start_ms)):
        least_ms = latency.median[size] + (num_frames - size) * latency.frame_ms
        if (num_frames, BOUND_SLACK_MS - least_ms, -size) <= best_outcome:
            continue
        batch = ready[first : first + size]
        if batch[-1] - batch[0] == size - 1:
            rest = [*deadlines_ms[: batch[0]], *deadlines_ms[batch[-1] + 1 :]]
        else:
            taken = set(batch)
            rest = [ms for index, ms in enumerate(deadlines_ms) if index not in taken]
        for is_uniform in (True, False) if rest else (True,):
            outcome = _play_forward(
                rest, size, latency, start_ms, num_frames, is_uniform=is_uniform
            )
            if outcome > best_outcome:
                best, best_outcome = batch, outcome
    return best, best_outcome


def _feasible_batches(
    deadlines_ms: Sequence[float], ready: Sequence[int], latency: _Latency, start_ms: float
) -> list[tuple[int, int]]:
    """Returns each size of which a batch would be in time, and the position in `ready` of its first frame."""
    ready_deadlines = [deadlines_ms[index] for index in ready]
    found = []
    for size in range(1, min(len(latency.median) - 1, len(ready)) + 1):
        first = bisect_left(ready_deadlines, start_ms + latency.bound[size])
        if len(ready) - first < size:
            break  # nor do more frames fit into a larger, longer batch
        found.append((size, first))
    return found


def _play_forward(
    rest_ms: Sequence[float],
    size: int,
    latency: _Latency,
    start_ms: float,
    num_frames: int,
    *,
    is_uniform: bool,
) -> _Outcome:
    """Returns what a first batch of `size` frames leads to.

    If others follow, the last of them is charged its share of a full one: frames that arrive meanwhile will fill it.

    Args:
        rest_ms: deadlines of the frames left, rising.
        size: of the first batch.
        latency: predicted batch times.
        start_ms: when the first batch starts.
        num_frames: that wait in all.
        is_uniform: whether to go on in batches of the same size, without the frames too tight for
            it; else in batches as large as their tightest frame bears.
    """
    most = size if is_uniform else len(latency.median) - 1
    num_in_time = size
    free_ms = charged_ms = start_ms + latency.median[size]
    position = 0
    while True:
        first = bisect_left(rest_ms, free_ms + latency.bound[1], position)
        num_next = min(most, len(rest_ms) - first)
        if num_next and not is_uniform:
            num_next = min(num_next, bisect_right(latency.bound, rest_ms[first] - free_ms) - 1)
        while num_next and is_uniform:
            first = bisect_left(rest_ms, free_ms + latency.bound[num_next], position)
            if len(rest_ms) - first >= num_next:
                break
            num_next -= 1
        if num_next < 1:
            break
        position = first + num_next
        num_in_time += num_next
        charged_ms = free_ms + num_next * latency.median[most] / most
        free_ms += latency.median[num_next]
    busy_ms = charged_ms - start_ms
    value = float(num_in_time)
    if num_in_time < num_frames:
        value -= busy_ms / latency.frame_ms
    return _Outcome(round(value, 6), -round(busy_ms, 6), -size)


def _latest_full_start(
    frames: Sequence[QueuedFrame], device: DeviceState, latency: _Latency
) -> float:
    """Returns until when a batch of all waiting frames can wait to become as large as planned; may be past."""
    if len(frames) >= device.batch_size:
        return frames[0].arrived_ms
    return frames[0].deadline_ms - latency.bound[device.batch_size] - PATIENCE_MARGIN_MS


def _latest_sensible_start(
    frames: Sequence[QueuedFrame], device: DeviceState, latency: _Latency
) -> float:
    """Returns until when a batch of all waiting frames should wait for more; may be past.

    Waiting pays if batches of that size cannot carry the planned rate, larger ones can, and these
    save device time. It ends when the missing frames should have come, and always while the most
    urgent frame could still wait for one such batch and run in the next.
    """
    per_ms = device.arrival_fps / 1000.0
    sizes = range(1, len(latency.median))
    needed = next((n for n in sizes if per_ms * latency.median[n] <= n * MAX_LOAD_RATIO), sizes[-1])
    num_missing = needed - len(frames)
    if num_missing <= 0 or latency.median[needed] / needed > (
        latency.median[len(frames)] / len(frames) * (1 - MIN_BATCHING_GAIN_RATIO)
    ):
        return frames[0].arrived_ms
    return min(
        frames[0].deadline_ms - 2 * latency.bound[needed],
        max(frame.arrived_ms for frame in frames) + num_missing / per_ms,
    )
