from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from moonjelly.core.device import Device
from moonjelly.core.mode import ModeTable
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant


@pytest.fixture
def golden():
    """The published golden problem: two devices, four variants, four streams."""
    latencies = [(10, 4), (14, 6), (18, 9), (24, 14)]  # batch 1, and each frame more
    sizes = [(128, 4.78), (160, 5.148), (192, 5.365), (224, 5.66)]  # side, compression ratio
    streams = [(15, 75, 20), (25, 100, 20), (25, 150, 10), (15, 100, 5)]  # fps, SLO, Mbit/s
    return Problem(
        devices=(Device("gpu0", "gpu"), Device("gpu1", "gpu")),
        variants=tuple(
            Variant(f"v{side}", side, 0.2 + 0.1 * index, side**2 * 3 * 8 / 1024 / ratio)
            for index, (side, ratio) in enumerate(sizes)
        ),
        tables={
            "gpu": ModeTable(
                tuple(
                    tuple(float(first + more * extra) for extra in range(12))
                    for first, more in latencies
                )
            )
        },
        streams=tuple(
            Stream(f"c{index}", fps, slo_ms, mbps * 1024, 0.5, 300 * 8 / 1024)
            for index, (fps, slo_ms, mbps) in enumerate(streams)
        ),
        overhead_ms=4.0,
    )


@pytest.fixture
def small_problem():
    """Makes problems that brute force can solve: odd rates, unlike devices, often overload."""

    def make(seed, devices=2, streams=5, variants=2, batches=2):
        random = Random(seed)

        def row(variant):
            first = random.uniform(8, 40) * (1 + 0.3 * variant)
            more = first * random.uniform(0.3, 1)
            return tuple(first + more * size for size in range(batches))

        return Problem(
            devices=tuple(
                Device(f"d{index}", random.choice(["gpu", "cpu"]))
                for index in range(random.randint(1, devices))
            ),
            variants=tuple(
                Variant(f"v{index}", 128 + 32 * index, 0.2 + 0.1 * index, 50.0 * (index + 1))
                for index in range(variants)
            ),
            tables={kind: ModeTable(tuple(map(row, range(variants)))) for kind in ("gpu", "cpu")},
            streams=tuple(
                Stream(
                    f"c{index}",
                    random.choice([5, 7, 12, 15, 24, 25, 29.97, 60]),
                    random.choice([60, 75, 100, 150, 300]),
                    random.choice([3000, 8000, 20_000, 50_000]),
                    random.uniform(0, 10),
                )
                for index in range(random.randint(1, streams))
            ),
        )

    return make


@pytest.fixture
def clocked():
    """Gives a problem clocks and joules: all of what a batch takes goes by the clock, odd power by variant, and a price."""

    def give(problem, seed, price_per_joule, clocks_mhz=(400.0, 800.0, 1200.0)):
        random = Random(seed)

        def table(full):
            static_w, dynamic_w = random.uniform(0.5, 6), random.uniform(2, 40)
            exponents = [random.uniform(0.6, 1.0) for _ in range(full.num_variants)]

            def at(clock_mhz):
                part = clock_mhz / clocks_mhz[-1]
                rows = tuple(
                    tuple(ms / part**exponent for ms in row)
                    for row, exponent in zip(full.p99_rows_ms, exponents, strict=True)
                )
                above_idle_w = static_w + dynamic_w * part**2.2
                joules = tuple(
                    tuple(
                        np.minimum.accumulate(
                            [above_idle_w * ms / size for size, ms in enumerate(row, 1)]
                        ).tolist()
                    )
                    for row in rows
                )
                return ModeTable(rows, above_idle_rows_mj=joules, idle_w=3.0, clock_mhz=clock_mhz)

            tables = tuple(map(at, clocks_mhz))
            return replace(tables[-1], clock_mhz=None, by_clock=tables)

        tables = {name: table(one) for name, one in sorted(problem.tables.items())}
        return replace(problem, tables=tables, price_per_joule=price_per_joule)

    return give


@pytest.fixture
def fleet():
    """Makes problems of the published simulation's kind: like devices, ten streams on each."""

    def make(num_devices, num_streams=None, seed=0, least_kbps=7500.0):
        random = Random(seed)
        variants = tuple(
            Variant(f"v{side}", side, 0.2 + 0.26 * (side - 128) / 480, side**2 * 3 * 8 / 1024 / 6)
            for side in range(128, 609, 32)
        )
        latency = tuple(
            tuple(
                10 + 0.9 * (variant.input_side_px / 608) ** 2 * (6 + 9 * size)
                for size in range(1, 9)
            )
            for variant in variants
        )
        return Problem(
            devices=tuple(Device(f"d{index}", "gpu") for index in range(num_devices)),
            variants=variants,
            tables={"gpu": ModeTable(latency)},
            streams=tuple(
                Stream(
                    f"c{index}",
                    random.choice([10, 15, 25]),
                    random.choice([75, 100, 150]),
                    random.uniform(least_kbps, 50_000),
                )
                for index in range(num_streams or 10 * num_devices)
            ),
        )

    return make
