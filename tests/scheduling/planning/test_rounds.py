from __future__ import annotations

from dataclasses import replace
from random import Random

from moonjelly.core.device import Device
from moonjelly.core.plan import Plan
from moonjelly.core.problem import Client, Problem
from moonjelly.core.variant import Variant
from moonjelly.scheduling.planning.counter_offer import RefusalReason
from moonjelly.scheduling.planning.registry import planner
from moonjelly.scheduling.planning.rounds import Planning
from moonjelly.scheduling.planning.rules import score, violations

VARIANTS = (Variant("small", 128, 0.2, 50.0), Variant("large", 416, 0.4, 300.0))
LATENCY = ((5.0, 6.0, 7.0, 8.0), (20.0, 30.0, 40.0, 50.0))  # 500 and 80 frames/s
NOW_MS = 0.0
LIMIT_MS = 400.0


def client(number: int, fps: float = 25.0, slo_ms: float = 200.0, kbps: float = 1e5) -> Client:
    return Client(f"c{number}", fps, slo_ms, kbps)


def problem(*clients: Client, num_devices: int = 1) -> Problem:
    devices = tuple(Device(f"d{number}", "gpu") for number in range(num_devices))
    return Problem(devices, VARIANTS, {"gpu": LATENCY}, clients)


def planning(name: str = "sa-dp") -> Planning:
    return Planning(planner(name), 0, lambda: NOW_MS)


class Broken:
    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        raise AssertionError("odd input")


class Unsound:
    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        return Plan((), {})


def test_plans_are_sound_and_serve_everybody_they_can() -> None:
    wanted = problem(*(client(number) for number in range(6)))
    plan = planning().replan(wanted)
    assert plan is not None
    assert violations(wanted, plan) == []
    assert score(wanted, plan).num_served == 6


def test_a_planner_that_fails_leaves_the_plan() -> None:
    decided = planning()
    before = decided.replan(problem(client(0)))
    decided._planner = Broken()
    assert decided.replan(problem(client(0), client(1))) is before


def test_a_planner_that_breaks_rules_is_replaced_by_what_was_in_force() -> None:
    decided = planning()
    decided.replan(problem(client(0)))
    decided._planner = Unsound()
    wanted = problem(client(0), client(1))
    plan = decided.replan(wanted)
    assert plan is not None
    assert violations(wanted, plan) == []


def test_a_first_plan_that_breaks_rules_is_none() -> None:
    decided = planning()
    decided._planner = Unsound()
    assert decided.replan(problem(client(0))) is None


def test_variants_change_only_for_a_gain() -> None:
    close = (Variant("small", 128, 0.4, 50.0), Variant("large", 416, 0.402, 300.0))
    wanted = replace(problem(client(0)), variants=close)
    decided = planning()
    first = planning().replan(replace(wanted, variants=VARIANTS))
    assert first is not None
    assert first.devices[0].variant == 1
    small = Plan((replace(first.devices[0], variant=0),), first.placement)
    decided.plan = small
    plan = decided.replan(wanted)  # half a percent better
    assert plan is not None
    assert plan.devices[0].variant == 0
    plan = decided.replan(replace(wanted, variants=VARIANTS))  # twice as good
    assert plan is not None
    assert plan.devices[0].variant == 1


def test_a_stream_joins_where_there_is_room() -> None:
    decided = planning()
    (admission,) = decided.admit(problem(), [client(0)], LIMIT_MS)
    assert admission.refusal is None
    assert decided.plan is not None
    assert decided.plan.placement["c0"] == "d0"


def test_many_join_with_one_plan() -> None:
    decided = planning()
    joining = [client(number) for number in range(10)]
    assert all(one.refusal is None for one in decided.admit(problem(), joining, LIMIT_MS))
    assert decided.plan is not None
    assert sum(where is not None for where in decided.plan.placement.values()) == 10


