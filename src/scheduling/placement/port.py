"""The `Placer` port: which waiting frames go where, at which clock, and which go on waiting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ...core.verdict import Reason


@dataclass(slots=True)  # not frozen, which makes one cost twice as much
class WaitingFrame:
    """A frame that is at no node yet.

    Attributes:
        key: unique among those that wait.
        arrived_ms: when it came.
        deadline_ms: when its answer is due, on the same clock.
        planned: the node that the plan has for its stream; empty if none.
    """

    key: int
    arrived_ms: float
    deadline_ms: float
    planned: str = ""


@dataclass(slots=True)  # as above
class NodeView:
    """A node as whoever sends frames to it knows it.

    Attributes:
        node_id: its name.
        queued: frames that are there.
        service_ms: what one frame that is run alone and at once takes; infinite if it can run none.
        alive: whether anything is heard of it.
        is_shunned: whether the frames in question should go elsewhere, if they can.
        num_batches: batches that are there, the one that runs included.
        free_at_ms: when it is through with what it has, as far as that is known.
        clock_mhz: what its clock was set to; None where it is left alone.
    """

    node_id: str
    queued: int = 0
    service_ms: float = math.inf
    alive: bool = True
    is_shunned: bool = False
    num_batches: int = 0
    free_at_ms: float = 0.0
    clock_mhz: float | None = None


class Sending(NamedTuple):
    """Frames that go to a node together.

    Attributes:
        node_id: which one.
        keys: of the frames, in the order in which they should run.
        clock_mhz: to run them at; None to leave the clock alone.
    """

    node_id: str
    keys: tuple[int, ...]
    clock_mhz: float | None = None


@dataclass(slots=True)
class Placement:
    """What to do now. A frame that is neither sent nor dropped waits on.

    Attributes:
        send: which frames go where.
        drop: keys to give up, with the reason; none of them is sent.
        clocks: idle nodes to be set to a clock (MHz), by name.
        hold_until_ms: ask again then, or when a frame comes or a node is through with a batch; after `now_ms`. None to wait for
            those alone.
    """

    send: tuple[Sending, ...] = ()
    drop: tuple[tuple[int, Reason], ...] = ()
    clocks: tuple[tuple[str, float], ...] = ()
    hold_until_ms: float | None = None


class Placer(Protocol):
    """Chooses nodes for frames."""

    def place(
        self, frames: Sequence[WaitingFrame], nodes: Mapping[str, NodeView], now_ms: float
    ) -> Placement:
        """Decides. `frames` holds every waiting frame, in order of arrival."""
        ...
