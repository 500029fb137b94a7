from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.profile import BatchLatency

times = st.floats(0.01, 1000)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(times, times), min_size=1, max_size=12))
def test_measurements_become_a_table_that_never_falls(measured):
    p50_ms, p99_ms = zip(*measured, strict=True)
    table = BatchLatency.monotone(p50_ms, p99_ms)
    assert table.p50_ms == p50_ms
    assert list(table.p99_ms) == sorted(table.p99_ms)
    assert all(raised >= p99 for raised, p99 in zip(table.p99_ms, p99_ms, strict=True))
    assert table.max_batch_size == len(measured)


@pytest.mark.parametrize(
    ("p50_ms", "p99_ms", "problem"),
    [
        ((), (), "at least one"),
        ((1.0,), (1.0, 2.0), "1 and 2 given"),
        ((2.0,), (1.0,), "below its p50_ms=2"),
        ((1.0, 1.0), (3.0, 2.0), "p99_ms=2 of batch 2: below 3"),
        ((0.0,), (1.0,), "latency_ms=0"),
    ],
)
def test_a_table_that_cannot_be_true_is_refused(p50_ms, p99_ms, problem):
    with pytest.raises(ValueError, match=problem):
        BatchLatency(p50_ms, p99_ms)
