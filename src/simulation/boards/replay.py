"""Replays bursts of frames on boards under a virtual clock, with whatever `Placer` decides, and counts joules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ...scheduling.placement.port import NodeView, Placer, Sending, WaitingFrame
from ..events import EventQueue, Priority
from .board import CHANGE_MS, Board, controller_ms
from .load import Burst

STEP_MS = 1000.0


class Outcome(NamedTuple):
    """What came of a load.

    Attributes:
        frames: all of them.
        in_time: share that was answered by its deadline.
        energy_j: what all boards drew, from the first moment to the last answer.
        above_idle_j: the same without what they would draw idle at their lowest clocks.
        frames_per_j: frames by `energy_j`.
        mean_batch: frames by batches.
        mean_mhz: of the boards' clocks, over time.
        p95_ms: 95 of 100 frames were answered in that time.
        seconds: until the last answer.
    """

    frames: int
    in_time: float
    energy_j: float
    above_idle_j: float
    frames_per_j: float
    mean_batch: float
    mean_mhz: float
    p95_ms: float
    seconds: float


class Replay:
    """One load on some boards. All frames go over one link, one batch after the other."""

    def __init__(
        self,
        bursts: Sequence[Burst],
        boards: Mapping[str, Board],
        placer: Placer,
        transfer_ms: Callable[[int], float],
        on_switch: Callable[[str, float], None] | None = None,
        *,
        has_controller: bool = False,
    ) -> None:
        """Starts at the beginning.

        Args:
            bursts: the load.
            boards: by name, as the placer knows them.
            placer: who decides.
            transfer_ms: what frames take over the link, by their number.
            on_switch: is told what changes of clocks take (ms).
            has_controller: whether what the controller takes for each batch is counted.
        """
        self._has_controller = has_controller
        self._boards, self._placer = boards, placer
        self._transfer_ms, self._on_switch = transfer_ms, on_switch
        self._events = EventQueue()
        self._waiting: dict[int, WaitingFrame] = {}
        self._link_free_ms = 0.0
        self._latencies_ms: list[float] = []
        self._num_in_time = self._num_batches = self._num_frames = 0
        self._num_open = sum(burst.frames for burst in bursts)
        self._last_answer_ms = self._total_mj = self._mhz_ms = 0.0
        self._decides_at_ms = -1.0
        self._num_decisions = 0
        for burst in bursts:
            self._events.at(1000 * burst.at_s, Priority.ARRIVAL, self._arrive, burst)
        self._wake()

    def run(self) -> Outcome:
        """Plays it to the end."""
        end_ms = 0.0
        while self._num_open and len(self._events):
            end_ms += STEP_MS
            self._events.run_until(end_ms)
        latencies_ms = sorted(self._latencies_ms)
        boards, seconds = self._boards.values(), self._last_answer_ms / 1000
        energy_j = self._total_mj / 1000
        return Outcome(
            frames=self._num_frames,
            in_time=self._num_in_time / self._num_frames,
            energy_j=energy_j,
            above_idle_j=energy_j - seconds * sum(one.parked_w for one in boards),
            frames_per_j=self._num_frames / energy_j,
            mean_batch=len(latencies_ms) / self._num_batches,
            mean_mhz=self._mhz_ms / self._last_answer_ms / len(boards),
            p95_ms=latencies_ms[int(0.95 * len(latencies_ms))],
            seconds=seconds,
        )

    def _arrive(self, burst: Burst) -> None:
        now_ms = self._events.now_ms
        for _ in range(burst.frames):
            frame = WaitingFrame(self._num_frames, now_ms, now_ms + 1000 * burst.slo_s)
            self._waiting[self._num_frames] = frame
            self._num_frames += 1
        self._wake()

    def _wake(self) -> None:
        if self._decides_at_ms != self._events.now_ms:
            self._decides_at_ms = self._events.now_ms
            self._events.at(self._events.now_ms, Priority.DECISION, self._decide, None)

    def _decide(self, unless_after: int | None) -> None:
        """Has the placer decide; where that was held, only if nothing has been decided since."""
        if unless_after not in {None, self._num_decisions}:
            return
        self._num_decisions += 1
        self._decides_at_ms = -1.0
        now_ms = self._events.now_ms
        nodes = {
            name: NodeView(
                name,
                num_batches=board.batches,
                free_at_ms=board.free_at_ms,
                clock_mhz=board.asked_mhz,
            )
            for name, board in self._boards.items()
        }
        placed = self._placer.place(list(self._waiting.values()), nodes, now_ms)
        for name, clock_mhz in placed.clocks:
            self._boards[name].asked_mhz = clock_mhz
            self._switch(name, clock_mhz, now_ms + CHANGE_MS)
        for key, _ in placed.drop:
            del self._waiting[key]
            self._num_open -= 1
        for sending in placed.send:
            self._send(sending)
        if placed.hold_until_ms is not None:
            self._events.at(
                placed.hold_until_ms, Priority.DECISION, self._decide, self._num_decisions
            )

    def _send(self, sending: Sending) -> None:
        board, now_ms = self._boards[sending.node_id], self._events.now_ms
        frames = tuple(self._waiting.pop(key) for key in sending.keys)
        board.batches += 1
        self._num_batches += 1
        if sending.clock_mhz not in {None, board.asked_mhz}:
            board.asked_mhz = sending.clock_mhz
            now_ms += CHANGE_MS
            self._switch(sending.node_id, board.asked_mhz or 0.0, now_ms)
            if self._on_switch is not None:
                self._on_switch(sending.node_id, CHANGE_MS)
        if self._has_controller:
            now_ms += controller_ms(len(frames))
        self._link_free_ms = max(self._link_free_ms, now_ms) + self._transfer_ms(len(frames))
        takes_ms = board.batch_ms(len(frames), board.asked_mhz)
        board.free_at_ms = max(board.free_at_ms, self._link_free_ms) + takes_ms
        self._events.at(self._link_free_ms, Priority.ARRIVAL, self._reach, board, frames)

    def _switch(self, name: str, clock_mhz: float, at_ms: float) -> None:
        def switch() -> None:
            if self._boards[name].asked_mhz == clock_mhz:
                self._boards[name].set_clock(clock_mhz, self._events.now_ms)

        self._events.at(at_ms, Priority.DONE, switch)

    def _reach(self, board: Board, frames: tuple[WaitingFrame, ...]) -> None:
        board.waiting.append(frames)
        self._go_on(board)

    def _go_on(self, board: Board) -> None:
        if board.waiting and not board.is_running:
            frames, now_ms = board.waiting.popleft(), self._events.now_ms
            board.start(len(frames), now_ms)
            end_ms = now_ms + board.batch_ms(len(frames))
            self._events.at(end_ms, Priority.DONE, self._end, board, frames)

    def _end(self, board: Board, frames: tuple[WaitingFrame, ...]) -> None:
        now_ms = self._events.now_ms
        board.stop(now_ms)
        board.batches -= 1
        self._latencies_ms += [now_ms - frame.arrived_ms for frame in frames]
        self._num_in_time += sum(now_ms <= frame.deadline_ms for frame in frames)
        self._num_open -= len(frames)
        if not self._num_open:  # what comes after the last answer is not counted
            for one in self._boards.values():
                one.count(now_ms)
            self._last_answer_ms = now_ms
            self._total_mj = sum(one.total_mj for one in self._boards.values())
            self._mhz_ms = sum(one.mhz_ms for one in self._boards.values())
        self._go_on(board)
        self._wake()
