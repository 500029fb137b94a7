from __future__ import annotations

import math
from dataclasses import replace

import pytest

from moonjelly.scheduling.cores.scheduler.instructions import (
    NotePlan,
    ReportMistake,
    TellDevice,
    TellEndpoints,
)
from moonjelly.scheduling.cores.scheduler.rhythm import FIRST_WORD_MS
from moonjelly.scheduling.cores.scheduler.stimuli import (
    DeviceLost,
    DeviceReported,
    EndpointCame,
    EndpointLost,
    JoinAsked,
    JoinLeft,
    Reported,
    TenantsSet,
    Tick,
)
from moonjelly.scheduling.cores.scheduler.streams import JOIN_GRACE_MS
from moonjelly.scheduling.quotas import Quota
from moonjelly.scheduling.slowness import Slowness

PERIOD_MS = 500.0


def joined(core, *wanted) -> None:
    """These streams join, and open."""
    for one in wanted:
        request = core.ask(one)
        core.wait(PERIOD_MS)
        assert core.refusal(request) is None
    core.feed(Reported("e0", tuple(wanted)))
    core.wait(PERIOD_MS)


def test_a_first_plan_is_made_when_all_have_spoken(make_core, announced) -> None:
    core = make_core(num_devices=2, num_endpoints=2)
    for endpoint in ("e0", "e1"):
        core.feed(EndpointCame(endpoint))
        core.feed(Reported(endpoint, ()))
    core.feed(announced("d0"))
    assert core.wake_ms == FIRST_WORD_MS
    core.feed(announced("d1"))
    assert core.wake_ms <= core.now_ms
    core.wait(1.0)
    assert set(core.told) == {"e0", "e1"}
    assert {name: told.order.device_id for name, told in core.orders.items()} == {
        "d0": "d0",
        "d1": "d1",
    }


def test_a_first_plan_waits_for_nobody_longer_than_a_second(make_core, stream, announced) -> None:
    core = make_core(num_devices=2, num_endpoints=2)
    core.feed(EndpointCame("e0"))
    core.feed(announced("d0"))
    core.wait(FIRST_WORD_MS - 1)
    assert not core.told
    core.wait(2.0)
    assert set(core.told) == {"e0"}


def test_who_asks_a_new_scheduler_is_answered_within_two_periods(
    make_core, stream, announced
) -> None:
    core = make_core(num_devices=2, num_endpoints=2, cost_ms=PERIOD_MS)
    core.feed(EndpointCame("e0"))
    core.feed(announced("d0"))
    request = core.ask(stream("a"))
    core.wait(2 * PERIOD_MS)
    assert core.refusal(request) is None


def test_before_a_device_is_ready_the_answer_is_immediate_and_names_a_time(
    make_core, stream, announced
) -> None:
    core = make_core()
    core.feed(EndpointCame("e0"))
    request = core.ask(stream("a"))
    core.wait(0.0)
    assert core.refusal(request) == "not_ready"
    assert core.answers["e0", request].refusal.retry_after_ms > 0
    core.feed(announced("d0"))
    core.feed(DeviceReported("d0", 1, Slowness(1.0), frozenset({0, 1})))
    request = core.ask(stream("a"))
    core.wait(0.0)
    assert core.refusal(request) == "not_ready"  # it can run nothing
    core.feed(DeviceReported("d0", 1, Slowness(1.0), frozenset({1})))
    request = core.ask(stream("a"))
    core.wait(PERIOD_MS)
    assert core.refusal(request) is None


def test_joins_that_wait_when_the_last_device_goes_are_told_so(core, stream) -> None:
    core.now_ms += 1
    request = core.ask(stream("a"))
    core.feed(DeviceLost("d0", 1))
    core.wait(PERIOD_MS)
    assert core.refusal(request) == "not_ready"


def test_a_plan_with_a_place_comes_before_the_answer(core, stream) -> None:
    core.wait(PERIOD_MS)
    core.ask(stream("a"))
    kinds = [type(one).__name__ for one in core.feed(Tick())]
    assert kinds.index("TellEndpoints") < kinds.index("AnswerJoin")
    assert core.placement == {"a": "d0"}


