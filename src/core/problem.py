"""The planning problem: who wants frames served, on what, how fast each variant is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

from .budget import FULL_BUDGET, BudgetRule
from .checks import require_not_negative
from .device import Device
from .mode import ModeCost, ModeTable
from .stream import Stream
from .variant import Variant


@dataclass(frozen=True, slots=True)
class Problem:
    """One instance of the planning problem (docs/architecture.md, "Planning").

    Attributes:
        devices: may be of different types.
        variants: ordered by accuracy, least accurate first.
        tables: per device type, what its modes cost.
        streams: streams to place.
        overhead_ms: what the server spends on any frame besides decoding, queueing and running it.
        budget_rule: how budgets are worked out.
        price_per_joule: what a joule above idle costs, in accuracy of a frame; 0 where energy does not count. Above 0
            the clocks of the tables count as well, and all tables know joules.
    """

    devices: tuple[Device, ...]
    variants: tuple[Variant, ...]
    tables: Mapping[str, ModeTable]
    streams: tuple[Stream, ...]
    overhead_ms: float = 0.0
    budget_rule: BudgetRule = FULL_BUDGET
    price_per_joule: float = 0.0

    def __post_init__(self) -> None:
        require_not_negative("overhead_ms", self.overhead_ms)
        require_not_negative("price_per_joule", self.price_per_joule)
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
            table = self.tables.get(device.device_type)
            if table is None or table.num_variants != len(self.variants):
                raise ValueError(
                    f"tables of device type {device.device_type!r}: must have the modes of every variant"
                )
            if self.price_per_joule and not table.knows_joules:
                raise ValueError(
                    f"price_per_joule={self.price_per_joule:g}: device {device.device_id} has no table of energy"
                )

    def published(self) -> Self:
        """The problem as it was published: throughput from the tail of what a batch takes."""
        tables = {name: table.published() for name, table in self.tables.items()}
        return replace(self, tables=tables)

    def frame_value(self, cost: ModeCost) -> float:
        """What a frame is worth that runs in a mode of that cost: its accuracy, less the price of its joules."""
        accuracy = self.variants[cost.mode.variant].accuracy
        return accuracy - self.price_per_joule * (cost.above_idle_mj or 0.0) / 1000

    def costs(self, device_type: str, variant: int) -> Iterator[ModeCost]:
        """The modes of a variant that devices of a type may run: at each clock if joules count, else at the device's own."""
        table = self.tables[device_type]
        clocks = table.at_each_clock if self.price_per_joule else (table,)
        return chain.from_iterable(one.costs(variant) for one in clocks)

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
