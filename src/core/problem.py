"""The planning problem: who wants frames served, on what, how fast each variant is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .budget import FULL_BUDGET, BudgetRule
from .checks import require_not_negative, require_positive
from .device import Device
from .stream import Stream
from .variant import Variant


@dataclass(frozen=True, slots=True)
class Problem:
    """One instance of the planning problem (docs/architecture.md, "Planning").

    Attributes:
        devices: may be of different types.
        variants: ordered by accuracy, least accurate first.
        latency_ms: per device type and variant index, the p99 of batch 1, 2, ... (ms).
        streams: streams to place.
        overhead_ms: what the server spends on any frame besides decoding, queueing and running it.
        budget_rule: how budgets are worked out.
    """

    devices: tuple[Device, ...]
    variants: tuple[Variant, ...]
    latency_ms: Mapping[str, tuple[tuple[float, ...], ...]]
    streams: tuple[Stream, ...]
    overhead_ms: float = 0.0
    budget_rule: BudgetRule = FULL_BUDGET

    def __post_init__(self) -> None:
        require_not_negative("overhead_ms", self.overhead_ms)
        if not self.variants:
            raise ValueError("variants=[]: a problem has at least one variant")
        for name, ids in (
            ("devices", [device.device_id for device in self.devices]),
            ("variants", [variant.name for variant in self.variants]),
            ("streams", [stream.stream_id for stream in self.streams]),
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

    def budget_ms(self, stream: Stream, variant: int) -> float:
        """What the server may spend on a frame of the stream for that variant, once decoded; 0 if it cannot be served."""
        kbits = self.variants[variant].frame_kbits
        return self.budget_rule.budget_ms(stream, kbits, self.overhead_ms)

    def budgets_ms(self, stream: Stream) -> tuple[float, ...]:
        """The stream's budget for each variant (ms)."""
        return tuple(self.budget_ms(stream, variant) for variant in range(len(self.variants)))

    def is_servable(self, stream: Stream) -> bool:
        """Whether the network leaves the stream a budget for the smallest variant."""
        return self.budget_ms(stream, 0) > 0
