from __future__ import annotations

from random import Random

import pytest

from moonjelly.scheduling.planning.mapping import Value
from moonjelly.scheduling.planning.published.annealing import ITERATIONS_PER_PHASE, anneal

FPS = 10.0


class Landscape:
    """Three devices and six variants; one more stream is lost for each step above `top` in all."""

    def __init__(self, top):
        self.top = top
        self.num_evaluations = 0

    def evaluate(self, state):
        self.num_evaluations += 1
        return self.value(state)

    def value(self, state):
        num_served = min(9, 9 - (sum(state) - self.top))
        return Value(num_served, FPS * 9 * (1 + sum(state)) / 16)  # as if losing cost no accuracy


def run(landscape, start, seed=0):
    most = Value(9, FPS * 9)
    return anneal(start, 6, landscape.evaluate, most, FPS * 9, Random(seed))


@pytest.mark.parametrize("start", [(0, 0, 0), (5, 5, 5), (0, 5, 2)])
def test_accuracy_is_never_bought_with_streams(start):
    for seed in range(10):
        assert sum(run(Landscape(top=7), start, seed)) == 7


def test_what_serves_everybody_at_the_top_is_found_and_ends_the_search():
    landscape = Landscape(top=15)
    assert run(landscape, (5, 5, 5)) == (5, 5, 5)
    assert landscape.num_evaluations <= 5
    assert run(landscape, (0, 0, 0)) == (5, 5, 5)
    assert landscape.num_evaluations < ITERATIONS_PER_PHASE


def test_where_not_everybody_can_be_served_as_many_are_as_can_be():
    for seed in range(10):
        assert run(Landscape(top=-4), (5, 5, 5), seed) == (0, 0, 0)


def test_it_ends_after_two_phases():
    landscape = Landscape(top=7)
    run(landscape, (5, 5, 5))
    assert landscape.num_evaluations <= 2 * ITERATIONS_PER_PHASE + 3


def test_without_devices_or_streams_there_is_nothing_to_choose():
    landscape = Landscape(top=7)
    assert anneal((), 6, landscape.evaluate, Value(9, 90.0), 90.0, Random(0)) == ()
    assert anneal((3, 3), 6, landscape.evaluate, Value(0, 0.0), 0.0, Random(0)) == (3, 3)
    assert landscape.num_evaluations == 0
