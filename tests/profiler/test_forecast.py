from __future__ import annotations

import pytest

from moonjelly.profiler.forecast import extremes, in_words, left_ms
from moonjelly.profiler.measuring import Amount
from moonjelly.profiler.samples import Cell

CELLS = [Cell(variant, size) for variant in "ab" for size in (1, 2, 3)] + [Cell("c", 1)]


def test_the_smallest_and_the_largest_batch_of_each_variant_run_first():
    assert extremes(CELLS) == [
        *(Cell("a", 1), Cell("a", 3), Cell("b", 1), Cell("b", 3)),
        Cell("c", 1),
    ]


def test_batches_between_are_expected_on_the_line_and_each_visit_has_a_warm_up():
    samples = {Cell("a", 1): [10.0], Cell("a", 2): [], Cell("a", 3): [30.0]}
    # 5 samples are one visit of six batches; of the extremes four are left, and a warm-up
    assert left_ms(samples, Amount(5)) == pytest.approx(5 * 10 + 6 * 20 + 5 * 30)
    assert left_ms(samples, Amount(6)) == pytest.approx(6 * 10 + 8 * 20 + 6 * 30)


def test_what_is_there_already_takes_no_time():
    samples = {Cell("a", 1): [10.0] * 5, Cell("a", 2): [20.0] * 7, Cell("a", 3): [30.0, 50.0, 40.0]}
    assert left_ms(samples, Amount(5)) == pytest.approx((2 + 1) * 40)
    assert left_ms(samples, Amount(3)) == 0


def test_clocks_run_the_extremes_at_the_highest_and_take_longer_the_lower_they_are():
    cells = [Cell("a", size, mhz) for size in (1, 2, 3) for mhz in (100, 200)]
    assert extremes(cells) == [Cell("a", 1, 200), Cell("a", 3, 200)]
    samples = {cell: [] for cell in cells} | {
        Cell("a", 1, 200): [10.0] * 5,
        Cell("a", 3, 200): [30.0] * 5,
    }
    assert left_ms(samples, Amount(5)) == pytest.approx(6 * 20 + 6 * (20 + 40 + 60))


def test_a_window_takes_its_time_however_short_batches_are_and_comes_after_a_rest():
    samples = {Cell("a", 1, 200): [10.0] * 5}
    amount = Amount(100, visit_samples=50, window_ms=5000.0, rest_ms=1000.0)
    assert left_ms(samples, amount) == pytest.approx(2 * 6000)
    slow = {Cell("a", 1, 200): [500.0] * 10}  # ten of these in a window: nine of them left
    assert left_ms(slow, amount) == pytest.approx(99 * 500 + 9 * 1000)


@pytest.mark.parametrize(
    ("duration_ms", "words"),
    [(0, "1 min"), (40_000, "1 min"), (290_000, "5 min"), (12_060_000, "3 h 21 min")],
)
def test_a_time_is_told_to_the_minute(duration_ms: float, words: str):
    assert in_words(duration_ms) == words
