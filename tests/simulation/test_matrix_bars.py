"""The judge of `benchmarks/paper_matrix.py`, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = ("trace", "fps", "slo_ms", "clients")


@pytest.fixture
def bars(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import matrix_bars

    return matrix_bars


def runs(policy, slo_ms, missed, accuracy):
    return [
        {"trace": "t", "fps": 25.0, "slo_ms": slo_ms, "clients": 1, "policy": policy}
        | {"frames": 1000, "missed": one, "profile_map": worth}
        for one, worth in zip(missed, accuracy, strict=True)
    ]


def test_one_dominates_if_it_is_better_beyond_its_interval_and_not_worse(bars):
    scores = [
        bars.Score(*values)
        for values in (
            ((0.01, 0.02, 0.03), (0.40, 0.40, 0.40)),
            ((0.02, 0.03, 0.0401), (0.40, 0.40, 0.40)),
            ((0.02, 0.03, 0.0401), (0.40, 0.40, 0.4001)),
            ((0.00, 0.03, 0.0400), (0.40, 0.40, 0.40)),
        )
    ]
    fewer, more, other, noisy = scores
    assert bars.dominates(fewer, more)
    assert not bars.dominates(more, fewer)
    assert not bars.dominates(fewer, other), "which is more accurate"
    assert not bars.dominates(fewer, noisy), "of which that cannot be said"


def test_what_is_said_of_two_cells(bars):
    rows = [
        *runs("ladder", 100.0, (0, 0, 0), (0.42, 0.42, 0.42)),
        *runs("ladder", 150.0, (20, 21, 22), (0.41, 0.41, 0.41)),
        *runs("best", 100.0, (90, 80, 70), (0.35, 0.36, 0.37)),
        *runs("best", 150.0, (6, 7, 8), (0.418, 0.418, 0.418)),
        *runs("oracle", 100.0, (0, 0, 0), (0.425, 0.425, 0.425)),
        *runs("oracle", 150.0, (0, 0, 0), (0.43, 0.43, 0.43)),
    ]
    said = list(bars.lines(bars.scores_of(rows, NAMES), NAMES))
    cell = "\n    t 25 150 1"
    assert f"ladder: over 1 % missed in 1 of 2{cell}" in said
    assert f"best dominates ours in 1 of 2{cell}" in said
    assert f"ours is at least as good as best on both axes in 1 of 2; not in{cell}" in said
    assert f"ours is worse where slo_ms is easier in 1 of 1 pairs{cell}" in said
    assert "accuracy more than 5 % below the oracle's in 0 of 2" in said
    assert f"accuracy more than 2 % below the oracle's in 1 of 2{cell}" in said
