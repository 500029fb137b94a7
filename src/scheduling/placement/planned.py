"""The rule of a server: each frame goes to the node that the plan has for its stream, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...core.verdict import Reason
from .port import NodeView, Placement, Sending, WaitingFrame


class PlannedPlacer:
    """Sends what it is given, one by one, and gives up what no node can take; nothing waits."""

    def place(
        self, frames: Sequence[WaitingFrame], nodes: Mapping[str, NodeView], now_ms: float
    ) -> Placement:
        """Decides; see `Placer`."""
        send, drop = [], []
        for frame in frames:
            node = _choose(frame, nodes, now_ms)
            if node is None:
                drop.append((frame.key, Reason.EXECUTOR_LOST))
            else:
                send.append(Sending(node.node_id, (frame.key,)))
        return Placement(tuple(send), tuple(drop))


def _choose(frame: WaitingFrame, nodes: Mapping[str, NodeView], now_ms: float) -> NodeView | None:
    """The planned node; where it is lost or shunned the one with the fewest frames that can make it, or the planned one after all."""
    planned = nodes.get(frame.planned)
    if planned is not None and planned.alive and not planned.is_shunned:
        return planned
    left_ms = frame.deadline_ms - now_ms
    able = [node for node in nodes.values() if node.alive and node.service_ms <= left_ms]
    return min(able, key=lambda node: (node.is_shunned, node.queued), default=planned)