def test_joins_are_forgotten_with_their_endpoint(make_core, stream) -> None:
    core = make_core(num_endpoints=2)
    core.start()
    mine, others = core.ask(stream("a"), "e0"), core.ask(stream("b"), "e1")
    core.feed(EndpointLost("e0"))
    core.wait(PERIOD_MS)
    assert ("e0", mine) not in core.answers
    assert core.refusal(others, "e1") is None
    core.ask(stream("c"), "e0")  # from the dead
    core.feed(Reported("e0", (stream("c"),)))
    core.wait(PERIOD_MS)
    assert set(core.answers) == {("e1", others)}


def test_whoever_left_is_not_answered(core, stream) -> None:
    request = core.ask(stream("a"))
    core.feed(JoinLeft("e0", request, "a"))
    core.wait(PERIOD_MS)
    assert not core.answers
    assert core.wake_ms == math.inf


def test_the_place_of_who_left_after_the_answer_is_free_at_once(core, stream) -> None:
    first = core.ask(stream("a", fps=400.0))
    core.wait(PERIOD_MS)
    full = core.ask(stream("b", fps=400.0))
    core.wait(PERIOD_MS)
    assert (core.refusal(first), core.refusal(full)) == (None, "overload")
    core.feed(JoinLeft("e0", full, "b"))  # holds nothing
    core.feed(JoinLeft("e0", first, "a"))
    core.wait(50.0)
    assert core.placement == {}
    again = core.ask(stream("b", fps=400.0))
    core.wait(PERIOD_MS)
    assert core.refusal(again) is None


def test_an_older_request_does_not_give_back_a_newer_place(core, stream) -> None:
    first = core.ask(stream("a"))
    core.wait(PERIOD_MS)
    core.ask(stream("a"))
    core.wait(PERIOD_MS)
    core.feed(JoinLeft("e0", first, "a"))
    core.wait(PERIOD_MS)
    assert core.placement == {"a": "d0"}


def test_who_hung_up_on_a_second_registration_keeps_the_first(core, stream) -> None:
    joined(core, stream("a"))
    again = core.ask(stream("a", fps=20.0))
    core.wait(PERIOD_MS)
    core.feed(JoinLeft("e0", again, "a"))
    core.wait(PERIOD_MS)
    assert core.placement == {"a": "d0"}
    assert core.notes[-1].problem.streams[0].fps == 10.0


def test_a_stream_that_was_admitted_and_never_named_is_forgotten(core, stream) -> None:
    core.ask(stream("a"))
    core.wait(JOIN_GRACE_MS - PERIOD_MS)
    assert core.placement == {"a": "d0"}
    core.wait(2 * PERIOD_MS)
    assert core.placement == {}
    assert core.wake_ms == math.inf


def test_without_streams_it_sleeps(core) -> None:
    assert core.wake_ms == math.inf


@pytest.mark.parametrize("cost_ms", [1.0, 200.0])
def test_refused_streams_that_ask_again_and_again_stop_no_plan(make_core, stream, cost_ms) -> None:
    core = make_core(cost_ms=cost_ms)
    core.start()
    joined(core, stream("a", fps=400.0))
    core.replans_ms.clear()
    began_ms = core.now_ms
    while core.now_ms < began_ms + 20 * PERIOD_MS:
        core.ask(stream(f"s{core.now_ms:g}", fps=300.0))
        core.wait(25.0)
    assert {one.refusal.reason for one in core.answers.values() if one.refusal} == {"overload"}
    assert len(core.replans_ms) >= 19
    gaps = [
        after - before for before, after in zip(core.replans_ms, core.replans_ms[1:], strict=False)
    ]
    assert max(gaps) <= 1.5 * PERIOD_MS


