"""Anything in any order: what the scheduler's core owes all the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from moonjelly.core.stream import Stream
from moonjelly.scheduling.cores.scheduler.stimuli import (
    DeviceLost,
    DeviceReported,
    EndpointCame,
    EndpointLost,
    JoinLeft,
    Reported,
)
from moonjelly.scheduling.slowness import Slowness

PERIOD_MS = 500.0
NAMES = tuple("abcdef")
DEVICES = ("d0", "d1", "stranger")
endpoints = st.sampled_from(["e0", "e1"])
names = st.sampled_from(NAMES[:2])
rates = st.sampled_from([0.1, 10.0, 60.0, 240.0])
slos = st.sampled_from([9.0, 30.0, 200.0])
links = st.sampled_from([0.0, 0.001, 3000.0, 1e5])


@dataclass
class Endpoint:
    """What an endpoint knows: `asked` by request, with the time; `sessions` by stream, and whether it is open."""

    asked: dict[int, tuple[Stream, float]] = field(default_factory=dict)
    sessions: dict[str, tuple[Stream, bool]] = field(default_factory=dict)


class SchedulerMachine(RuleBasedStateMachine):
    """Endpoints that behave, whatever befalls them, and time that goes on."""

    harness: Any
    announced: Any

    def __init__(self) -> None:
        super().__init__()
        self.endpoints: dict[str, Endpoint] = {}
        self.lives: dict[str, int] = {}  # of devices
        self.there: set[str] = set()
        self.gone: set[str] = set()  # or about to leave
        self.gone_since: dict[str, int] = {}  # the newest epoch when it went
        self.num_answered = self.num_superseded = 0
        self.watched_ms = 0.0

    @initialize(cost_ms=st.sampled_from([0.0, 7.0, 150.0, 1000.0]))
    def begin(self, cost_ms: float) -> None:
        self.core = self.harness(num_devices=2, num_endpoints=2, cost_ms=cost_ms)
        for endpoint in ("e0", "e1"):
            self.endpoint_comes(endpoint)
        for device in ("d0", "d1"):
            self.device_comes(device)

    @rule(endpoint=endpoints)
    def endpoint_comes(self, endpoint: str) -> None:
        self.core.feed(EndpointCame(endpoint))
        self.endpoints[endpoint] = Endpoint()

    @rule(endpoint=endpoints)
    def endpoint_dies(self, endpoint: str) -> None:
        self.core.feed(EndpointLost(endpoint))
        self.endpoints.pop(endpoint, None)

    @rule(device=st.sampled_from(DEVICES), is_leaving=st.sampled_from([False, False, True]))
    def device_comes(self, device: str, *, is_leaving: bool = False) -> None:
        """In a new life, whether or not anybody saw the end of the one before."""
        self.lives[device] = self.lives.get(device, 0) + 1
        self.core.feed(self.announced(device, self.lives[device], is_leaving=is_leaving))
        (self.gone.add if is_leaving else self.gone.discard)(device)
        self.there.add(device)
        self._note_gone()

    @rule(device=st.sampled_from(DEVICES), is_leaving=st.booleans())
    def device_thinks_again(self, device: str, *, is_leaving: bool) -> None:
        if device in self.there:
            self.core.feed(self.announced(device, self.lives[device], is_leaving=is_leaving))
            (self.gone.add if is_leaving else self.gone.discard)(device)
            self._note_gone()

    @rule(device=st.sampled_from(DEVICES))
    def device_goes(self, device: str) -> None:
        self.core.feed(DeviceLost(device, self.lives.get(device, 0)))
        self.there.discard(device)
        self.gone.add(device)
        self._note_gone()

    @rule(device=st.sampled_from(DEVICES), age=st.integers(1, 3))
    def word_of_an_earlier_life_arrives(self, device: str, age: int) -> None:
        generation = max(0, self.lives.get(device, 0) - age)
        if generation < self.lives.get(device, 0):
            for late in (
                DeviceReported(device, generation, Slowness(12.0), frozenset({0, 1})),
                self.announced(device, generation),
                DeviceLost(device, generation),
            ):
                assert self.core.feed(late) == []

    @rule(
        device=st.sampled_from(DEVICES),
        ratio=st.sampled_from([0.5, 1.0, 3.0, 12.0]),
        broken=st.sets(st.integers(0, 1)),
    )
    def device_reports(self, device: str, ratio: float, broken: set[int]) -> None:
        generation = self.lives.get(device, 0)
        self.core.feed(DeviceReported(device, generation, Slowness(ratio), frozenset(broken)))

    @rule(endpoint=endpoints, name=names, fps=rates, slo_ms=slos, kbps=links)
    def stream_asks(self, endpoint: str, name: str, fps: float, slo_ms: float, kbps: float) -> None:
        asked_ms = self.core.now_ms
        wanted = Stream(name, fps, slo_ms, kbps)
        request = self.core.ask(wanted, endpoint)
        if endpoint in self.endpoints:
            self.endpoints[endpoint].asked[request] = wanted, asked_ms
        self._take_in()

    @rule(endpoint=endpoints, fps=rates)
    def everybody_asks_at_once(self, endpoint: str, fps: float) -> None:
        for name in NAMES:
            self.stream_asks(endpoint, name, fps, 200.0, 1e5)

    @rule(endpoint=endpoints, data=st.data())
    def somebody_hangs_up(self, endpoint: str, data: st.DataObject) -> None:
        asked = self.endpoints.get(endpoint, Endpoint()).asked
        if asked:
            request = data.draw(st.sampled_from(sorted(asked)))
            wanted, _ = asked.pop(request)
            self.core.feed(JoinLeft(endpoint, request, wanted.stream_id))

    @rule(endpoint=endpoints, name=names)
    def session_opens(self, endpoint: str, name: str) -> None:
        sessions = self.endpoints.get(endpoint, Endpoint()).sessions
        if name in sessions:
            sessions[name] = sessions[name][0], True
            self._report(endpoint, is_urgent=True)

    @rule(endpoint=endpoints, name=names)
    def session_ends(self, endpoint: str, name: str) -> None:
        if self.endpoints.get(endpoint, Endpoint()).sessions.pop(name, None):
            self._report(endpoint, is_urgent=True)

    @rule(endpoint=endpoints, is_urgent=st.booleans(), silent=st.sets(st.sampled_from(DEVICES)))
    def endpoint_reports(self, endpoint: str, is_urgent: bool, silent: set[str]) -> None:
        self._report(endpoint, is_urgent=is_urgent, silent=tuple(silent))

    @rule(duration_ms=st.sampled_from([0.0, 3.0, 20.0, 100.0, 400.0, 2100.0]))
    def time_goes_on(self, duration_ms: float) -> None:
        before_ms = self.core.now_ms
        has_work = self._has_work()
        count = len(self.core.replans_ms)
        self.core.wait(duration_ms)
        self._take_in()
        if has_work and self._has_work():
            num_periods = (self.core.now_ms - before_ms) / PERIOD_MS
            assert len(self.core.replans_ms) - count >= int(num_periods - 1.5)

    @invariant()
    def nobody_waits_for_more_than_two_periods(self) -> None:
        for endpoint in self.endpoints.values():
            for _, asked_ms in endpoint.asked.values():
                assert self.core.now_ms - asked_ms <= 2 * PERIOD_MS or self.core.wake_ms <= (
                    self.core.now_ms
                )

    @invariant()
    def plans_name_nothing_that_is_gone(self) -> None:
        for name, told in self.core.told.items():
            if name in self.endpoints:
                ids = {one.device_id for one in told.plan.orders}
                assert {place for place in told.plan.placement.values() if place} <= ids

    @invariant()
    def a_device_that_left_is_in_no_later_plan(self) -> None:
        for told in self.core.told.values():
            for one in told.plan.orders:
                since = self.gone_since.get(one.device_id)
                assert since is None or told.plan.epoch <= since

    def teardown(self) -> None:
        """All calms down: everybody reports, and each stream is at one endpoint alone."""
        for _ in range(3):
            self.time_goes_on(1100.0)
            for endpoint in self.endpoints:
                self._report(endpoint)
        homes = [name for one in self.endpoints.values() for name in one.sessions]
        assert len(homes) == len(set(homes))
        assert not any(one.asked for one in self.endpoints.values())
        for endpoint in self.endpoints.values():
            endpoint.sessions.clear()
        for endpoint in self.endpoints:
            self._report(endpoint)
        self.core.wait(3 * PERIOD_MS)
        assert self.core.wake_ms == float("inf")  # nothing is left, not even a promise
        for name in self.endpoints:
            if name in self.core.told and self.core.core._devices.num_ready:
                assert not self.core.told[name].plan.placement

    def _note_gone(self) -> None:
        epoch = self.core.core._publication.epoch
        self.gone_since = {one: self.gone_since.get(one, epoch) for one in self.gone}

    def _has_work(self) -> bool:
        """A session that its endpoint never named is given up after a while, so both have to know of one."""
        core = self.core.core
        is_known = not core._streams.is_empty and core._devices.num_ready
        return bool(is_known) and any(one.sessions for one in self.endpoints.values())

    def _report(
        self, endpoint: str, *, is_urgent: bool = False, silent: tuple[str, ...] = ()
    ) -> None:
        sessions = self.endpoints.get(endpoint, Endpoint()).sessions.values()
        opened = tuple(one for one, is_open in sessions if is_open)
        unopened = tuple(one for one, is_open in sessions if not is_open)
        self.core.feed(Reported(endpoint, opened, unopened, 2.0, is_urgent, silent_devices=silent))
        self._take_in()

    def _take_in(self) -> None:
        """Does as endpoints do with what they are told, in its order."""
        answers = list(self.core.answers.values())[self.num_answered :]
        self.num_answered += len(answers)
        for endpoint, stream in self.core.superseded[self.num_superseded :]:
            self.endpoints[endpoint].sessions.pop(stream, None)
        self.num_superseded = len(self.core.superseded)
        for answer in answers:
            endpoint = self.endpoints.get(answer.endpoint, Endpoint())
            wanted, asked_ms = endpoint.asked.pop(answer.request, (None, 0.0))
            assert wanted is not None, "answered to nobody"
            answered_ms = self.core.answered_ms[answer.endpoint, answer.request]
            assert answered_ms - asked_ms <= 2 * PERIOD_MS
            if answer.refusal is None:
                told = self.core.told[answer.endpoint].plan
                endpoint.sessions[wanted.stream_id] = wanted, False
                assert told.epoch <= self.core.core._publication.epoch


def test_whatever_happens_joins_are_answered_and_plans_are_made(make_core, announced) -> None:
    class Machine(SchedulerMachine):
        harness = make_core

    Machine.announced = staticmethod(announced)
    bounds = settings(
        max_examples=100,
        stateful_step_count=50,
        deadline=None,
        phases=[Phase.generate],  # to shrink what fails would take minutes: every step may plan
    )
    run_state_machine_as_test(Machine, settings=bounds)
