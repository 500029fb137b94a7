"""Anything in any order: what the endpoint's core owes all the same."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from moonjelly.core.verdict import Drop, Place, Reason
from moonjelly.scheduling.cores.endpoint.drop_notes import DropNote, given_up

PERIOD_MS = 200.0
SLACK_MS = 100.0  # two looks
devices = st.sampled_from(["d0", "d1"])
names = st.sampled_from("abc")


class EndpointMachine(RuleBasedStateMachine):
    """Streams that do as they like, devices that vanish, hang, lie and come back, and time that goes on."""

    make: Any

    @initialize(num_slots=st.sampled_from([1, 3, 64]))
    def begin(self, num_slots: int) -> None:
        self.shell = self.make(num_slots)
        for device_id in ("d0", "d1"):
            self.shell.attach(device_id)
        for name, device_id, slo_ms in (("a", "d0", 1500.0), ("b", "d0", 200.0), ("c", "d1", 40.0)):
            self.shell.join(name, slo_ms, device_id)

    @rule(device=devices)
    def device_comes(self, device: str) -> None:
        self.shell.attach(device)

    @rule(
        device=devices,
        data=st.data(),
        is_crash=st.booleans(),
        is_told_before=st.booleans(),
        after_ms=st.sampled_from([0.0, 0.0, 30.0, None]),
    )
    def device_dies(
        self,
        device: str,
        data: st.DataObject,
        is_crash: bool,
        is_told_before: bool,
        after_ms: float | None,
    ) -> None:
        tickets = list(self.shell.sent.get(device, {}))
        at_work = data.draw(st.lists(st.sampled_from(tickets), max_size=3)) if tickets else []
        for is_now in (is_told_before, not is_told_before):
            if is_now:
                core, now_ms = self.shell.core, self.shell.now_ms
                self.shell.perform(core.device_died(device, now_ms, is_crash=is_crash))
            else:
                self.shell.lose(device, *at_work)
        if after_ms is not None:
            self.shell.wait(after_ms)
            self.shell.attach(device)

    @rule(device=devices, data=st.data())
    def device_works(self, device: str, data: st.DataObject) -> None:
        tickets = list(self.shell.sent.get(device, {}))
        at_work = data.draw(st.lists(st.sampled_from(tickets), max_size=3)) if tickets else []
        self.shell.at_work[device] = at_work

    @rule(device=devices, data=st.data(), has_run=st.booleans())
    def device_answers(self, device: str, data: st.DataObject, has_run: bool) -> None:
        """Whatever it was ever handed: also twice, or what was taken back."""
        tickets = [*list(self.shell.sent.get(device, {}))[-8:], 10**6]
        answered = data.draw(st.lists(st.sampled_from(tickets), max_size=4))
        note = None
        if not has_run:
            code = given_up(Reason.TOO_LATE, "").code
            note = DropNote(Drop(Place.EXECUTOR, Reason.TOO_LATE), code, decode_ms=1.0)
        self.shell.answer(device, *answered, note=note)

    @rule(full=st.sampled_from(["", "", "d0", "d1"]))
    def device_takes_nothing(self, full: str) -> None:
        self.shell.takes_nothing = {full}

    @rule(placement=st.dictionaries(names, devices, min_size=2), variant=st.integers(0, 1))
    def plan_comes(self, placement: dict[str, str], variant: int) -> None:
        self.shell.plan(placement, variant)

    @rule(name=names, device=devices, slo_ms=st.sampled_from([40.0, 200.0, 1500.0]))
    def stream_joins(self, name: str, device: str, slo_ms: float) -> None:
        self.shell.plan(dict(self.shell.core.plan.placement) | {name: device})
        request = self.shell.ask(name, slo_ms)
        if request in self.shell.asked:
            self.shell.reply(request)
            if name in self.shell.gates:
                self.shell.perform(self.shell.core.open(self.shell.gates[name], self.shell.now_ms))

    @rule(
        name=names, data=st.data(), what=st.sampled_from(["yes", "no", "late", "hang up", "dies"])
    )
    def somebody_registers(self, name: str, data: st.DataObject, what: str) -> None:
        """A scheduler that takes its time, or dies; clients that do not wait."""
        shell = self.shell
        request = shell.ask(name)
        if what == "hang up" and request in shell.waiting:
            del shell.waiting[request]
            shell.perform(shell.core.hang_up(request))
        elif what == "dies":
            shell.perform(shell.core.scheduler_lost())
            shell.asked.clear()
            shell.perform(shell.core.scheduler_came(shell.now_ms))
        else:
            known = range(1, shell.num_requests + 1) if what == "late" else sorted(shell.asked)
            if known:
                shell.reply(data.draw(st.sampled_from(known)), "no" if what == "no" else None)

    @rule(count=st.integers(1, 4), age_ms=st.sampled_from([0.0, 0.0, 0.0, 30.0, 1e9]))
    def frames_arrive(self, count: int, age_ms: float) -> None:
        for gate in self.open_gates():
            for _ in range(count):
                self.shell.send(gate, age_ms=age_ms)

    @rule(is_told=st.booleans())
    def all_is_answered(self, is_told: bool) -> None:
        for device_id, sent in self.shell.sent.items():
            held = [ticket for ticket, one in sent.items() if not self.shell.ended[one]]
            self.shell.answer(device_id, *held[: None if is_told else 1])

    @rule(name=names, is_polite=st.booleans())
    def stream_ends(self, name: str, is_polite: bool) -> None:
        gate = self.shell.gates.get(name)
        if gate is not None and not gate.is_over and is_polite:
            self.shell.perform(self.shell.core.goodbye(gate))
        elif gate is not None:
            self.shell.close(gate)

    def open_gates(self) -> list[Any]:
        return [gate for gate in self.shell.gates.values() if not gate.is_over]

    @rule(
        duration_ms=st.sampled_from([0.0, 3.0, 3.0, 20.0, 60.0, 300.0]),
        stall_ms=st.sampled_from([0.0] * 9 + [2000.0]),
    )
    def time_goes_on(self, duration_ms: float, stall_ms: float) -> None:
        self.shell.wait(duration_ms)
        self.shell.now_ms += stall_ms
        self.shell.wait(0.0)

    @invariant()
    def whatever_was_taken_ends_once_and_in_time(self) -> None:
        now_ms = self.shell.now_ms
        under_way = [one for one in self.shell.taken if not self.shell.ended[one]]
        assert self.shell.core.num_held == len(under_way)
        for frame in under_way:
            assert now_ms <= frame.deadline_ms + max(frame.gate.slo_ms, 430.0) + SLACK_MS
        for gate in self.shell.gates.values():
            assert gate.num_arrived == gate.num_ended + gate.num_under_way
            assert not (gate.is_over and gate.num_under_way)
        assert len(self.shell.in_slots) <= self.shell.num_slots

    @invariant()
    def nobody_waits_for_more_than_two_periods(self) -> None:
        for asked_ms, _ in self.shell.waiting.values():
            assert self.shell.now_ms <= asked_ms + 2 * PERIOD_MS

    def teardown(self) -> None:
        for gate in list(self.shell.gates.values()):
            self.shell.close(gate)
        self.shell.wait(3 * PERIOD_MS)
        assert self.shell.core.num_held == 0
        assert not self.shell.in_slots
        assert self.shell.core.num_free == self.shell.num_slots
        assert not self.shell.waiting
        assert all(count == 1 for count in self.shell.ended.values())
        assert self.shell.wake_ms == float("inf")  # nothing is left to look after


def test_whatever_happens_frames_end_once_and_registrations_are_answered(make_shell) -> None:
    class Machine(EndpointMachine):
        make = make_shell

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=150, stateful_step_count=60, deadline=None)
    )
