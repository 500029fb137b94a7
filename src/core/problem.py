"""The planning problem: who wants frames served, on what, how fast each variant is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .budget import FULL_BUDGET, BudgetRule
from .checks import require_id, require_not_negative, require_positive
from .device import Device
from .variant import Variant


@dataclass(frozen=True, slots=True)
class Client:
    """One stream as the planner sees it.

    Attributes:
        client_id: unique.
        fps: frame rate (frame/s), any positive number.
        slo_ms: bound on capture to answer.
        bandwidth_kbps: estimated uplink rate (1000 bit/s); 0 while the link is down.
        wire_ms: one-way propagation delay.
        response_kbits: size of an answer, charged to the same link as the frame.
        frame_size_ratio: this stream's encoded sizes relative to the zoo's `frame_kbits`.
        budget_rule: how its budgets are worked out.
        decode_ms: what decoding one of its frames takes the server.
    """

    client_id: str
    fps: float
    slo_ms: float
    bandwidth_kbps: float
    wire_ms: float = 0.0
    response_kbits: float = 0.0
    frame_size_ratio: float = 1.0
    budget_rule: BudgetRule = FULL_BUDGET
    decode_ms: float = 0.0

    def __post_init__(self) -> None:
        require_id("client_id", self.client_id)
        require_positive("fps", self.fps)
        require_positive("slo_ms", self.slo_ms)
        require_not_negative("bandwidth_kbps", self.bandwidth_kbps)
        require_not_negative("wire_ms", self.wire_ms)
        require_not_negative("response_kbits", self.response_kbits)
        require_positive("frame_size_ratio", self.frame_size_ratio)
        require_not_negative("decode_ms", self.decode_ms)

    def network_ms(self, frame_kbits: float) -> float:
        """Time on the network of a frame of the zoo's `frame_kbits` and its answer.

        Source: Jellyfish, network latency T.
        """
        kbits = frame_kbits * self.frame_size_ratio + self.response_kbits
        return 1000.0 * kbits / self.bandwidth_kbps + 2.0 * self.wire_ms

    def can_carry(self, frame_kbits: float) -> bool:
        """Whether the link carries frames of that size strictly faster than they are made."""
        return self.bandwidth_kbps > self.fps * frame_kbits * self.frame_size_ratio

    def budget_ms(self, variant: Variant, overhead_ms: float) -> float:
        """What the server may spend on a frame for that variant, once decoded; 0 if it cannot be served."""
        return self.budget_rule.budget_ms(self, variant.frame_kbits, overhead_ms + self.decode_ms)


@dataclass(frozen=True, slots=True)
class Problem:
    """One instance of the planning problem (docs/architecture.md, "Planning").

    Attributes:
        devices: may be of different types.
        variants: ordered by accuracy, least accurate first.
        latency_ms: per device type and variant index, the p99 of batch 1, 2, ... (ms).
        clients: streams to place.
        overhead_ms: what the server spends on any frame besides decoding, queueing and running it.
    """

    devices: tuple[Device, ...]
    variants: tuple[Variant, ...]
    latency_ms: Mapping[str, tuple[tuple[float, ...], ...]]
    clients: tuple[Client, ...]
    overhead_ms: float = 0.0

    def __post_init__(self) -> None:
        require_not_negative("overhead_ms", self.overhead_ms)
        if not self.variants:
            raise ValueError("variants=[]: a problem has at least one variant")
        for name, ids in (
            ("devices", [device.device_id for device in self.devices]),
            ("variants", [variant.name for variant in self.variants]),
            ("clients", [client.client_id for client in self.clients]),
        ):
            if len(set(ids)) != len(ids):
                twice = next(one for one in ids if ids.count(one) > 1)
                raise ValueError(f"{name}: {twice!r} is listed twice")
        for device in self.devices:
            rows = self.latency_ms.get(device.device_type)
            if rows is None or len(rows) != len(self.variants) or not all(rows):
                raise ValueError(
                    f"latency_ms of device type {device.device_type!r}: "
                    f"every variant needs the latency of at least batch 1"
                )
        for rows in self.latency_ms.values():
            for row in rows:
                for value in row:
                    require_positive("latency_ms", value)

    def budgets_ms(self, client: Client) -> tuple[float, ...]:
        """The client's latency budget for each variant (ms)."""
        return tuple(client.budget_ms(variant, self.overhead_ms) for variant in self.variants)

    def is_servable(self, client: Client) -> bool:
        """Whether the network leaves the client a budget for the smallest variant."""
        return client.budget_ms(self.variants[0], self.overhead_ms) > 0
