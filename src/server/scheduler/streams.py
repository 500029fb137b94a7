"""The streams of all endpoints, as the scheduler knows them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from ...core.budget import FULL_BUDGET, BudgetRule
from ...core.problem import Client
from ...protos.internal_pb2 import Snapshot, StreamState

JOIN_GRACE_MS = 2000.0

_log = logging.getLogger(__name__)


def read_client(state: StreamState, budget_rule: BudgetRule = FULL_BUDGET) -> Client | None:
    """Turns what an endpoint says into what planning takes; None if that is impossible."""
    try:
        return Client(
            client_id=state.stream_id,
            fps=state.fps,
            slo_ms=state.slo_ms,
            bandwidth_kbps=state.bandwidth_kbps,
            wire_ms=state.wire_ms,
            response_kbits=state.response_kbits,
            frame_size_ratio=state.frame_size_ratio,
            budget_rule=budget_rule,
            decode_ms=state.decode_ms,
        )
    except ValueError as error:
        _log.error("stream %r cannot be planned: %s", state.stream_id, error)
        return None


@dataclass(slots=True, eq=False)
class _Share:
    """What one endpoint has said.

    Attributes:
        joining: clients that were accepted and that it may not know of yet, each with the time until
            when it is kept.
        parts: the begin of a snapshot.
    """

    clients: dict[str, Client] = field(default_factory=dict)
    joining: dict[str, tuple[Client, float]] = field(default_factory=dict)
    parts: list[StreamState] = field(default_factory=list)
    overhead_ms: float = 0.0
    has_spoken: bool = False


class StreamTable:
    """Streams by endpoint. A stream that joined at another endpoint later belongs there."""

    def __init__(self, budget_rule: BudgetRule = FULL_BUDGET) -> None:
        """Starts empty; every stream's budgets follow the rule."""
        self._budget_rule = budget_rule
        self._shares: dict[str, _Share] = {}
        self._owner: dict[str, str] = {}

    def add_endpoint(self, endpoint: str) -> None:
        """An endpoint has come; it will say what it has."""
        self.lose_endpoint(endpoint)
        self._shares[endpoint] = _Share()

    def lose_endpoint(self, endpoint: str) -> bool:
        """An endpoint is gone, and its streams; returns whether it had any."""
        share = self._shares.pop(endpoint, None)
        for stream_id, owner in list(self._owner.items()):
            if owner == endpoint:
                del self._owner[stream_id]
        return share is not None and bool(share.clients or share.joining)

    @property
    def num_spoken(self) -> int:
        """Endpoints that have said what they have."""
        return sum(share.has_spoken for share in self._shares.values())

    def take(self, endpoint: str, snapshot: Snapshot, now_ms: float) -> bool:
        """Takes in a snapshot, or a part; returns whether it is complete."""
        share = self._shares[endpoint]
        share.parts.extend(snapshot.streams)
        if snapshot.has_more:
            return False
        share.clients = {
            client.client_id: client
            for client in (read_client(state, self._budget_rule) for state in share.parts)
            if client is not None and self._owner.setdefault(client.client_id, endpoint) == endpoint
        }
        share.parts = []
        share.overhead_ms = snapshot.overhead_ms
        share.has_spoken = True
        share.joining = {
            stream_id: (client, until_ms)
            for stream_id, (client, until_ms) in share.joining.items()
            if stream_id not in share.clients and now_ms < until_ms
        }
        for stream_id, owner in list(self._owner.items()):
            if owner == endpoint and stream_id not in share.clients | share.joining:
                del self._owner[stream_id]
        return True

    def join(self, endpoint: str, client: Client, now_ms: float) -> None:
        """Counts a client that was accepted, before its endpoint's next snapshot names it."""
        before = self._shares.get(self._owner.get(client.client_id, ""))
        if before is not None:
            before.clients.pop(client.client_id, None)
            before.joining.pop(client.client_id, None)
        self._owner[client.client_id] = endpoint
        self._shares[endpoint].joining[client.client_id] = (client, now_ms + JOIN_GRACE_MS)

    def clients(self) -> tuple[Client, ...]:
        """Everybody, in the order of their names."""
        everybody = {
            client.client_id: client
            for share in self._shares.values()
            for client in (*share.clients.values(), *(one for one, _ in share.joining.values()))
        }
        return tuple(everybody[client_id] for client_id in sorted(everybody))

    def overhead_ms(self) -> float:
        """The largest overhead of an endpoint that has spoken."""
        return max((share.overhead_ms for share in self._shares.values()), default=0.0)