def test_reports_and_statuses_stop_no_plan_and_no_answer(core, stream) -> None:
    joined(core, stream("a"))
    core.replans_ms.clear()
    began_ms = core.now_ms
    number = 0
    while core.now_ms < began_ms + 10 * PERIOD_MS:
        number += 1
        core.feed(DeviceReported("d0", 1, Slowness(1.0 + number % 4)))
        core.feed(Reported("e0", (stream("a", kbps=1e5 if number % 2 else 2e4),), is_urgent=True))
        if number % 50 == 0:
            request = core.ask(stream("b"))
            core.wait(2 * PERIOD_MS)
            assert core.refusal(request) is None
        core.wait(5.0)
    assert len(core.replans_ms) >= 10


def test_a_planner_slower_than_the_period_keeps_nobody_waiting_for_two_plans(
    make_core, stream
) -> None:
    core = make_core(cost_ms=1.2 * PERIOD_MS)
    core.planner.is_obedient = False
    core.start()
    core.feed(Reported("e0", (stream("a"),)))
    core.wait(3 * PERIOD_MS)
    for number in range(20):
        request = core.ask(stream(f"b{number}", fps=495.0))  # a plan finds that there is no room
        before = len(core.replans_ms)
        core.wait(4 * PERIOD_MS)
        assert core.refusal(request) == "overload"
        assert len(core.replans_ms) - before <= 4


def test_of_a_hundred_at_once_each_is_answered_in_one_round(make_core, stream) -> None:
    core = make_core(num_devices=4)
    core.start()
    joined(core, *(stream(f"s{number}", fps=1.0) for number in range(4)))
    requests = [core.ask(stream(f"n{number:03}", fps=1.0 + number % 30)) for number in range(100)]
    core.wait(PERIOD_MS)
    refused = [core.refusal(one) for one in requests if core.refusal(one)]
    assert len([one for one in core.answers if one[1] in requests]) == 100
    assert set(refused) <= {"overload"}
    assert len(refused) < 60


def test_when_time_is_short_everybody_still_gets_an_answer(make_core, stream) -> None:
    core = make_core(cost_ms=PERIOD_MS)  # each plan takes all there is
    core.start()
    requests = [core.ask(stream(f"n{number:03}", fps=100.0)) for number in range(30)]
    core.wait(2 * PERIOD_MS)
    assert all(("e0", one) in core.answers for one in requests)
    taken = [one for one in requests if core.refusal(one) is None]
    assert 3 <= len(taken) <= 4
    refusals = [core.answers["e0", one].refusal for one in requests if one not in taken]
    assert all(one.reason == "overload" and one.retry_after_ms > 0 for one in refusals)


def test_a_stream_that_is_not_opened_takes_nothing_from_the_open_ones(core, stream) -> None:
    joined(core, stream("a"))
    assert core.variant == "large"
    for number in range(12):  # as long as there is room if all of them opened
        request = core.ask(stream(f"s{number}", fps=60.0, slo_ms=30.0))
        core.wait(PERIOD_MS / 4)
        if core.refusal(request) is None:
            assert core.placement[f"s{number}"] == "d0"
    taken = [one for one in core.answers.values() if one.refusal is None]
    assert 1 < len(taken) < 13
    core.wait(2 * PERIOD_MS)
    assert core.variant == "large"
    everybody = (stream("a"), stream("s0", fps=60.0, slo_ms=30.0))
    core.feed(Reported("e0", everybody, is_urgent=True))
    core.wait(50.0)
    assert core.variant == "small"  # now it counts
    assert core.placement["s0"] == "d0"


def test_everybody_who_was_told_yes_is_served_when_all_open(core, stream) -> None:
    wanted = [stream(f"s{number:02}", fps=30.0) for number in range(30)]
    requests = {core.ask(one): one for one in wanted}
    core.wait(PERIOD_MS)
    taken = tuple(one for request, one in requests.items() if core.refusal(request) is None)
    assert len(taken) == 16  # of 500 frames/s
    for count in range(1, len(taken) + 1):
        core.feed(Reported("e0", taken[:count], taken[count:], is_urgent=True))
        core.wait(30.0)
        assert None not in core.placement.values()
        assert len(core.placement) == len(taken)


