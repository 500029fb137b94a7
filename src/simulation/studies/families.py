"""Families of random planning problems, drawn from a seed.

What is hard differs: `paper` is the published simulation's kind, `overload` asks for more than there
is, `mobile` has slow and far links, `fast` a fast accelerator and many clients on each device, `mixed`
three kinds of devices and rates without a common unit. Latencies and accuracies are formulas that
follow published networks; nothing here was measured.

Source: Jellyfish (RTSS 2022), simulation, for the distributions of `paper`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random

from ...core.device import Device
from ...core.mode import ModeTable
from ...core.problem import Problem
from ...core.stream import Stream
from ...core.variant import Variant

JITTER = 0.01  # of a latency, either way, drawn anew for each problem
FAST_NETWORKS = (  # name, side, accuracy, latency of a frame alone (ms)
    ("yolo-n", 320, 0.3, 1.6),
    ("yolo-s", 416, 0.4, 3.0),
    ("yolo-m", 512, 0.47, 6.2),
    ("yolo-l", 608, 0.5, 10.5),
    ("yolo-x", 608, 0.525, 16.0),
)


@dataclass(frozen=True, slots=True)
class Clients:
    """What clients are drawn from, evenly.

    Attributes:
        rates_fps: one of these.
        slos_ms: one of these.
        bandwidth_kbps: between these.
        wire_ms: between these.
    """

    rates_fps: tuple[float, ...]
    slos_ms: tuple[float, ...]
    bandwidth_kbps: tuple[float, float]
    wire_ms: tuple[float, float] = (0.0, 0.0)

    def draw(self, count: int, random: Random) -> tuple[Stream, ...]:
        """Draws that many clients."""
        return tuple(
            Stream(
                f"c{index}",
                random.choice(self.rates_fps),
                random.choice(self.slos_ms),
                random.uniform(*self.bandwidth_kbps),
                random.uniform(*self.wire_ms) if self.wire_ms[1] else 0.0,
            )
            for index in range(count)
        )


@dataclass(frozen=True, slots=True)
class Family:
    """Problems of one kind.

    Attributes:
        name: first part of a problem's name.
        clients: what clients are drawn from.
        clients_per_device: of the problems of a set.
        device_counts: of the same.
        slowness: of each device type, against the formula; of several types each device draws one.
        is_fast: whether the zoo is that of five fast networks, in place of one network at 16 sides.
    """

    name: str
    clients: Clients
    clients_per_device: tuple[int, ...]
    device_counts: tuple[int, ...] = (1, 2, 4, 8, 16)
    slowness: Mapping[str, float] = field(default_factory=lambda: {"gpu": 1.0})
    is_fast: bool = False

    def draw(self, num_devices: int, num_clients: int, random: Random) -> Problem:
        """Draws a problem."""
        types = tuple(self.slowness)
        names = [random.choice(types) if len(types) > 1 else types[0] for _ in range(num_devices)]
        variants, table = _fast_zoo() if self.is_fast else _zoo_of_sides(random)
        return Problem(
            devices=tuple(Device(f"gpu{index}", name) for index, name in enumerate(names)),
            variants=variants,
            tables={
                name: table.slowed(partial(_alike, factor))
                for name, factor in self.slowness.items()
            },
            streams=self.clients.draw(num_clients, random),
        )


PAPER_CLIENTS = Clients((10, 15, 25), (75, 100, 150), (7_500, 50_000))
OVERLOAD = Family("overload", Clients((15, 25), (75, 100), (5_000, 30_000), (0, 2)), (8, 12, 16))

FAMILIES = (
    Family(
        "fast",
        Clients((15, 25, 30), (50, 75, 100, 150), (10_000, 100_000), (0, 5)),
        (6, 12, 18),
        is_fast=True,
    ),
    Family(
        "mixed",
        Clients((7, 12, 15, 24, 30), (75, 100, 150, 200), (2_000, 40_000), (1, 12)),
        (3, 6, 9),
        (2, 4, 8, 16),
        {"fast": 0.45, "mid": 1.0, "slow": 2.3},
    ),
    Family(
        "mobile",
        Clients((5, 10, 15, 20, 25, 30), (75, 100, 150, 200), (2_000, 40_000), (1, 12)),
        (3, 6, 9),
    ),
    OVERLOAD,
    Family("paper", PAPER_CLIENTS, (2, 4, 6, 8, 10)),
)
HARD_OVERLOAD_DEVICES = (8, 16)
HARD_OVERLOAD_SEEDS = 20


def draw_benchmark() -> Iterator[tuple[str, Problem]]:
    """Draws the problems of the planning benchmark: a set of every family, more of hard overload."""
    for family in FAMILIES:
        for num_devices in family.device_counts:
            is_hard = family is OVERLOAD and num_devices in HARD_OVERLOAD_DEVICES
            for per_device in family.clients_per_device:
                for seed in range(1, 1 + (HARD_OVERLOAD_SEEDS if is_hard else 1)):
                    yield draw_named(family, num_devices, per_device * num_devices, seed)


def draw_named(
    family: Family, num_devices: int, num_clients: int, seed: int
) -> tuple[str, Problem]:
    """Draws the problem that the arguments fix; returns its name too, for example `paper-g4-c16-s1`."""
    name = f"{family.name}-g{num_devices}-c{num_clients}-s{seed}"
    return name, family.draw(num_devices, num_clients, Random(name))  # noqa: S311 - a study


def _alike(factor: float, _: float) -> float:
    """As slow in every mode."""
    return factor


def _zoo_of_sides(random: Random) -> tuple[tuple[Variant, ...], ModeTable]:
    """One network at 16 input sides, up to batches of 8: accuracy levels off, latency grows with the area."""
    sides = range(128, 609, 32)
    variants = tuple(
        Variant(f"yolov4-{side}", side, 0.46 - 0.5277 * math.exp(-side / 170), _kbits(side))
        for side in sides
    )
    rows = tuple(
        tuple(
            _batch_ms(9.09 + 22.25 * (side / 608) ** 2, size, 0.45)
            * random.uniform(1 - JITTER, 1 + JITTER)
            for size in range(1, 9)
        )
        for side in sides
    )
    return variants, ModeTable(rows)


def _fast_zoo() -> tuple[tuple[Variant, ...], ModeTable]:
    variants = tuple(
        Variant(name, side, accuracy, _kbits(side)) for name, side, accuracy, _ in FAST_NETWORKS
    )
    rows = tuple(
        tuple(_batch_ms(alone_ms, size, 0.4) for size in range(1, 13))
        for *_, alone_ms in FAST_NETWORKS
    )
    return variants, ModeTable(rows)


def _batch_ms(alone_ms: float, size: int, growth_ratio: float) -> float:
    return alone_ms * (1 + growth_ratio * (size - 1))


def _kbits(side_px: int) -> float:
    """A JPEG's size: colour pictures of 24 bit a pixel, which compress the better the larger they are."""
    compression = 4.532 + 0.006408 * side_px - 58.76 / side_px
    return 24 * side_px**2 / 1000 / compression
