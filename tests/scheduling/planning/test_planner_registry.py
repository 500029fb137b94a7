from __future__ import annotations

from random import Random

import pytest

from moonjelly.core.device import Device
from moonjelly.core.mode import ModeTable
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.scheduling.planning.pricing.pricing import PricingPlanner
from moonjelly.scheduling.planning.registry import AS_PUBLISHED, PLANNERS, planner

UNSTEADY = Problem(
    (Device("gpu0", "gpu"),),
    (Variant("small", 128, 0.2, 50.0),),
    {"gpu": ModeTable(((100.0,),), ((50.0,),))},  # 10 frame/s as published, 19 as they come
    (Stream("a", 15.0, 1000.0, 1e5),),
)


def test_a_planner_is_found_by_its_name():
    assert isinstance(planner("pricing"), PricingPlanner)


@pytest.mark.parametrize("name", sorted(PLANNERS))
def test_planners_that_stand_for_a_publication_reckon_as_published(name):
    place = planner(name).plan(UNSTEADY, None, Random(0)).placement["a"]
    assert (place is None) == (name in AS_PUBLISHED)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"planner='magic': must be one of .*\bsa-dp\b"):
        planner("magic")
