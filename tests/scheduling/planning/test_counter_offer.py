from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.device import Device
from moonjelly.core.mode import ModeTable
from moonjelly.core.plan import Plan
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.scheduling.planning.counter_offer import (
    RefusalReason,
    admit,
    counter_offers,
    refusal_reason,
    with_streams,
)
from moonjelly.scheduling.planning.published.sa_dp import SaDpPlanner
from moonjelly.scheduling.planning.rules import violations


class CountingPlanner:
    def __init__(self):
        self.num_plans = 0

    def plan(self, problem, previous, random):
        self.num_plans += 1
        return SaDpPlanner().plan(problem, previous, random)


def camera(name, fps=10.0, slo_ms=150.0, mbps=20.0):
    return Stream(name, fps, slo_ms, mbps * 1000, 0.5)


def server(*streams, num_devices=1):
    """One processor: 100 frame/s of the small variant at most."""
    return Problem(
        devices=tuple(Device(f"cpu{i}", "cpu") for i in range(num_devices)),
        variants=(Variant("small", 160, 0.3, 50), Variant("large", 320, 0.5, 150)),
        tables={"cpu": ModeTable(((10.0, 20.0, 30.0, 40.0), (40.0, 80.0, 120.0, 160.0)))},
        streams=streams,
        overhead_ms=4.0,
    )


def plan_for(problem):
    return SaDpPlanner().plan(problem, None, Random(0))


def test_a_stream_is_admitted_by_giving_up_accuracy():
    problem = server(camera("a"), camera("b"))
    before = plan_for(problem)
    assert before.devices[0].mode.variant == 1
    plan = admit(problem, camera("c"), before, SaDpPlanner())
    assert plan.devices[0].mode.variant == 0
    assert set(plan.placement.values()) == {"cpu0"}


def test_a_stream_is_not_admitted_at_the_cost_of_another():
    # Alone, 95 frame/s would be served rather than 50: nobody asks for the larger total.
    problem = server(camera("a", fps=50))
    assert admit(problem, camera("b", fps=95), plan_for(problem), SaDpPlanner()) is None


def test_where_a_planner_prefers_others_the_variants_in_force_are_tried():
    class Fickle:
        """Serves whoever came last, alone."""

        def plan(self, problem, previous, random):
            *others, last = (stream.stream_id for stream in problem.streams)
            return Plan(previous.devices, {**dict.fromkeys(others), last: "cpu0"})

    problem = server(camera("a", fps=50))
    plan = admit(problem, camera("b", fps=40), plan_for(problem), Fickle())
    assert plan.placement == {"a": "cpu0", "b": "cpu0"}
    assert admit(problem, camera("b", fps=60), plan_for(problem), Fickle()) is None


def test_a_stream_whose_link_broke_does_not_keep_others_out():
    problem = server(camera("a", fps=50))
    before = plan_for(problem)
    broken = server(camera("a", fps=50, mbps=0.1))
    plan = admit(broken, camera("b", fps=95), before, SaDpPlanner())
    assert plan.placement == {"a": None, "b": "cpu0"}


def test_a_stream_that_registers_again_replaces_itself():
    problem = server(camera("a", fps=50))
    plan = admit(problem, camera("a", fps=95), plan_for(problem), SaDpPlanner())
    assert plan.placement == {"a": "cpu0"}


def test_a_refusal_names_the_highest_round_rate_that_fits():
    problem = server(camera("a", fps=60))
    plan = plan_for(problem)
    newcomer = camera("b", fps=60)
    assert admit(problem, newcomer, plan, SaDpPlanner()) is None
    assert refusal_reason(problem, newcomer) is RefusalReason.OVERLOAD
    offers = counter_offers(problem, newcomer, plan, SaDpPlanner())
    assert [(offer.fps, offer.slo_ms) for offer in offers] == [(39.0, 150.0)]


