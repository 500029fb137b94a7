"""Fair batches: where tenants share a device and more waits than fits, who had least device time comes first.

Inside a tenant frames go in order of deadline. A batch holds frames of several tenants, each of which is charged its
part of what the batch took. While all that waits fits into one batch, or is one tenant's, the deadline rule decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heapreplace

from ...core.verdict import Reason
from ..sharing.accounts import Accounts
from .deadline import DeadlineBatcher
from .port import Batch, BatchDecision, DeviceState, QueuedFrame

_Waiting = Mapping[str, Sequence[QueuedFrame]]  # by tenant, earliest deadline first


class FairShareBatcher:
    """Shares a device between tenants by weight; the device is never idle for it while a frame could be in time.

    Of tenants that always have frames waiting, the device times by weight differ by at most one batch at any time. No
    batch is larger than the plan's, so that a tenant within its share waits no longer than planned.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        """Starts with nobody charged; `weights` of tenants may change at any time, see `Accounts`."""
        self._accounts = Accounts(weights)
        self._by_deadline = DeadlineBatcher()
        self._charged_ms: dict[int, float] = {}  # of frames under way

    def decide(
        self, queue: Sequence[QueuedFrame], device: DeviceState, now_ms: float
    ) -> BatchDecision:
        """Decides for an idle device; see `Batcher`."""
        tenants = {frame.tenant for frame in queue}
        self._accounts.set_active(tenants)
        if len(tenants) > 1:
            device = replace(device, max_batch_size=0)
        decision = self._by_deadline.decide(queue, device, now_ms)
        num_left = len(queue) - len(decision.run) - len(decision.drop)
        if len(tenants) > 1 and decision.run and num_left:
            decision = self._fair_decision(queue, device, now_ms)
        if decision.run:
            self._start(queue, decision, device)
        return decision

    def ran(self, batch: Batch, took_ms: float) -> None:
        """Charges each frame its part of what the batch took, in place of what it was expected to take."""
        for frame in batch.frames:
            expected_ms = self._charged_ms.pop(frame.key, 0.0)
            self._accounts.charge(frame.tenant, took_ms / batch.size - expected_ms)

    def _start(
        self, queue: Sequence[QueuedFrame], decision: BatchDecision, device: DeviceState
    ) -> None:
        """Charges what a batch should take: another may be chosen before it has ended."""
        run = set(decision.run)
        gone = run.union(key for key, _ in decision.drop)
        frame_ms = device.latency.p50_ms[len(run) - 1] / len(run)
        for frame in queue:
            if frame.key in run:
                self._charged_ms[frame.key] = frame_ms
                self._accounts.charge(frame.tenant, frame_ms)
        self._accounts.set_active({frame.tenant for frame in queue if frame.key not in gone})

    def _fair_decision(
        self, queue: Sequence[QueuedFrame], device: DeviceState, now_ms: float
    ) -> BatchDecision:
        """The largest batch in which whoever had least has as many frames as are due to it."""
        hopeless_ms = now_ms + device.latency.p50_ms[0]
        drop = tuple((one.key, Reason.TOO_LATE) for one in queue if one.deadline_ms < hopeless_ms)
        waiting: dict[str, list[QueuedFrame]] = {}
        for frame in sorted(queue, key=lambda one: (one.deadline_ms, one.arrived_ms)):
            if frame.is_ready and frame.deadline_ms >= hopeless_ms:
                waiting.setdefault(frame.tenant, []).append(frame)
        first = min(
            waiting, key=lambda one: (self._accounts.virtual_ms(one), waiting[one][0].deadline_ms)
        )
        is_sure = waiting[first][-1].deadline_ms >= now_ms + device.latency.p99_ms[0]
        takes_ms = device.latency.p99_ms if is_sure else device.latency.p50_ms
        most = min(device.batch_size, sum(map(len, waiting.values())))
        frame_ms = device.latency.p50_ms[most - 1] / most
        in_turn = [one.tenant for one in self._in_turn(waiting, most, frame_ms)]
        for size in range(most, 0, -1):
            ends_ms = now_ms + takes_ms[size - 1]
            in_time = {
                tenant: frames
                for tenant, some in waiting.items()
                if (frames := [one for one in some if one.deadline_ms >= ends_ms])
            }
            run = self._in_turn(in_time, size, frame_ms)
            num_due = in_turn[:size].count(first)
            if len(run) == size and sum(one.tenant == first for one in run) >= num_due:
                break
        return BatchDecision(run=tuple(one.key for one in run), drop=drop)

    def _in_turn(self, waiting: _Waiting, size: int, frame_ms: float) -> list[QueuedFrame]:
        """So many frames, or all there are, each of whoever had least by then."""
        left = {tenant: iter(frames) for tenant, frames in waiting.items()}
        heads = []
        for tenant, frames in left.items():
            frame = next(frames)
            heads.append((self._accounts.virtual_ms(tenant), frame.deadline_ms, tenant, frame))
        heapify(heads)
        taken: list[QueuedFrame] = []
        while heads and len(taken) < size:
            had_ms, _, tenant, frame = heads[0]
            taken.append(frame)
            following = next(left[tenant], None)
            if following is None:
                heappop(heads)
            else:
                had_ms += self._accounts.charged_ms(tenant, frame_ms)
                heapreplace(heads, (had_ms, following.deadline_ms, tenant, following))
        return taken
