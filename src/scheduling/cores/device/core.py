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
from .device_clock import LOOK_MS, DeviceClock
from .instructions import DeviceOrders, LoadCause, LoadStep, Turn
from .parking import Parking
from .variant_window import VariantWindow
from .waiting_frames import WaitingFrames

LOOK_AHEAD_BATCHES = 2  # frames are decoded for so many
LOWER_WITHIN_MS = 250.0  # frames that a falling clock would make late may go first for so long
LEAD_MS = 3.0  # before a batch ends, the next one is chosen where several may be under way


class DeviceCore:
    """Takes what happens at a device, and tells whoever is free there what to do.

    Every frame that was taken ends once: in a batch that ran or failed, given up with a reason, or cancelled. It has no clock and
    no thread: whoever can run a batch, decode or load asks (`turn`, `decode`, `load`) whenever something
    has happened, and at the time that the last `Turn` names. These are methods and not objects, for a frame costs several.

    Attributes:
        condition: how the device does.
        clock: the one that the device runs at; to be read.
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
        by_clock: Mapping[float, Mapping[str, BatchLatency]] | None = None,
        can_park: bool = True,
    ) -> None:
        """Starts with nothing loaded, and wishes for the first variant.

        `latencies` is the profile, least accurate variant first, and `slowness` what was learned beside it; `sides_px` is given
        where frames have to be decoded before they can run. `depth` batches may be under way at once.
        Where frames would be lost to the plan's batches, they have up to `max_batch_size` frames.
        `by_clock` has the profile at each clock that can be chosen, `latencies` being that at the highest. A device that is idle
        is put to the lowest of them if it `can_park` and its plan has a clock.
        """
        first_decode_ms = FIRST_DECODE_MS if sides_px else 0.0
        self._by_clock = by_clock or {}
        self.clock = DeviceClock(self._by_clock)
        self.condition = Condition(latencies, first_decode_ms, slowness, self.clock.reached_mhz)
        self._parking = Parking(is_allowed=can_park)
        self._wished_mhz: float | None = None
        self._wished_ms = now_ms
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
        self._parking.came(now_ms)
        self.frames.add(key, deadline_ms, now_ms, is_alone=is_alone, tenant=tenant)

    def cancel(self, key: int) -> bool:
        """Nobody waits for a frame any more; returns whether it still waited here."""
        return self.frames.remove(key) is not None

    def order(self, orders: DeviceOrders) -> None:
        """A plan has come; raises KeyError if there is no such variant, ValueError if there is no such clock."""
        if orders.clock_mhz is not None and orders.clock_mhz not in self._by_clock:
            listed = ", ".join(f"{one:g}" for one in self.clock.clocks_mhz) or "none"
            raise ValueError(
                f"clock_mhz={orders.clock_mhz:g}: must be one of the device's table: {listed}"
            )
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

    def at_clock(self, mhz: float | None, now_ms: float, *, is_refused: bool = False) -> None:
        """The device runs at a clock, None if nobody knows; `is_refused` if the one that was asked for is out of reach.

        To be said before each `turn`, where there are clocks. Batches are sized and judged by the clock that is reached.
        """
        before = self.clock.reached_mhz
        self.clock.read(mhz, now_ms, is_refused=is_refused)
        reached = self.clock.reached_mhz
        if reached is not None and reached != before:
            self._latencies = self._by_clock[reached]
            self.condition.at_clock(reached, self._latencies)

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
            if self.clock.is_steady and batch.clock_epoch == self.clock.epoch:
                self.condition.ran(batch, took_ms, now_ms)
            else:
                self.condition.probing(now_ms)  # nobody knows at which clock it ran
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
        turn = self._turn_clock(now_ms)
        if turn is not None:
            return turn
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
                return Turn(wait_until_ms=min(at_ms, self._look_at_ms(now_ms)))
            self.condition.probing(now_ms)
            return Turn(self._lay((), now_ms))
        return self._turn(now_ms)

    def _turn_clock(self, now_ms: float) -> Turn | None:
        """Changes the clock between batches, or waits for it; returns None if something may run."""
        clock = self.clock
        if not clock.is_changing:
            wish = self._wish_mhz(now_ms)
            if wish != self._wished_mhz:
                self._wished_mhz, self._wished_ms = wish, now_ms
            if wish is None or wish == clock.asked_mhz or not self._bears_change(wish, now_ms):
                return None
            if self._under_way:
                return Turn(must_finish=True)
            clock.ask(wish, now_ms)
            return Turn(ask_mhz=wish, wait_until_ms=now_ms)
        if self._under_way or not (clock.is_lowering or self._is_sooner_if_awaited(now_ms)):
            return None
        return self._wait(now_ms + LOOK_MS, (), now_ms)

    def _wish_mhz(self, now_ms: float) -> float | None:
        """The clock to be at; None to leave it alone."""
        clock, orders = self.clock, self.variants.orders
        if not clock.clocks_mhz:
            return None
        planned = orders.clock_mhz
        if planned is None:
            return None if clock.asked_mhz is None else clock.clocks_mhz[-1]
        lowest = clock.clocks_mhz[0]
        self._parking.look_ms = math.inf
        if planned == lowest or self._is_at_work:
            return planned
        row_ms = self._by_clock[planned][self.variants.active].p99_ms
        is_due = self._parking.is_due(
            orders.arrival_fps,
            clock.change_ms,
            row_ms[min(max(1, orders.batch_size), len(row_ms)) - 1],
            now_ms,
            is_parked=clock.asked_mhz == lowest,
        )
        return lowest if is_due else planned

    @property
    def _is_at_work(self) -> bool:
        """Whether there is a frame here, or somebody wants to know how slow the device is."""
        has_frames = len(self.frames) or self.frames.first_alone is not None or self.frames.decoding
        return bool(has_frames or self._under_way or self.condition.probe_at_ms() < math.inf)

    def _bears_change(self, mhz: float, now_ms: float) -> bool:
        """Whether no frame that waits would be late as the clock falls first; or they have gone first for long enough."""
        if mhz >= (self.clock.reached_mhz or 0.0):
            return True
        slow_ms = self._by_clock[mhz][self.variants.active].p50_ms[0]
        in_time_ms = now_ms + self.clock.change_ms + slow_ms
        is_overdue = now_ms >= self._wished_ms + LOWER_WITHIN_MS
        return is_overdue or self.frames.first_deadline_ms >= in_time_ms

    def _is_sooner_if_awaited(self, now_ms: float) -> bool:
        """Whether a frame has run sooner if it waits for a rising clock."""
        clock, variant = self.clock, self.variants.active
        if clock.asked_mhz is None or not (len(self.frames) or self.frames.first_alone):
            return False
        fast_ms = self._by_clock[clock.asked_mhz][variant].p50_ms[0]
        slow_ms = self._latencies[variant].p50_ms[0]
        return not clock.is_late(now_ms) and clock.left_ms(now_ms) + fast_ms < slow_ms

    def _look_at_ms(self, now_ms: float) -> float:
        """When an idle device is to be asked again for the sake of its clock."""
        look_ms = now_ms + LOOK_MS if self.clock.is_changing else self._parking.look_ms
        return max(look_ms, now_ms + SHORTEST_WAIT_MS)

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
            self.clock.reached_mhz,
            self.clock.epoch,
        )
        self._under_way.append(batch)
        self._free_ms = now_ms + self.condition.expected(variant).p50_ms[batch.size - 1]
        return batch

    def check_invariants(self) -> None:
        """Raises AssertionError where the state contradicts itself; for tests."""
        is_alone = any(batch.is_alone for batch in self._under_way)
        if len(self._under_way) > (1 if is_alone else self._depth):
            raise AssertionError("more batches are under way than may be")
        if self._under_way and self.clock.is_lowering:
            raise AssertionError("the clock falls under a running batch")
        if is_alone and self.frames.decoding:
            raise AssertionError("a frame that is to be alone is not")
