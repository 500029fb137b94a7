from __future__ import annotations

import pytest

from moonjelly.scheduling.slowdown import Slowdown


def test_nothing_is_slow_before_the_first_batch():
    assert Slowdown().ratio == 1


def test_a_steady_slowdown_is_found():
    slowdown = Slowdown()
    for _ in range(100):
        slowdown.add(20.0, 10.0)
    assert slowdown.ratio == pytest.approx(2, abs=0.01)


def test_a_fast_device_is_not_relied_on():
    slowdown = Slowdown()
    for _ in range(100):
        slowdown.add(1.0, 10.0)
    assert slowdown.ratio == 1


def test_one_very_late_batch_counts_no_more_than_the_bound():
    slowdown = Slowdown()
    slowdown.add(60_000.0, 10.0)
    assert slowdown.ratio == pytest.approx(1.3)
    for _ in range(100):
        slowdown.add(60_000.0, 10.0)
    assert slowdown.ratio == pytest.approx(4, abs=0.01)
