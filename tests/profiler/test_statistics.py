from __future__ import annotations

from collections import defaultdict
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.profiler.samples import Cell
from moonjelly.profiler.statistics import summarise, tail_ratio
from moonjelly.zoos import LatencyRow


def at_most(number: int) -> dict[str, int]:
    """That many at once, whatever the variant."""
    return defaultdict(lambda: number)


def by_size(rows: tuple[LatencyRow, ...], variant: str = "a") -> dict[int, LatencyRow]:
    return {row.batch_size: row for row in rows if row.variant == variant}


def test_with_enough_samples_the_percentile_is_that_of_the_cell() -> None:
    values = [float(v) for v in Random(0).sample(range(100, 200), 100)]
    row = summarise({Cell("a", 1): values}, at_most(1))[0]
    assert row.p50_ms == pytest.approx(149.5)
    assert row.p99_ms == pytest.approx(np.quantile(values, 0.99))
    assert row.num_samples == 100


def test_with_few_samples_the_tail_is_that_of_all_cells_together() -> None:
    random = Random(0)
    samples = {
        Cell(f"v{k}", 1): [10.0 * (k + 1) * (1 + abs(random.gauss(0, 0.08))) for _ in range(10)]
        for k in range(40)
    }
    ratio = tail_ratio(samples)
    assert 1.1 < ratio < 1.3
    rows = {row.variant: row for row in summarise(samples, at_most(1))}
    assert rows["v0"].p99_ms == pytest.approx(ratio * rows["v0"].p50_ms)
    assert rows["v39"].p99_ms == pytest.approx(ratio * rows["v39"].p50_ms)


def test_other_programs_that_disturb_a_few_batches_do_not_move_the_tail() -> None:
    samples = {Cell(f"v{k}", 1): [10.0] * 10 for k in range(20)}
    for k in range(15):
        samples[Cell(f"v{k}", 1)][0] = 80.0
    assert tail_ratio(samples) == 1.05


def test_an_estimated_tail_stays_within_reason() -> None:
    samples = {Cell(f"v{k}", 1): [10.0, 10.0, 50.0] for k in range(20)}
    assert tail_ratio(samples) == 1.5


def test_a_median_that_noise_put_above_the_next_is_lowered() -> None:
    rows = by_size(summarise({Cell("a", 1): [15.6] * 9, Cell("a", 2): [14.2] * 9}, at_most(2)))
    assert rows[1].p50_ms == rows[2].p50_ms == 14.2


def test_batch_sizes_that_were_left_out_lie_on_the_line() -> None:
    samples = {Cell("a", 1): [10.0], Cell("a", 2): [16.0], Cell("a", 4): [30.0]}
    rows = by_size(summarise(samples, at_most(6)))
    assert [rows[size].p50_ms for size in range(1, 7)] == pytest.approx([10, 16, 23, 30, 37, 44])
    assert [rows[size].num_samples for size in range(1, 7)] == [1, 1, 0, 1, 0, 0]


def test_beyond_a_fall_by_noise_the_line_does_not_fall() -> None:
    rows = by_size(summarise({Cell("a", 1): [10.0], Cell("a", 2): [9.9]}, at_most(4)))
    assert [rows[size].p50_ms for size in (3, 4)] == [9.9, 9.9]


def test_one_batch_size_alone_counts_as_frames_one_by_one() -> None:
    assert by_size(summarise({Cell("a", 1): [10.0]}, at_most(3)))[3].p50_ms == pytest.approx(30)


@settings(max_examples=50)
@given(st.lists(st.lists(st.floats(0.5, 500), min_size=1, max_size=12), min_size=1, max_size=4))
def test_every_summary_is_a_table_that_planning_takes(cells: list[list[float]]) -> None:
    samples = {Cell("a", 2**k): values for k, values in enumerate(cells)}
    rows = by_size(summarise(samples, at_most(8)))
    assert sorted(rows) == list(range(1, 9))
    for size in range(1, 9):
        assert 0 < rows[size].p50_ms <= rows[size].p99_ms
        assert size == 1 or rows[size].p99_ms >= rows[size - 1].p99_ms