def test_of_too_many_those_who_fit_are_taken_and_nobody_loses_his_place() -> None:
    decided = planning()
    served = [client(number) for number in range(10)]
    decided.admit(problem(), served, LIMIT_MS)
    joining = [client(number) for number in range(10, 40)]
    admissions = decided.admit(problem(*served), joining, LIMIT_MS)
    accepted = [one.client for one in admissions if one.refusal is None]
    assert 5 <= len(accepted) < 30  # the device does less than 500 frames/s
    everybody = problem(*served, *accepted)
    assert decided.plan is not None
    assert violations(everybody, decided.plan) == []
    assert score(everybody, decided.plan).num_served == 10 + len(accepted)


def test_an_overload_is_refused_with_offers_that_hold() -> None:
    decided = planning()
    served = [client(0, fps=240.0), client(1, fps=200.0)]
    decided.admit(problem(), served, LIMIT_MS)
    (admission,) = decided.admit(problem(*served), [client(2, fps=100.0)], LIMIT_MS)
    refusal = admission.refusal
    assert refusal is not None
    assert refusal.reason == RefusalReason.OVERLOAD
    assert refusal.retry_after_ms > 0
    assert refusal.counter_offers
    offer = refusal.counter_offers[0]
    (again,) = decided.admit(
        problem(*served), [client(2, fps=offer.fps, slo_ms=offer.slo_ms)], LIMIT_MS
    )
    assert again.refusal is None


def test_what_no_idle_server_could_do_is_infeasible() -> None:
    for hopeless in (client(0, slo_ms=9.0), client(0, kbps=0.001)):
        (admission,) = planning().admit(problem(), [hopeless], LIMIT_MS)
        assert admission.refusal is not None
        assert admission.refusal.reason == RefusalReason.INFEASIBLE


def test_an_slo_that_is_too_short_is_answered_with_one_that_fits() -> None:
    (admission,) = planning().admit(problem(), [client(0, slo_ms=9.0)], LIMIT_MS)
    assert admission.refusal is not None
    assert any(offer.slo_ms > 9.0 for offer in admission.refusal.counter_offers)


def test_without_time_there_are_no_offers_but_still_an_answer() -> None:
    decided = planning()
    served = [client(0, fps=240.0), client(1, fps=200.0)]
    decided.admit(problem(), served, LIMIT_MS)
    (admission,) = decided.admit(problem(*served), [client(2, fps=100.0)], NOW_MS - 1)
    assert admission.refusal is not None
    assert list(admission.refusal.counter_offers) == []


def test_without_devices_everybody_is_refused_for_now() -> None:
    admissions = planning().admit(problem(num_devices=0), [client(0), client(1)], LIMIT_MS)
    assert [one.refusal.reason for one in admissions if one.refusal] == [RefusalReason.OVERLOAD] * 2


def test_a_planner_that_fails_refuses_and_keeps_the_plan() -> None:
    decided = planning()
    before = decided.replan(problem(client(0)))
    decided._planner = Broken()
    (admission,) = decided.admit(problem(client(0)), [client(1, fps=400.0)], LIMIT_MS)
    assert admission.refusal is not None
    assert decided.plan is before


def test_a_stream_that_registers_again_takes_its_own_place() -> None:
    decided = planning()
    decided.admit(problem(), [client(0, fps=300.0)], LIMIT_MS)
    (admission,) = decided.admit(problem(client(0, fps=300.0)), [client(0, fps=400.0)], LIMIT_MS)
    assert admission.refusal is None


def test_those_who_cannot_be_looked_at_in_time_are_asked_to_come_again() -> None:
    decided = planning()
    served = [client(0, fps=240.0), client(1, fps=200.0)]
    decided.admit(problem(), served, LIMIT_MS)
    joining = [client(number, fps=100.0) for number in range(2, 9)]
    admissions = decided.admit(problem(*served), joining, NOW_MS - 1)
    assert len(admissions) == 7
    assert all(one.refusal is not None and one.refusal.retry_after_ms > 0 for one in admissions)
