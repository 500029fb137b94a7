"""Exhaustive search for the batch that takes least energy a frame, over boards, clocks and batch sizes.

Source: LoudVA (EuroMLSys 2025), its search for a configuration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...core.mode import ModeTable

Floats = npt.NDArray[np.float64]
HEADROOM = 1.1  # of the throughput that is looked for where nothing is in time


class Costs(NamedTuple):
    """What a board's batches cost, by clock (rows, the lowest first) and batch size 1, 2, ... (columns).

    Attributes:
        clocks_mhz: of the rows.
        batch_ms: what a batch takes.
        frame_mj: energy of one of its frames; infinite where nobody knows.
    """

    clocks_mhz: Floats
    batch_ms: Floats
    frame_mj: Floats

    @classmethod
    def of(cls, table: ModeTable, most: int, *, is_smoothed: bool) -> Costs:
        """Of the first variant of a table with clocks and energy, up to a batch size.

        Args:
            table: it.
            most: the largest batch.
            is_smoothed: whether single noisy cells are evened out.
        """
        rows = [one.costs(0)[:most] for one in table.by_clock]
        return cls(
            np.array([one.clock_mhz for one in table.by_clock], float),
            np.array([[cost.p50_ms for cost in row] for row in rows]),
            np.array(
                [
                    [
                        cost.frame_energy_mj
                        if is_smoothed
                        else (cost.energy_mj or math.inf) / cost.mode.batch_size
                        for cost in row
                    ]
                    for row in rows
                ],
                float,
            ),
        )

    @property
    def most(self) -> int:
        """The largest batch."""
        return int(self.batch_ms.shape[1])


class Candidate(NamedTuple):
    """A board that can take a batch.

    Attributes:
        node_id: its name.
        costs: of its batches.
        estimated_ms: until a batch is answered, by clock and batch size, with all that comes on top.
    """

    node_id: str
    costs: Costs
    estimated_ms: Floats


class Choice(NamedTuple):
    """What a search found.

    Attributes:
        node_id: the board.
        clock_mhz: its clock.
        batch_size: frames.
        frame_mj: energy of one of them.
        estimated_ms: until the batch is answered.
        is_in_time: whether the most urgent frame is.
    """

    node_id: str
    clock_mhz: float
    batch_size: int
    frame_mj: float
    estimated_ms: float
    is_in_time: bool


def search(
    boards: Sequence[Candidate], queued: int, slack_ms: float, *, for_throughput: bool
) -> Choice:
    """The batch of least energy a frame that is in time; if there is none, one that is fast.

    Of equal ones the first: boards in their order, low clocks first, large batches first.

    Args:
        boards: at least one.
        queued: frames that wait.
        slack_ms: what the most urgent one has left.
        for_throughput: where nothing is in time, whether the most frames a second are wanted; else, as published, what is answered
            soonest of those that would work the queue off in that time: once that is over any would.
    """
    found = [_cheapest(board, queued, slack_ms) for board in boards]
    in_time = [choice for choice in found if choice is not None]
    if in_time:
        return min(in_time, key=lambda choice: choice.frame_mj)
    wanted = None
    if not for_throughput:
        wanted = HEADROOM * queued / slack_ms if slack_ms > 0 else 0.0
    ranked = [_fastest(board, queued, wanted) for board in boards]
    return min(ranked, key=lambda one: one[0])[1]


def _cheapest(board: Candidate, queued: int, slack_ms: float) -> Choice | None:
    frame_mj, estimated_ms = _cells(board.costs.frame_mj, board, queued)
    in_time = estimated_ms <= slack_ms
    if not in_time.any():
        return None
    return _choice(board, queued, int(np.where(in_time, frame_mj, np.inf).argmin()), in_time=True)


def _fastest(
    board: Candidate, queued: int, wanted: float | None
) -> tuple[tuple[float, float], Choice]:
    """With a rank to compare boards by. `wanted` are the frames a millisecond that are enough; None for the most."""
    batch_ms, estimated_ms = _cells(board.costs.batch_ms, board, queued)
    sizes = np.arange(batch_ms.shape[1], 0, -1)
    per_ms = sizes / (estimated_ms if wanted is None else batch_ms)
    slowness = -per_ms if wanted is None else np.where(per_ms >= wanted, -np.inf, -per_ms)
    place = int(np.lexsort((estimated_ms.ravel(), slowness.ravel()))[0])
    rank = float(slowness.flat[place]), float(estimated_ms.flat[place])
    return rank, _choice(board, queued, place, in_time=False)


def _cells(costs: Floats, board: Candidate, queued: int) -> tuple[Floats, Floats]:
    """Costs and estimates of the batches that can be made, the largest first."""
    return costs[:, :queued][:, ::-1], board.estimated_ms[:, :queued][:, ::-1]


def _choice(board: Candidate, queued: int, place: int, *, in_time: bool) -> Choice:
    """The cell at a place of what `_cells` returns."""
    costs = board.costs
    most = min(queued, costs.most)
    clock, smaller = divmod(place, most)
    size = most - smaller
    return Choice(
        board.node_id,
        float(costs.clocks_mhz[clock]),
        size,
        float(costs.frame_mj[clock, size - 1]),
        float(board.estimated_ms[clock, size - 1]),
        in_time,
    )
