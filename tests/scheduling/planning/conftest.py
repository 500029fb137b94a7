from __future__ import annotations

import pytest

from moonjelly.core.device import Device
from moonjelly.core.problem import Client, Problem
from moonjelly.core.variant import Variant


@pytest.fixture
def golden():
    """The published golden problem: two devices, four variants, four clients."""
    latencies = [(10, 4), (14, 6), (18, 9), (24, 14)]  # batch 1, and each frame more
    sizes = [(128, 4.78), (160, 5.148), (192, 5.365), (224, 5.66)]  # side, compression ratio
    clients = [(15, 75, 20), (25, 100, 20), (25, 150, 10), (15, 100, 5)]  # fps, SLO, Mbit/s
    return Problem(
        devices=(Device("gpu0", "gpu"), Device("gpu1", "gpu")),
        variants=tuple(
            Variant(f"v{side}", side, 0.2 + 0.1 * index, side**2 * 3 * 8 / 1024 / ratio)
            for index, (side, ratio) in enumerate(sizes)
        ),
        latency_ms={
            "gpu": tuple(
                tuple(float(first + more * extra) for extra in range(12))
                for first, more in latencies
            )
        },
        clients=tuple(
            Client(f"c{index}", fps, slo_ms, mbps * 1024, 0.5, 300 * 8 / 1024)
            for index, (fps, slo_ms, mbps) in enumerate(clients)
        ),
        overhead_ms=4.0,
    )
