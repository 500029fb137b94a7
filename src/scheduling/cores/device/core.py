"""The decisions of a device, as a state machine."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ....core.profile import BatchLatency
from ....core.stream import DEFAULT_TENANT
from ....core.verdict import Reason
from ...batching.fair_share import FairShareBatcher
from ...batching.port import FIRST_DECODE_MS, Batch, Batcher, DeviceState, QueuedFrame
from ...pacing import SHORTEST_WAIT_MS
from ...serving_options import DEFAULT_MAX_BATCH_SIZE
from ...slowness import AS_PROFILED, Slowness
from .condition import Condition
from .instructions import DeviceOrders, LoadCause, LoadStep, Turn
from .variant_window import VariantWindow
from .waiting_frames import WaitingFrames

LOOK_AHEAD_BATCHES = 2  # frames are decoded for so many
LEAD_MS = 3.0  # before a batch ends, the next one is chosen where several may be under way


class DeviceCore:
    """Takes what happens at a device, and tells whoever is free there what to do.

    Every frame that was taken ends once: in a batch that ran or failed, given up with a reason, or cancelled. It has no clock and
    no thread: whoever can run a batch, decode or load asks (`turn`, `decode`, `load`) whenever something
    has happened, and at the time that the last `Turn` names. These are methods and not objects, for a frame costs several.

    Attributes:
        condition: how the device does.
        variants: what is loaded, what should be, and the plan in force; to be read.
        frames: those that wait or are decoded; to be read.
    """

    def __init__(
        self,
        latencies: Mapping[str, BatchLatency],
        batcher: Batcher,
        *,
        num_loaded: int = 1,
        sides_px: Mapping[str, int] | None = None,
        slowness: Slowness = AS_PROFILED,
        depth: int = 1,
        max_batch_size: int = DEFAULT_MAX_BATCH_SIZE,
        now_ms: float = 0.0,
    ) -> None:
        """Starts with nothing loaded, and wishes for the first variant.

        `latencies` is the profile, least accurate variant first, and `slowness` what was learned beside it; `sides_px` is given
        where frames have to be decoded before they can run. `depth` batches may be under way at once.
        Where frames would be lost to the plan's batches, they have up to `max_batch_size` frames.
        """
        first_decode_ms = FIRST_DECODE_MS if sides_px else 0.0
        self.condition = Condition(latencies, first_decode_ms, slowness)
        self._latencies = latencies
        self._batcher = batcher
        self._sides_px = sides_px or {}
        self._depth = depth
        self._max_batch_size = max_batch_size
        self.variants = VariantWindow(list(latencies), num_loaded)
        self.frames = WaitingFrames(
            needs_decoding=bool(sides_px), is_by_tenant=isinstance(batcher, FairShareBatcher)
        )
        self._under_way: list[Batch] = []
        self._is_reserved = False  # a frame that is to be alone is next: no decoder begins another
        self._free_ms = -math.inf  # when the newest batch should have ended
        self._ended_ms = now_ms

    @property
    def batch_size(self) -> int:
        """The largest batch that the plan and the active variant allow; 1 where a device may be as good as lost."""
        return self._at_most(max(1, self.variants.orders.batch_size))

    @property
    def max_batch_size(self) -> int:
        """The largest batch that may run where frames would be lost to the plan's; likewise."""
        return self._at_most(self._max_batch_size)

    def _at_most(self, batch_size: int) -> int:
        if self.condition.slowdown.is_in_doubt:
            return 1
        return min(batch_size, self._latencies[self.variants.active].max_batch_size)

    def take(
        self,
        key: int,
        deadline_ms: float,
        now_ms: float,
        *,
        is_alone: bool = False,
        tenant: str = DEFAULT_TENANT,
    ) -> None:
        """A frame of a tenant has come; `key` is no other's."""
        self.frames.add(key, deadline_ms, now_ms, is_alone=is_alone, tenant=tenant)

    def cancel(self, key: int) -> bool:
        """Nobody waits for a frame any more; returns whether it still waited here."""
        return self.frames.remove(key) is not None

    def order(self, orders: DeviceOrders) -> None:
        """A plan has come; raises KeyError if there is no such variant."""
        self.variants.order(orders)
        self._require_side()

    def loaded(self, variant: str) -> None:
        """A variant has been loaded."""
        self.variants.loaded(variant)
        self._require_side()

    def broke(self, variant: str) -> None:
        """A variant could not be loaded."""
        self.variants.broke(variant)
        self._require_side()

    @property
    def side_px(self) -> int:
        """For which frames are decoded; 0 for none."""
        return self._sides_px.get(self.variants.active, 0)

    def _require_side(self) -> None:
        """Has frames decoded anew that were decoded for another variant's side."""
        if self.side_px:
            self.frames.require_side(self.side_px)

    def decoded(self, decoder: int, side_px: int) -> bool:
        """A decoder is done with its frame, for a side; returns whether it still waited. With 0 it waits no longer."""
        is_waiting = self.frames.decoded(decoder, side_px)
        self._require_side()
        return is_waiting

    def ran(
        self,
        batch: Batch,
        took_ms: float,
        now_ms: float,
        *,
        is_good: bool = True,
        decode_ms: float | None = None,
    ) -> None:
        """A batch has ended.

        It took 0 if its only frame could not be decoded, and is good if it has answers; `decode_ms` is the mean time to
        decode one of its frames, None if they were not decoded.
        """
        self._under_way.remove(batch)
        self._ended_ms = now_ms
        if batch.frames:
            self._batcher.ran(batch, took_ms)
        if is_good:
            self.condition.ran(batch, took_ms, now_ms)
            if decode_ms is not None:
                self.condition.decoded(decode_ms)

    def load(self, cause: LoadCause) -> LoadStep:
        """A loader is free; nothing that it is to unload runs, or is asked for meanwhile."""
        in_use = [batch.variant for batch in self._under_way]
        return self.variants.next_load(cause, in_use)

    def decode(self, decoder: int) -> int | None:
        """A decoder is free; returns a frame to decode for `side_px`, or None until something has happened."""
        if self._is_reserved or any(batch.is_alone for batch in self._under_way):
            return None
        hopeless_ms = self._free_ms + self._alone_ms() if self._under_way else -math.inf
        look_ahead = LOOK_AHEAD_BATCHES * max(1, self.variants.orders.batch_size)
        return self.frames.decode(decoder, look_ahead, hopeless_ms)

    def turn(self, now_ms: float) -> Turn:
        """The device could start a batch; returns what to do.

        Raises:
            RuntimeError: before a first variant was loaded.
        """
        if not self.variants.active:
            raise RuntimeError("no variant is active")
        alone = self.frames.first_alone
        if alone is not None:
            return self._turn_alone(alone, now_ms)
        self._is_reserved = False
        if self._under_way:
            if len(self._under_way) >= self._depth or self._under_way[0].is_alone:
                return Turn(must_finish=True)
            if now_ms < self._free_ms - LEAD_MS:
                return Turn(wait_until_ms=self._free_ms - LEAD_MS)
            turn = self._turn(max(now_ms, self._free_ms))
            turn.must_finish = turn.batch is None and not turn.drop
            return turn
        if not len(self.frames):
            at_ms = self.condition.probe_at_ms()
            if at_ms > now_ms:
                return Turn(wait_until_ms=at_ms)
            self.condition.probing(now_ms)
            return Turn(self._lay((), now_ms))
        return self._turn(now_ms)

    def _turn(self, now_ms: float) -> Turn:
        """Asks the batcher until it knows what to do."""
        frames = self.frames
        drop: tuple[tuple[int, Reason], ...] = ()
        while len(frames):
            state = DeviceState(
                self.condition.expected(self.variants.active),
                self.batch_size,
                self.variants.orders.arrival_fps,
                self.condition.decode_ms,
                self.max_batch_size,
            )
            decision = self._batcher.decide(frames.view(), state, now_ms)
            frames.take([key for key, _ in decision.drop])
            drop += decision.drop
            if decision.run:
                return Turn(self._lay(frames.take(decision.run), now_ms), drop)
            if not decision.drop:
                return self._wait(decision.wait_until_ms, drop, now_ms)
        return Turn(drop=drop, wait_until_ms=now_ms if drop else math.inf)

    def _wait(
        self, until_ms: float | None, drop: tuple[tuple[int, Reason], ...], now_ms: float
    ) -> Turn:
        """Waits for frames, or decoders; now and then says so to endpoints whose frames are overdue."""
        overdue, limit_ms = self.frames.overdue(now_ms)
        wait_ms = min(math.inf if until_ms is None else until_ms, limit_ms)
        return Turn(None, drop, overdue, wait_until_ms=max(wait_ms, now_ms + SHORTEST_WAIT_MS))

    def _turn_alone(self, frame: QueuedFrame, now_ms: float) -> Turn:
        """Waits until no other frame is at work; then the frame runs, if there is time."""
        if self._under_way:
            return Turn(must_finish=True)
        self._is_reserved = True
        if self.frames.decoding:
            return Turn()
        self._is_reserved = False
        self.frames.remove(frame.key)
        if frame.deadline_ms < now_ms + self._alone_ms():
            return Turn(drop=((frame.key, Reason.TOO_LATE),), wait_until_ms=now_ms)
        return Turn(self._lay((frame,), now_ms, is_alone=True))

    def _alone_ms(self) -> float:
        """What a frame takes that runs alone."""
        return self.condition.expected(self.variants.active).p50_ms[0]

    def _lay(
        self, frames: tuple[QueuedFrame, ...], now_ms: float, *, is_alone: bool = False
    ) -> Batch:
        variant, index = self.variants.active, max(1, len(frames)) - 1
        latency = self._latencies[variant]
        batch = Batch(
            frames,
            variant,
            latency.p50_ms[index],
            latency.p99_ms[index],
            now_ms,
            now_ms - self._ended_ms,
            self.batch_size,
            len(self.frames),
            self.variants.orders.plan_epoch,
            is_alone,
        )
        self._under_way.append(batch)
        self._free_ms = now_ms + self.condition.expected(variant).p50_ms[batch.size - 1]
        return batch

    def check_invariants(self) -> None:
        """Raises AssertionError where the state contradicts itself; for tests."""
        is_alone = any(batch.is_alone for batch in self._under_way)
        if len(self._under_way) > (1 if is_alone else self._depth):
            raise AssertionError("more batches are under way than may be")
        if is_alone and self.frames.decoding:
            raise AssertionError("a frame that is to be alone is not")
