"""A device that is not there: takes a profile's time for each batch and finds what it is told to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from ...core.answers import Answer, Detections
from ...core.clock import Clock, MonotonicClock
from ...core.mode import ModeTable, latencies_by_clock
from ...core.profile import BatchLatency
from ...core.zoo import Fit
from ...vision.fits import Fitted
from ..replay import ALWAYS_AS_PROFILED, P99_EVERY, ReplayedLatency, SlowdownScript
from .port import Input, Running


class ReplayedExecutor:
    """Sleeps a profile's median for the real batch size, and its p99 in one batch of a hundred.

    Loads neither torch nor any device library. Frames are not decoded.

    Attributes:
        clock_mhz: as it is now; None while none was asked for, which is the highest. It is a `ClockAsker`.
        clock_problem: says so where it has no such clock.
    """

    needs_pictures = False
    depth = 1
    fit = Fit.STRETCH

    def __init__(
        self,
        latency: Mapping[str, BatchLatency],
        *,
        is_instant: bool = False,
        load_ms: float = 0.0,
        p99_every: int = P99_EVERY,
        answers: Sequence[Answer] = (),
        slowdown: SlowdownScript = ALWAYS_AS_PROFILED,
        modes: ModeTable | None = None,
        clock_delay_ms: float = 0.0,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Takes the latencies to replay, by variant.

        An instant one answers without sleeping, to measure what everything else costs. What is found are `answers`,
        over and over; `load_ms` is what loading a variant takes; `slowdown` counts from now, and `sleep` takes seconds;
        `p99_every` 0 is never. With `modes` of the same variants it has their clocks, and a change of them takes `clock_delay_ms`.
        """
        self._latency = latency
        self._times = ReplayedLatency(latency, p99_every)
        self._is_instant = is_instant
        self._load_ms = load_ms
        self._answers = tuple(answers) or (Detections.empty(),)
        self._slowdown = slowdown
        self._clock = clock or MonotonicClock()
        self._began_ms = self._clock.now_ms()
        self._sleep = sleep
        self._free_ms = -math.inf
        self._clock_delay_ms = clock_delay_ms
        self._by_mhz = {
            mhz: ReplayedLatency(some, p99_every)
            for mhz, some in latencies_by_clock(modes, latency).items()
        }
        self._clocks: list[tuple[float, float]] = []  # from when on, in MHz
        self.clock_problem = ""
        self._loaded: set[str] = set()
        self._num_frames = 0

    def load(self, variant: str, max_batch_size: int) -> None:
        """Sleeps as long as a load takes; raises KeyError if the variant's latency is not known."""
        self._latency[variant]
        if variant not in self._loaded and self._load_ms:
            self._sleep(self._load_ms / 1000)
        self._loaded.add(variant)

    def unload(self, variant: str) -> None:
        """Forgets a variant."""
        self._loaded.discard(variant)

    @property
    def clock_mhz(self) -> float | None:
        """See above."""
        return self._clock_at(self._clock.now_ms())

    def _clock_at(self, now_ms: float) -> float | None:
        return next((mhz for at_ms, mhz in reversed(self._clocks) if at_ms <= now_ms), None)

    def ask_clock(self, mhz: float) -> None:
        """Changes the clock, after the delay; one that it does not have changes nothing."""
        now_mhz = self._clocks[-1][1] if self._clocks else None
        self.clock_problem = "" if mhz in self._by_mhz else f"its profile has no {mhz:g} MHz"
        if mhz in self._by_mhz and mhz != now_mhz:
            self._clocks = [*self._clocks[-1:], (self._clock.now_ms() + self._clock_delay_ms, mhz)]

    def prepare(self, fitted: Fitted) -> Input:
        """Nothing is looked at."""
        return fitted

    def start(self, variant: str, inputs: Sequence[Input]) -> Running:
        """Knows when the batch will have ended, if the one before takes as long as it should."""
        start_ms = self._clock.now_ms()
        if variant not in self._loaded:
            raise KeyError(variant)
        answers = [
            self._answers[(self._num_frames + k) % len(self._answers)] for k in range(len(inputs))
        ]
        self._num_frames += len(inputs)
        if not self._is_instant:
            factor = self._slowdown.factor(start_ms - self._began_ms)
            times = self._by_mhz.get(self._clock_at(start_ms) or 0.0, self._times)
            latency_ms = factor * times.next_ms(variant, len(inputs))
            self._free_ms = max(start_ms, self._free_ms) + latency_ms
        return self._free_ms, answers

    def finish(self, running: Running) -> Sequence[Answer]:
        """Sleeps until the batch has taken as long as the profile says, counted from its start."""
        answers: Sequence[Answer]
        end_ms, answers = running
        left_ms = end_ms - self._clock.now_ms()
        if left_ms > 0:
            self._sleep(left_ms / 1000)
        return answers