def test_a_refusal_names_the_shortest_round_slo_that_fits():
    # The fast stream needs batches of 4 at the new device's gain; 40 ms cannot wait for them.
    problem = replace(server(), tables={"cpu": ModeTable(((10.0, 12.0, 14.0, 16.0), (40.0,)))})
    newcomer = camera("b", fps=120, slo_ms=27)
    offers = counter_offers(problem, newcomer, None, SaDpPlanner())
    assert admit(problem, newcomer, None, SaDpPlanner()) is None
    # 50 kbit on 20 Mbit/s: 2.5 ms, wire 1 ms, overhead 4 ms, two batches of 2: 24 ms.
    assert offers[-1].fps == 120
    assert offers[-1].slo_ms == 32


def test_a_stream_that_an_idle_server_could_not_serve_is_infeasible():
    for hopeless in (camera("b", slo_ms=20), camera("b", mbps=0.4), camera("b", mbps=0)):
        assert refusal_reason(server(), hopeless) is RefusalReason.INFEASIBLE
        assert admit(server(), hopeless, None, SaDpPlanner()) is None


def test_a_slow_link_is_offered_a_lower_rate():
    # 0.4 Mbit/s carry less than 8 frames of 50 kbit a second, and take 125 ms for one.
    offers = counter_offers(server(), camera("b", mbps=0.4, slo_ms=200), None, SaDpPlanner())
    assert [(offer.fps, offer.slo_ms) for offer in offers] == [(7.5, 200)]


def test_nothing_is_offered_over_a_link_that_is_down_or_by_a_server_without_devices():
    assert counter_offers(server(), camera("b", mbps=0), None, SaDpPlanner()) == ()
    bare = server(num_devices=0)
    assert counter_offers(bare, camera("b"), None, SaDpPlanner()) == ()
    assert refusal_reason(bare, camera("b")) is RefusalReason.INFEASIBLE


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1, 60), st.floats(60, 400)), max_size=5),
    st.floats(0.1, 240),
    st.floats(5, 500),
    st.floats(0.1, 50),
    st.integers(1, 2),
)
def test_acting_on_an_offer_places_the_stream_and_nobody_loses_his_place(
    others, fps, slo_ms, mbps, num_devices
):
    problem = server(
        *(camera(f"a{i}", *other) for i, other in enumerate(others)), num_devices=num_devices
    )
    plan = plan_for(problem)
    served = {name for name, place in plan.placement.items() if place is not None}
    newcomer = camera("b", fps, slo_ms, mbps)
    admitted = admit(problem, newcomer, plan, SaDpPlanner())
    if admitted is not None:
        assert violations(with_streams(problem, (newcomer,)), admitted) == []
        assert refusal_reason(problem, newcomer) is RefusalReason.OVERLOAD  # so it is feasible
        return
    planner = CountingPlanner()
    offers = counter_offers(problem, newcomer, plan, planner)
    assert planner.num_plans <= 17
    assert len(offers) <= 2
    for offer in offers:
        assert (offer.fps < fps and offer.slo_ms == slo_ms) or (
            offer.fps == fps and offer.slo_ms > slo_ms
        )
        changed = replace(newcomer, fps=offer.fps, slo_ms=offer.slo_ms)
        after = admit(problem, changed, plan, SaDpPlanner())
        assert violations(with_streams(problem, (changed,)), after) == []
        assert all(after.placement[name] is not None for name in {*served, "b"})


@pytest.mark.parametrize("num_devices", [1, 2])
def test_later_plans_keep_who_was_admitted(num_devices):
    problem = server(num_devices=num_devices)
    plan = plan_for(problem)
    for number in range(40):
        newcomer = camera(f"c{number}", fps=(7, 12.5, 24)[number % 3])
        admitted = admit(problem, newcomer, plan, SaDpPlanner())
        if admitted is None:
            continue
        problem, plan = with_streams(problem, (newcomer,)), admitted
        for seed in range(3):
            plan = SaDpPlanner().plan(problem, plan, Random(seed))
            assert None not in plan.placement.values()
    assert sum(stream.fps for stream in problem.streams) > 90 * num_devices
