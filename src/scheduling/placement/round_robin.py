"""Policies that know no deadlines: nodes in turn or at random, batches as large as can be, of a size, or once an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from random import Random

from .port import NodeView, Placement, Sending, WaitingFrame

MOST_WAIT_MS = 15_000.0
"""A batch that does not fill up goes when its oldest frame has waited for so long. Source: LoudVA's fixed batch."""

MOST_FRAMES = 10**9


class Turn(Enum):
    """Which node is next."""

    ANY = "the next one, whatever it has to do"
    FREE = "the next one that has nothing to do"
    RANDOM = "any one that has nothing to do, at any of its clocks, with a batch of any size"


class RoundRobinPlacer:
    """Sends frames as they came, in batches, to one node after the other.

    One node, whatever it has to do, and batches of all that waits is "no scheduler".

    Source: the rivals of LoudVA.
    """

    def __init__(
        self,
        most: Mapping[str, int],
        *,
        turn: Turn = Turn.ANY,
        batch_size: int = 0,
        interval_ms: float = 0.0,
        clocks_mhz: Mapping[str, Sequence[float]] | None = None,
        random: Random | None = None,
    ) -> None:
        """Starts with the first node.

        Args:
            most: nodes in their order, with the largest batch of each.
            turn: whose turn is next.
            batch_size: of every batch, as far as the node takes so many; 0 for whatever is there.
            interval_ms: between two batches.
            clocks_mhz: which `Turn.RANDOM` draws from, by node; others leave clocks alone.
            random: what it draws with.
        """
        self._most = dict(most)
        self._order = list(most)
        self._turn = turn
        self._batch_size = batch_size
        self._interval_ms = interval_ms
        self._clocks_mhz = clocks_mhz or {}
        self._random = random or Random(0)  # noqa: S311 - no secret
        self._last_ms = -math.inf

    def place(
        self, frames: Sequence[WaitingFrame], nodes: Mapping[str, NodeView], now_ms: float
    ) -> Placement:
        """Decides; see `Placer`."""
        if not frames:
            return Placement()
        if self._interval_ms and now_ms < (tick_ms := self._next_tick_ms(now_ms)):
            return Placement(hold_until_ms=tick_ms)
        send: list[Sending] = []
        rest = list(frames)
        taken: set[str] = set()
        while rest and (node_id := self._next_node(nodes, taken)) is not None:
            full = min(self._batch_size or MOST_FRAMES, self._most[node_id])
            size = min(len(rest), full)
            until_ms = rest[0].arrived_ms + MOST_WAIT_MS
            if self._batch_size and size < full and now_ms < until_ms:
                return Placement(tuple(send), hold_until_ms=until_ms)
            clock_mhz = None
            if self._turn is Turn.RANDOM:
                size = self._random.randint(1, size)
                clock_mhz = self._random.choice(self._clocks_mhz[node_id])
            send.append(Sending(node_id, tuple(one.key for one in rest[:size]), clock_mhz))
            rest = rest[size:]
            if self._turn is not Turn.ANY:
                taken.add(node_id)
            self._order.remove(node_id)
            self._order.append(node_id)
            if self._interval_ms:
                self._last_ms = now_ms
                return Placement(tuple(send), hold_until_ms=now_ms + self._interval_ms)
        return Placement(tuple(send))

    def _next_tick_ms(self, now_ms: float) -> float:
        """Ticks are whole intervals; each has one batch at most."""
        tick_ms = math.ceil(now_ms / self._interval_ms) * self._interval_ms
        return tick_ms if tick_ms > self._last_ms else tick_ms + self._interval_ms

    def _next_node(self, nodes: Mapping[str, NodeView], taken: set[str]) -> str | None:
        able = [
            one
            for one in self._order
            if one in nodes
            and nodes[one].alive
            and one not in taken
            and (self._turn is Turn.ANY or not nodes[one].num_batches)
        ]
        return (
            self._random.choice(able)
            if able and self._turn is Turn.RANDOM
            else next(iter(able), None)
        )
