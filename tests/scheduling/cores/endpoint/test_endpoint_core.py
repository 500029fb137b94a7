"""Single decisions of the endpoint's core; what holds of all of them is in the machine beside."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.verdict import Reason
from moonjelly.scheduling.cores.endpoint.instructions import Why


def reasons(gate) -> dict[Reason, int]:
    return {drop.reason: count for drop, count in gate.drops.items()}


def test_a_frame_that_exceeds_the_rate_wakes_planning_for_a_stream_that_was_silent(shell) -> None:
    gate = shell.join("cam")
    shell.wait(5000.0)
    shell.reports.clear()
    gate.policer._tokens = -1e9
    shell.send(gate)
    assert reasons(gate) == {Reason.RATE_EXCEEDED: 1}
    shell.wait(10.0)
    assert [report.is_urgent for report in shell.reports] == [True]


def test_a_device_of_an_older_generation_is_not_heard(shell) -> None:
    frame = shell.send(shell.join("cam"))
    shell.attach("d0")
    assert frame.device_id == "d1"
    shell.executors["d0"] -= 1
    shell.answer("d0", frame.ticket)
    assert not shell.ended[frame]
    shell.answer("d1", frame.ticket)
    assert shell.ended[frame] == 1
    assert frame.note is None


def test_devices_of_any_name_come_and_go(shell) -> None:
    gate = shell.join("cam")
    for name in ("d0", "d1"):
        shell.lose(name)
    shell.attach("node-7/gpu:0")
    lost = shell.send(gate)
    assert lost.note is not None
    assert lost.note.drop.reason is Reason.EXECUTOR_LOST  # no plan tells what it can do
    assert list(shell.core.devices) == ["node-7/gpu:0"]


def test_reports_come_twice_a_period_and_once_for_several_changes(shell) -> None:
    first, second = shell.join("a"), shell.join("b")
    shell.wait(10.0)
    (report,) = shell.reports
    assert [one.stream_id for one in report.opened] == ["a", "b"]
    assert report.is_urgent
    shell.wait(250.0)
    assert len(shell.reports) == 3
    shell.close(first)
    shell.close(second)
    shell.wait(1000.0)
    assert len(shell.reports) == 4
    assert shell.wake_ms == math.inf


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda shell: shell.core.drain(), Why.DRAINING),
        (lambda shell: [shell.lose(name) for name in ("d0", "d1")], Why.NOT_READY),
        (lambda shell: [shell.join(str(number)) for number in range(6)], Why.SESSION_LIMIT),
        (lambda shell: shell.perform(shell.core.scheduler_lost()), Why.NO_SCHEDULER),
    ],
)
def test_who_cannot_be_registered_is_told_why_and_costs_no_plan(
    shell, trouble: Callable, why: Why
) -> None:
    trouble(shell)
    shell.asked.clear()
    request = shell.ask("cam")
    assert not shell.asked
    assert shell.refusals[request] is why


def test_who_registers_is_answered_when_the_scheduler_is_silent_and_takes_no_place(shell) -> None:
    request = shell.ask("cam")
    shell.wait(401.0)
    assert shell.refusals[request] is Why.SCHEDULER_SILENT
    assert not shell.asked  # the question was taken back
    shell.reply(request)
    assert not shell.gates


moments = st.lists(
    st.sampled_from(["frame a", "frame b", "answer", "report", "plan", "device", "silence"]),
    min_size=2,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(moments=st.lists(moments, min_size=1, max_size=5), order=st.randoms(use_true_random=False))
def test_two_orders_of_what_happens_at_once_end_in_the_same_ledger(
    make_shell, moments: list[list[str]], order
) -> None:
    ledgers = []
    for is_shuffled in (False, True):
        shell = make_shell()
        for device_id in ("d0", "d1"):
            shell.attach(device_id)
        gates = {"a": shell.join("a", 600.0, "d0"), "b": shell.join("b", 900.0, "d1")}
        for moment in moments:
            held = {
                name: [k for k, one in sent.items() if not shell.ended[one]]
                for name, sent in shell.sent.items()
            }
            for what in order.sample(moment, len(moment)) if is_shuffled else moment:
                match what:
                    case "answer":
                        for device_id, tickets in held.items():
                            shell.answer(device_id, *tickets)
                    case "report":
                        shell.core.report_soon(shell.now_ms, is_urgent=True)
                    case "plan":
                        shell.plan({"a": "d1", "b": "d1"})
                    case "device":
                        shell.attach("d0")
                    case "silence":
                        shell.answer("d0")
                    case _:
                        shell.send(gates[what[-1]])
            shell.wait(20.0)
        for name, sent in shell.sent.items():
            shell.answer(name, *(k for k, one in sent.items() if not shell.ended[one]))
        shell.wait(3000.0)
        ledgers.append(shell.ledger)
    assert ledgers[0] == ledgers[1]