def test_a_stream_that_joined_elsewhere_is_over_at_the_older_endpoint(make_core, stream) -> None:
    core = make_core(num_endpoints=2)
    core.start()
    core.feed(Reported("e0", (stream("a"),)))
    request = core.ask(stream("a", fps=20.0), "e1")
    core.wait(PERIOD_MS)
    assert core.refusal(request, "e1") is None
    assert core.superseded == []
    core.feed(Reported("e1", (), (stream("a", fps=20.0),)))
    assert core.superseded == [("e0", "a")]
    core.feed(Reported("e0", (stream("a"),)))  # has not heard of it yet
    assert core.superseded == [("e0", "a")] * 2
    core.feed(Reported("e0", ()))
    core.feed(Reported("e1", (stream("a", fps=20.0),)))
    core.wait(PERIOD_MS)
    assert [one.fps for one in core.notes[-1].problem.streams] == [20.0]


def test_a_live_stream_is_not_taken_from_another_endpoint_without_proof(make_core, stream) -> None:
    core = make_core(num_endpoints=2)
    core.start()
    core.feed(Reported("e0", (stream("a"),), proofs={"a": 7}))
    for older_proof in (0, 8):
        core.feed(JoinAsked("e1", older_proof, stream("a"), older_proof))
        assert core.refusal(older_proof, "e1") == "name_taken"
    core.feed(JoinAsked("e1", 10, stream("a"), 7))
    core.wait(PERIOD_MS)
    assert core.refusal(10, "e1") is None


def test_a_silent_stream_is_taken_from_another_endpoint(make_core, stream) -> None:
    core = make_core(num_endpoints=2)
    core.start()
    silent = replace(stream("a"), bandwidth_kbps=0.0)
    core.feed(Reported("e0", (silent,), proofs={"a": 7}))
    request = core.ask(stream("a"), "e1")
    core.wait(PERIOD_MS)
    assert core.refusal(request, "e1") is None


def test_of_two_endpoints_that_ask_at_once_one_keeps_the_stream(make_core, stream) -> None:
    for later in ("e0", "e1"):
        core = make_core(num_endpoints=2)
        core.start()
        for endpoint in ("e0", "e1"):
            core.ask(stream("a"), endpoint)
        core.wait(PERIOD_MS)
        assert len(core.answers) == 2
        (earlier,) = {"e0", "e1"} - {later}
        core.feed(Reported(earlier, (stream("a"),)))
        core.feed(Reported(later, (stream("a"),)))
        assert core.superseded == [("e0", "a")]  # who asked first


def test_a_silent_device_is_as_good_as_lost_until_it_speaks(make_core, stream, announced) -> None:
    core = make_core(num_devices=2)
    core.start()
    core.feed(Reported("e0", (stream("a"),)))
    core.wait(PERIOD_MS)
    silent = core.placement["a"]
    core.feed(Reported("e0", (stream("a"),), silent_devices=(silent, "unknown")))
    core.wait(50.0)
    (other,) = {"d0", "d1"} - {silent}
    assert core.placement == {"a": other}
    core.feed(DeviceReported(silent, 1, Slowness(1.0)))
    core.wait(50.0)
    assert {one.device_id for one in core.told["e0"].plan.orders} == {"d0", "d1"}
    core.feed(Reported("e0", (stream("a"),), silent_devices=(silent,)))
    core.feed(DeviceLost(silent, 1))
    core.feed(announced(silent, 2))
    core.wait(50.0)
    assert {one.device_id for one in core.told["e0"].plan.orders} == {"d0", "d1"}


def test_a_device_is_told_its_own_part_alone(make_core, announced) -> None:
    core = make_core(num_devices=3)
    core.start()
    orders = [one for one in core.feed(announced("d1", 2)) if isinstance(one, TellDevice)]
    assert [one.order.device_id for one in orders] == ["d1"]


