"""Streams change places at no loss, so that those who fit most come together."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.planning.effort import Effort
from moonjelly.scheduling.planning.instance import build
from moonjelly.scheduling.planning.pricing.construct import construct, to_plan
from moonjelly.scheduling.planning.pricing.gathering import insert_gathered, regroup_gathered
from moonjelly.scheduling.planning.pricing.prices import Market
from moonjelly.scheduling.planning.pricing.regroup import Regrouper
from moonjelly.scheduling.planning.pricing.working_draft import WorkingDraft
from moonjelly.scheduling.planning.rules import violations

PLENTY = 10_000  # steps


def working_draft(problem, share=1.0, steps=PLENTY):
    """A first draft, for that share of the streams."""
    instance = build(problem)
    market = Market(instance)
    draft = construct(instance, market, int(share * instance.num_streams), Effort(steps))
    return WorkingDraft(Regrouper(instance), market, draft, Effort(steps))


def check(work):
    """The draft is a sound plan, and nobody is in two places or in none."""
    assert not violations(work.instance.problem, to_plan(work.instance, work.draft, None))
    everybody = Counter(work.draft.unserved)
    everybody.update(stream for members in work.draft.members for stream in members)
    assert everybody == Counter(range(work.instance.num_streams))


anything = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(seed=st.integers(0, 10_000), share=st.sampled_from((0.6, 1.0)), size=st.sampled_from((2, 3)))
@anything
def test_as_many_are_served_and_no_worse(small_problem, seed, share, size):
    work = working_draft(small_problem(seed, devices=5, streams=14, variants=3, batches=3), share)
    served, value = work.merit
    regroup_gathered(work, size)
    check(work)
    assert work.num_served == served
    assert work.value >= value


@given(seed=st.integers(0, 10_000), most=st.integers(0, 14))
@anything
def test_room_is_made_for_nobody_beyond_the_most(small_problem, seed, most):
    work = working_draft(small_problem(seed, devices=5, streams=14, variants=3, batches=3), 0.5)
    served = work.num_served
    insert_gathered(work, most)
    check(work)
    assert served <= work.num_served <= max(served, most)


@given(seed=st.integers(0, 10_000))
@anything
def test_it_stops_when_the_effort_is_spent(small_problem, seed):
    work = working_draft(small_problem(seed, devices=5, streams=14, variants=3, batches=3))
    work.effort = Effort(0)
    before = [list(members) for members in work.draft.members]
    regroup_gathered(work, 2)
    assert [list(members) for members in work.draft.members] == before


@pytest.mark.parametrize("size", [2, 3])
def test_nobody_served_is_no_obstacle(small_problem, size):
    work = working_draft(small_problem(1), 0.0)
    regroup_gathered(work, size)
    check(work)
