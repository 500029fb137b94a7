"""LoudVA's scheduler: the batch, on whichever board and at whichever clock, that takes least energy a frame and is in time.

In two forms. `as published` has two defects that its figures come from: once the most urgent frame is late, batches of one (D1),
and boards kept at their parked clock as a change is thought to take long (D2). `mended` sets hopeless frames behind the others
and then looks for throughput, counts what a board still has to do, and learns what a change of clock takes.

Source: LoudVA (EuroMLSys 2025) and its code, MIT licence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..batching.loudva import WAIT_FACTOR, held_ms
from .cheapest import Candidate, Costs, search
from .port import NodeView, Placement, Sending, WaitingFrame

POLL_MS = 10.0  # between two batches
CHECK_MS = 2000.0  # between two looks for idle boards
LEARNED_WEIGHT = 0.3  # of the latest change of clock in what one is expected to take


@dataclass(frozen=True, slots=True, kw_only=True)
class LoudVARules:
    """What the policy is set to.

    Attributes:
        is_mended: the form.
        margin_ms: added to each estimate.
        wait_factor: see `held_ms`.
        num_buffered: batches that may wait at a board beside the one that runs.
        idle_ms: a board that has had nothing to do for that long gets its lowest clock.
        transfer_ms: what frames take to a board, by their number.
        switch_ms: what a change of clock is taken to cost a board, by name; where it is mended, until it is known.
    """

    is_mended: bool = True
    margin_ms: float = 200.0
    wait_factor: float = WAIT_FACTOR
    num_buffered: int = 1
    idle_ms: float = 4000.0
    transfer_ms: Callable[[int], float] = field(default=lambda _: 0.0)
    switch_ms: Mapping[str, float] = field(default_factory=dict)


class LoudVAPlacer:
    """Orders frames by deadline and sends one batch at a time; keeps in mind since when boards are idle."""

    def __init__(self, costs: Mapping[str, Costs], rules: LoudVARules) -> None:
        """Knows what each board's batches cost; boards are tried in this order."""
        self._costs = costs
        self._rules = rules
        self._switch_ms = dict(rules.switch_ms)
        most = max(one.most for one in costs.values())
        self._transfer_ms = np.array([rules.transfer_ms(n) for n in range(1, most + 1)])
        self._num_batches = dict.fromkeys(costs, 0)
        self._idle_since_ms = dict.fromkeys(costs, 0.0)
        self._next_check_ms = 0.0
        self._next_poll_ms = -math.inf

    def switched(self, node_id: str, took_ms: float) -> None:
        """Is told what a change of a board's clock has taken."""
        if self._rules.is_mended:
            known_ms = self._switch_ms.get(node_id, took_ms)
            self._switch_ms[node_id] = known_ms + LEARNED_WEIGHT * (took_ms - known_ms)

    def place(
        self, frames: Sequence[WaitingFrame], nodes: Mapping[str, NodeView], now_ms: float
    ) -> Placement:
        """Decides; see `Placer`."""
        for node_id, node in nodes.items():
            if node.num_batches < self._num_batches[node_id]:
                self._idle_since_ms[node_id] = now_ms
            self._num_batches[node_id] = node.num_batches
        clocks, check_ms = self._park(nodes, now_ms)
        if now_ms < self._next_poll_ms:
            again_ms = self._next_poll_ms if frames else check_ms
            return Placement(clocks=clocks, hold_until_ms=again_ms)
        parked = dict(clocks)
        free = [
            node
            for node in nodes.values()
            if node.alive and node.num_batches <= self._rules.num_buffered
        ]
        if not frames or not free:
            return Placement(clocks=clocks, hold_until_ms=check_ms)
        now_at = {node.node_id: parked.get(node.node_id, node.clock_mhz) for node in free}
        boards = [self.candidate(node, now_at[node.node_id], now_ms) for node in free]
        queue, num_hopeful = self._ordered(frames, boards, now_ms)
        slack_ms = queue[0].deadline_ms - now_ms
        choice = search(boards, len(queue), slack_ms, for_throughput=self._rules.is_mended)
        sized = free if self._rules.is_mended else nodes.values()
        most = max(self._costs[node.node_id].most for node in sized)
        wait_ms = held_ms(slack_ms, choice.estimated_ms, len(queue), most, self._rules.wait_factor)
        if num_hopeful and now_ms + wait_ms > now_ms:
            return Placement(clocks=clocks, hold_until_ms=_sooner(now_ms + wait_ms, check_ms))
        self._next_poll_ms = now_ms + POLL_MS
        clock_mhz, held_mhz = choice.clock_mhz, now_at[choice.node_id]
        if nodes[choice.node_id].num_batches and held_mhz is not None:
            clock_mhz = max(clock_mhz, held_mhz)  # never slower under what runs
        keys = tuple(one.key for one in queue[: choice.batch_size])
        return Placement(
            (Sending(choice.node_id, keys, clock_mhz),),
            clocks=tuple(one for one in clocks if one[0] != choice.node_id),
            hold_until_ms=self._next_poll_ms if len(keys) < len(queue) else check_ms,
        )

    def _park(
        self, nodes: Mapping[str, NodeView], now_ms: float
    ) -> tuple[tuple[tuple[str, float], ...], float | None]:
        """Boards to be set to their lowest clocks, and when to look again; None if none will be idle for long enough."""
        waking = {
            node_id: (self._idle_since_ms[node_id] + self._rules.idle_ms, lowest)
            for node_id, node in nodes.items()
            if node.alive
            and not node.num_batches
            and node.clock_mhz != (lowest := float(self._costs[node_id].clocks_mhz[0]))
        }
        parked: tuple[tuple[str, float], ...] = ()
        if waking and now_ms >= self._next_check_ms:
            self._next_check_ms = (math.floor(now_ms / CHECK_MS) + 1) * CHECK_MS
            parked = tuple((one, lowest) for one, (at, lowest) in waking.items() if at <= now_ms)
        due = [at for one, (at, _) in waking.items() if one not in dict(parked)]
        if not due:
            return parked, None
        return parked, max(min(due), self._next_check_ms)

    def _ordered(
        self,
        frames: Sequence[WaitingFrame],
        boards: Sequence[Candidate],
        now_ms: float,
    ) -> tuple[list[WaitingFrame], int]:
        """Frames by deadline, where it is mended the hopeless ones last; and how many are not."""
        queue = sorted(frames, key=lambda one: one.deadline_ms)
        if not self._rules.is_mended:
            return queue, len(queue)
        soonest_ms = min(board.estimated_ms[:, 0].min() for board in boards)
        hopeless = [one for one in queue if one.deadline_ms < now_ms + soonest_ms]
        hopeful = queue[len(hopeless) :]
        return hopeful + hopeless, len(hopeful)

    def candidate(self, node: NodeView, clock_mhz: float | None, now_ms: float) -> Candidate:
        """A board at that clock, with how long its batches are expected to take until they are answered."""
        costs = self._costs[node.node_id]
        switch_ms = self._switch_ms.get(node.node_id, 0.0) * (costs.clocks_mhz != clock_mhz)
        busy_ms = max(0.0, node.free_at_ms - now_ms) if self._rules.is_mended else 0.0
        waits_ms = self._rules.margin_ms + busy_ms + switch_ms
        transfer_ms = self._transfer_ms[: costs.most]
        return Candidate(node.node_id, costs, costs.batch_ms + transfer_ms + waits_ms[:, None])


def _sooner(one_ms: float, other_ms: float | None) -> float:
    return one_ms if other_ms is None else min(one_ms, other_ms)