def test_a_device_that_nobody_expected_is_planned_at_once(core, stream, announced) -> None:
    joined(core, *(stream(f"s{number}", fps=60.0) for number in range(8)))
    refused = core.ask(stream("late", fps=60.0))
    core.wait(PERIOD_MS)
    assert core.refusal(refused) == "overload"
    core.feed(announced("stranger"))
    core.wait(50.0)
    assert {one.device_id for one in core.told["e0"].plan.orders} == {"d0", "stranger"}
    assert core.orders["stranger"].order.arrival_fps > 0
    taken = core.ask(stream("late", fps=60.0))
    core.wait(PERIOD_MS)
    assert core.refusal(taken) is None


def test_a_device_that_is_leaving_gets_nothing_new(make_core, stream, announced) -> None:
    core = make_core(num_devices=2)
    core.start()
    joined(core, stream("a"))
    leaving = core.placement["a"]
    (other,) = {"d0", "d1"} - {leaving}
    core.feed(announced(leaving, is_leaving=True))
    core.wait(50.0)
    assert core.placement == {"a": other}
    assert [one.device_id for one in core.told["e0"].plan.orders] == [other]


def test_what_an_earlier_life_of_a_device_says_changes_nothing(core, stream, announced) -> None:
    joined(core, stream("a"))
    core.feed(announced("d0", 2))
    core.wait(PERIOD_MS)
    for old in (DeviceLost("d0", 1), DeviceReported("d0", 1, Slowness(12.0)), announced("d0", 1)):
        assert core.feed(old) == []
    assert core.placement == {"a": "d0"}


def test_a_restarted_endpoint_is_told_the_plan_in_force(core, stream) -> None:
    joined(core, stream("a"))
    core.feed(EndpointLost("e0"))
    told = [one for one in core.feed(EndpointCame("e0")) if isinstance(one, TellEndpoints)]
    assert [one.endpoints for one in told] == [("e0",)]


def test_a_mistake_of_a_planner_is_told_and_ends_nothing(core, stream) -> None:
    joined(core, stream("a"))

    class Broken:
        def plan(self, *_):
            raise AssertionError("odd input")

    core.planner.planner = Broken()
    core.feed(Reported("e0", (stream("a"), stream("b")), is_urgent=True))
    core.now_ms = core.wake_ms
    instructions = core.feed(Tick())
    (mistake,) = [one.mistake for one in instructions if isinstance(one, ReportMistake)]
    assert isinstance(mistake.error, AssertionError)
    assert any(isinstance(one, NotePlan) for one in instructions)
    assert core.placement == {"a": "d0", "b": "d0"}
    request = core.ask(stream("c", fps=480.0))
    core.wait(PERIOD_MS)
    assert core.refusal(request) == "overload"


def test_epochs_go_on_where_somebody_knows_a_higher_one(core, stream) -> None:
    core.feed(Reported("e0", (stream("a"),), plan_epoch=41))
    core.wait(PERIOD_MS)
    assert core.told["e0"].plan.epoch == 42
    core.wait(3 * PERIOD_MS)
    assert core.told["e0"].plan.epoch == 42  # nothing has changed


def test_a_tenant_with_a_quota_is_kept_to_it_and_costs_nobody_else_a_place(core, stream) -> None:
    core.feed(TenantsSet({"north": Quota(max_streams=1)}, {}))
    requests = [core.ask(stream(name)) for name in ("north/a", "north/b", "south/a", "a")]
    core.wait(PERIOD_MS)
    assert [core.refusal(one) for one in requests] == [None, "quota", None, None]
    again = core.ask(stream("north/b"))
    core.wait(PERIOD_MS)
    assert core.refusal(again) == "quota"  # the first one is admitted, and not open yet
    core.feed(TenantsSet({"north": Quota(max_streams=2)}, {}))
    again = core.ask(stream("north/b"))
    core.wait(PERIOD_MS)
    assert core.refusal(again) is None


def test_a_smaller_quota_takes_nothing_away(core, stream) -> None:
    joined(core, stream("north/a"), stream("north/b"))
    core.feed(TenantsSet({"north": Quota(max_streams=1)}, {}))
    core.wait(PERIOD_MS)
    assert set(core.placement) == {"north/a", "north/b"}
