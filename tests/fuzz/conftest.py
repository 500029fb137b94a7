"""Fuzz targets: hypothesis looks for trouble until the time is up.

The targets share `--fuzz-seconds`, or `MOONJELLY_FUZZ_SECONDS`, equally. A run can be had again: it begins at
`MOONJELLY_FUZZ_SEED` (0), and what fails is shown in its smallest form.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

sys.path.insert(0, str(Path(__file__).parent))  # for `endpoint_under_fire` and its like

DEFAULT_SECONDS = 4.0
SEEDS_PER_RUN = 1_000_000
SLACK_S = 120.0

_first_seed = int(os.environ.get("MOONJELLY_FUZZ_SEED", "0"))


def _seconds(config: pytest.Config) -> float:
    value = config.getoption("fuzz_seconds", None)
    return float(value or os.environ.get("MOONJELLY_FUZZ_SECONDS") or DEFAULT_SECONDS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Gives each target the time that it needs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_seconds(config) + SLACK_S))


class Fuzz:
    """Calls a check with examples until the time is up; each round begins at a seed of its own."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(
        self, check: Callable[[Any], object], strategy: SearchStrategy[Any], examples: int = 50
    ) -> None:
        end_s = time.monotonic() + self._seconds
        number = _first_seed * SEEDS_PER_RUN
        while True:
            search = settings(
                max_examples=examples,
                derandomize=False,
                database=None,
                deadline=None,
                phases=(Phase.generate, Phase.target, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            )

            def one(example: Any) -> None:
                check(example)

            seed(number)(search(given(strategy)(one)))()
            number += 1
            if time.monotonic() >= end_s:
                return


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """A search that takes this target's share of the time."""
    targets = [item for item in request.session.items if "fuzz" in item.fixturenames]
    return Fuzz(_seconds(request.config) / max(1, len(targets)))
