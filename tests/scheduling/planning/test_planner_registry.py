from __future__ import annotations

import pytest

from moonjelly.scheduling.planning.published.sa_dp import SaDpPlanner
from moonjelly.scheduling.planning.registry import planner


def test_a_planner_is_found_by_its_name():
    assert isinstance(planner("sa-dp"), SaDpPlanner)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"planner='magic': must be one of .*\bsa-dp\b"):
        planner("magic")
