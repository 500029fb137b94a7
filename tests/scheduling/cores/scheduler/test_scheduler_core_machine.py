"""Anything in any order: what the scheduler's core owes all the same."""

from __future__ import annotations

from dataclasses import dataclass, field
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

from moonjelly.core.stream import Stream
from moonjelly.scheduling.cores.scheduler.stimuli import (
    DeviceCame,
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
endpoints = st.sampled_from(["e0", "e1"])
devices = st.sampled_from(["d0", "d1"])
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

    def __init__(self) -> None:
        super().__init__()
        self.endpoints: dict[str, Endpoint] = {}
        self.devices: set[str] = set()
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

    @rule(device=devices)
    def device_comes(self, device: str) -> None:
        self.core.feed(DeviceCame(device))
        self.devices.add(device)

    @rule(device=devices)
    def device_dies(self, device: str) -> None:
        self.core.feed(DeviceLost(device))
        self.devices.discard(device)

    @rule(device=devices, ratio=st.sampled_from([0.5, 1.0, 3.0]), broken=st.sets(st.integers(0, 1)))
    def device_reports(self, device: str, ratio: float, broken: set[int]) -> None:
        self.core.feed(DeviceReported(device, Slowness(ratio), frozenset(broken)))

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

    @rule(endpoint=endpoints, is_urgent=st.booleans(), silent=st.sets(devices))
    def endpoint_reports(self, endpoint: str, is_urgent: bool, silent: set[str]) -> None:
        self._report(endpoint, is_urgent=is_urgent, silent=tuple(silent))

    @rule(duration_ms=st.sampled_from([0.0, 3.0, 20.0, 100.0, 400.0, 3000.0]))
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

    def teardown(self) -> None:
        """All calms down: everybody reports, and each stream is at one endpoint alone."""
        for _ in range(3):
            self.time_goes_on(3000.0)
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

    def _has_work(self) -> bool:
        return any(one.sessions for one in self.endpoints.values()) and bool(
            self.core.core._devices.num_ready
        )

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


def test_whatever_happens_joins_are_answered_and_plans_are_made(make_core) -> None:
    class Machine(SchedulerMachine):
        harness = make_core

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=150, stateful_step_count=50, deadline=None)
    )
