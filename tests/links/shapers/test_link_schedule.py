from __future__ import annotations

import math

import pytest

from moonjelly.links.shapers import Fault, FaultKind, LinkConfig, Way
from moonjelly.links.shapers.link import UNLIMITED_KBPS, LinkSchedule
from moonjelly.links.traces import LinkTrace


def schedule(**fields) -> LinkSchedule:
    return LinkSchedule.of(LinkConfig("a", "127.0.0.1:1", **fields))


def changes(plan: LinkSchedule, until_s: float) -> list[float]:
    moments, at_s = [], 0.0
    while (at_s := plan.next_change_s(at_s)) <= until_s:
        moments.append(at_s)
    return moments


def test_a_link_without_a_trace_is_not_limited_and_never_changes():
    plan = schedule()
    assert plan.rate_kbps(Way.UP, 0) == plan.rate_kbps(Way.DOWN, 1e6) == UNLIMITED_KBPS
    assert plan.next_change_s(0) == math.inf


def test_each_way_follows_its_own_trace():
    plan = schedule(uplink=LinkTrace((8, 4), 2.0), downlink=LinkTrace((3, 2, 1), 1.5))
    assert changes(plan, 6) == [1.5, 2, 3, 4, 4.5, 6]
    assert plan.rate_kbps(Way.UP, 3) == 4000
    assert plan.rate_kbps(Way.DOWN, 3) == 1000


def test_a_cut_hides_the_trace_for_a_while():
    plan = schedule(
        uplink=LinkTrace((8, 4), 2.0),
        faults=(Fault(1.0, FaultKind.CUT, 2.5), Fault(6.0, FaultKind.CUT, 1.0, Way.DOWN)),
    )
    assert changes(plan, 8) == [1, 2, 3.5, 4, 6, 7, 8]
    assert [plan.rate_kbps(Way.UP, at) for at in (0.9, 1, 3.4, 3.5, 6.5)] == [
        8000,
        0,
        0,
        4000,
        4000,
    ]
    assert [plan.rate_kbps(Way.DOWN, at) for at in (1, 5.9, 6, 7)] == [0, 1e7, 0, 1e7]


def test_breaks_happen_once_even_if_several_are_past():
    plan = schedule(
        faults=tuple(
            Fault(at, kind)
            for at, kind in ((4, FaultKind.RESET), (2, FaultKind.RESET), (3, FaultKind.HALF_OPEN))
        )
    )
    assert changes(plan, 9) == [2, 3, 4]
    assert plan.breaks(0, 2) == [FaultKind.RESET]
    assert plan.breaks(2, 4) == [FaultKind.HALF_OPEN, FaultKind.RESET]
    assert plan.breaks(4, 99) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"at_s": -1, "kind": "cut", "seconds": 1}, "at_s=-1"),
        ({"at_s": 0, "kind": "cut"}, "seconds=0"),
        ({"at_s": 0, "kind": "cut", "seconds": math.inf}, "seconds=inf"),
        ({"at_s": 0, "kind": "storm"}, "kind='storm': must be one of cut, reset, half-open"),
        ({"at_s": 0, "kind": "cut", "seconds": 1, "way": "left"}, "way='left'"),
        ({"at_s": 0, "kind": "reset", "seconds": 1}, "kind=reset: takes neither"),
        ({"at_s": 0, "kind": "half-open", "way": "up"}, "kind=half-open: takes neither"),
    ],
)
def test_a_bad_fault_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Fault(**fields)
