from __future__ import annotations

import math

from moonjelly.scheduling.streams.deadlines import executor_deadline_ms


def test_the_deadline_leaves_time_for_the_answers_way_back():
    deadline_ms = executor_deadline_ms(
        read_ms=5000, slo_ms=150, age_ms=10, network_ms=23, wire_ms=3, margin_ms=2
    )
    assert deadline_ms == 5000 + 150 - 10 - 23 - 3 - 2


def test_a_frame_that_was_too_old_when_it_came_has_its_deadline_behind_it():
    assert executor_deadline_ms(5000, 100, 90, 23, 3) < 5000
    assert executor_deadline_ms(5000, 100, 0, math.inf, 3) == -math.inf
