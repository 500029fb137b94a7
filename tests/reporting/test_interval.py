from __future__ import annotations

import pytest

from moonjelly.reporting.interval import mean_and_interval


def test_an_interval_is_students() -> None:
    mean, half = mean_and_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(4.302653 / 3**0.5)  # t of 2 degrees of freedom
    assert mean_and_interval([5.0]) == (5.0, None)
    assert mean_and_interval([]) == (None, None)
