"""Clocks are set as asked, looked at, and put back: whatever comes, in any order."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from moonjelly.energy.governor_core import (
    ENDING_MS,
    LOOK_MS,
    SETTLE_MS,
    GovernorCore,
    LookAtClock,
    PutBack,
    SetClock,
    TellClock,
    WriteClaim,
)
from moonjelly.energy.port import ClockReading, Slowed

CLOCKS = (200, 500, 1000)
BEFORE = {
    "gpu0": {"gpu0/min": "200", "gpu0/max": "1000"},
    "gpu1": {"gpu1/min": "500", "gpu1/max": "500"},
    "cpu0": {"cpu/min": "200", "cpu/max": "500"},
    "cpu1": {"cpu/min": "200", "cpu/max": "500"},  # the same clock
}
TICK_MS = 100.0


@dataclass
class Machine:
    """Does what the core says, one instruction at a time; has a disk, which outlives a power cut of ours."""

    disk: dict = field(default_factory=dict)
    files: dict = field(
        default_factory=lambda: {k: v for one in BEFORE.values() for k, v in one.items()}
    )
    faults: set = field(default_factory=set)
    told: list = field(default_factory=list)
    ever_set: int = 0
    now_ms: float = 0.0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A governor starts, with what the one before it left on the disk."""
        self.core = GovernorCore(self.disk)
        self.waiting: deque = deque()

    def settings(self, device_id):
        return {name: self.files[name] for name in BEFORE[device_id]}

    def do(self, instructions) -> None:
        self.waiting.extend(instructions)

    def ask(self, device_id, mhz) -> None:
        self.do(self.core.asked(device_id, mhz, self.settings(device_id)))

    def step(self) -> None:
        """Does the next instruction and tells its outcome."""
        match self.waiting.popleft():
            case WriteClaim(claim) if "disk" in self.faults:
                self.do(self.core.claim_written(claim, "claim: No space left on device"))
            case WriteClaim(claim):
                self.disk = json.loads(json.dumps(claim))  # as a file has it
                self.do(self.core.claim_written(claim))
            case SetClock(device_id, mhz):
                assert mhz in CLOCKS
                assert self.disk[device_id] == BEFORE[device_id]  # written down, exactly
                problem = "only root may set it" if "set" in self.faults else ""
                names = list(BEFORE[device_id])
                for name in names[:1] if problem else names:  # a refusal may leave half of it
                    self.files[name] = str(mhz)
                self.ever_set += 1
                self.do(self.core.clock_set(device_id, self.now_ms, problem))
            case PutBack(device_id, before):
                assert before == BEFORE[device_id]
                problem = "No such file" if "put back" in self.faults else ""
                if not problem:
                    self.files.update(before)
                self.do(self.core.put_back(device_id, self.now_ms, problem))
            case LookAtClock(device_id):
                mhz = float(self.files[next(iter(BEFORE[device_id]))])
                reading = "No such file" if "look" in self.faults else ClockReading(mhz)
                self.do(self.core.clock_read(device_id, reading))
            case TellClock() as told:
                assert "\n" not in told.problem
                self.told.append(told)

    def pass_time(self, ms: float) -> None:
        """Does all that is due."""
        until_ms = self.now_ms + ms
        while True:
            while self.waiting:
                self.step()
            if self.now_ms >= until_ms:
                return
            self.now_ms += TICK_MS
            self.do(self.core.tick(self.now_ms))

    def is_as_before(self) -> bool:
        return all(self.settings(device_id) == BEFORE[device_id] for device_id in BEFORE)


DEVICES = st.sampled_from([*BEFORE])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), DEVICES),
        st.tuples(st.just("ask"), DEVICES, st.sampled_from([*CLOCKS, 333])),
        st.tuples(st.just("serve"), DEVICES, st.sampled_from(CLOCKS)),
        st.tuples(st.just("end"), DEVICES),
        st.tuples(st.just("step"), st.integers(1, 4)),
        st.tuples(st.just("time"), st.integers(1, 1200)),
        st.tuples(
            st.just("fault"),
            st.sets(st.sampled_from(["disk", "set", "put back", "look"]), max_size=2),
        ),
        st.tuples(st.just("killed"), st.booleans()),
    ),
    min_size=10,
    max_size=50,
)


@settings(deadline=None, max_examples=200)
@given(ACTIONS, st.booleans())
def test_after_all_executors_have_ended_every_clock_is_as_it_was_before(actions, has_server_ended):
    machine = Machine()
    for device_id in BEFORE:
        machine.core.joined(device_id, CLOCKS)
    for action in actions:
        match action:
            case "join", device_id:
                machine.core.joined(device_id, CLOCKS)
            case "ask", device_id, mhz:
                machine.ask(device_id, mhz)
            case "serve", device_id, mhz:
                machine.core.joined(device_id, CLOCKS)
                machine.ask(device_id, mhz)
                machine.pass_time(TICK_MS)
            case "end", device_id:
                machine.do(machine.core.ended(device_id))
            case "step", times:
                for _ in range(min(times, len(machine.waiting))):
                    machine.step()
            case "time", ms:
                machine.pass_time(ms)
            case "fault", names:
                machine.faults = {*names}
            case "killed", has_ended_before:
                if has_ended_before:
                    machine.do(machine.core.server_ended(machine.now_ms))
                    machine.pass_time(TICK_MS)
                machine.start()
                for device_id in BEFORE:
                    machine.core.joined(device_id, CLOCKS)
    machine.faults.clear()
    if has_server_ended:
        machine.do(machine.core.server_ended(machine.now_ms))
    for device_id in [] if has_server_ended else BEFORE:
        machine.do(machine.core.ended(device_id))
    machine.pass_time(ENDING_MS)
    assert machine.is_as_before()
    assert machine.disk == {}
    assert machine.core.is_over(machine.now_ms) == has_server_ended
    event(f"sets: {min(machine.ever_set, 3)}")


@pytest.fixture
def machine():
    machine = Machine()
    machine.core.joined("gpu0", CLOCKS)
    return machine


def test_a_clock_that_is_reached_is_told_once(machine):
    machine.ask("gpu0", 500)
    machine.pass_time(5000)
    assert machine.files["gpu0/max"] == "500"
    assert machine.told == [TellClock("gpu0", 500.0, "")]


def test_the_clock_is_written_down_before_it_is_set(machine):
    machine.ask("gpu0", 500)
    assert [*machine.waiting] == [WriteClaim({"gpu0": BEFORE["gpu0"]})]
    machine.step()
    assert [*machine.waiting] == [SetClock("gpu0", 500)]


def test_what_is_set_already_is_not_set_again_and_what_is_new_is(machine):
    for mhz in (500, 500, 1000, 1000):
        machine.ask("gpu0", mhz)
        machine.pass_time(200)
    assert (machine.ever_set, machine.files["gpu0/min"]) == (2, "1000")
    assert machine.disk == {"gpu0": BEFORE["gpu0"]}


@pytest.mark.parametrize(
    ("reading", "problem"),
    [
        (ClockReading(345, Slowed.THERMAL), "asked for 500 MHz, runs at 345: thermal"),
        (ClockReading(345, Slowed.POWER_CAP), "asked for 500 MHz, runs at 345: power cap"),
        (ClockReading(345), "asked for 500 MHz, runs at 345: unknown"),
        (ClockReading(1980, Slowed.IDLE), "asked for 500 MHz, runs at 1980: idle"),
        ("cur_freq: cannot be read", "cur_freq: cannot be read"),
    ],
)
def test_a_clock_that_is_not_obeyed_is_told_once_with_its_reason_and_again_when_it_is(
    machine, reading, problem
):
    machine.ask("gpu0", 500)
    machine.pass_time(SETTLE_MS + TICK_MS)
    told = machine.core.clock_read("gpu0", reading)
    assert [one.problem for one in told] == [problem]
    assert machine.core.clock_read("gpu0", reading) == []
    assert machine.core.clock_read("gpu0", ClockReading(495)) == [TellClock("gpu0", 495, "")]


def test_a_clock_may_take_a_moment_to_follow_and_is_told_as_soon_as_it_has(machine):
    machine.ask("gpu0", 500)
    while not machine.ever_set:
        machine.step()
    assert machine.waiting.popleft() == LookAtClock("gpu0")  # at once
    assert machine.core.clock_read("gpu0", ClockReading(1000, Slowed.THERMAL)) == []
    assert machine.core.tick(machine.now_ms + TICK_MS) == [LookAtClock("gpu0")]
    assert machine.core.clock_read("gpu0", ClockReading(502)) == [TellClock("gpu0", 502, "")]
    assert machine.core.tick(machine.now_ms + SETTLE_MS) == [LookAtClock("gpu0")]
    assert machine.core.tick(machine.now_ms + SETTLE_MS + LOOK_MS - TICK_MS) == []
    assert machine.core.tick(machine.now_ms + SETTLE_MS + LOOK_MS) == [LookAtClock("gpu0")]


def test_a_device_that_is_idle_may_run_slower_than_asked(machine):
    machine.ask("gpu0", 500)
    machine.pass_time(0)
    assert machine.core.clock_read("gpu0", ClockReading(345, Slowed.IDLE)) == []


def test_nothing_is_looked_at_that_nobody_has_set(machine):
    machine.pass_time(5000)
    assert machine.told == []
    assert machine.core.clock_read("gpu0", ClockReading(345)) == []


def test_a_clock_outside_the_list_is_told_once_and_not_set(machine):
    for _ in range(3):
        machine.ask("gpu0", 900)
    machine.pass_time(1000)
    said = "clock_mhz=900: must be one that can be set: 200, 500, 1000"
    assert machine.told == [TellClock("gpu0", None, said)]
    assert (machine.ever_set, machine.disk) == (0, {})


def test_a_device_whose_clock_cannot_be_set_is_told_so(machine):
    machine.core.joined("gpu1", ())
    machine.ask("gpu1", 500)
    machine.pass_time(0)
    assert machine.told[0].problem == "clock_mhz=500: must be one that can be set: none"


def test_without_rights_it_is_told_once_and_the_device_serves_on(machine):
    machine.faults.add("set")
    for _ in range(3):
        machine.ask("gpu0", 500)
        machine.pass_time(1000)
    assert machine.told == [TellClock("gpu0", None, "only root may set it")]
    assert machine.ever_set == 1


def test_without_a_claim_nothing_is_set(machine):
    machine.faults.add("disk")
    machine.ask("gpu0", 500)
    machine.pass_time(1000)
    assert machine.told == [TellClock("gpu0", None, "claim: No space left on device")]
    assert machine.ever_set == 0
    machine.faults.clear()
    machine.pass_time(1000)
    assert machine.files["gpu0/max"] == "500"
    assert machine.told[1:] == [TellClock("gpu0", 500.0, "")]


def test_a_second_wish_does_not_overtake_a_claim_that_fails(machine):
    machine.ask("gpu0", 500)
    machine.ask("gpu0", 1000)
    machine.faults.add("disk")
    while machine.waiting:
        machine.step()
    assert machine.ever_set == 0


def test_what_was_written_down_for_an_earlier_executor_does_not_count_for_the_next(machine):
    machine.ask("gpu0", 500)
    machine.pass_time(0)
    machine.do(machine.core.ended("gpu0"))
    machine.step()  # puts back, and will strike it from the disk
    machine.core.joined("gpu0", CLOCKS)
    machine.ask("gpu0", 500)
    machine.ask("gpu0", 1000)
    machine.step()
    machine.faults.add("disk")
    while machine.waiting:
        machine.step()
    assert machine.disk == {}
    assert machine.is_as_before()


def test_an_executor_that_comes_again_has_the_same_clock_set_again(machine):
    for _ in range(2):
        machine.core.joined("gpu0", CLOCKS)
        machine.ask("gpu0", 500)
        machine.pass_time(0)
        assert machine.files["gpu0/max"] == "500"
        machine.do(machine.core.ended("gpu0"))
        machine.pass_time(0)
        assert machine.is_as_before()


def test_two_devices_with_one_clock_do_not_both_set_it():
    machine = Machine()
    for device_id in ("cpu0", "cpu1"):
        machine.core.joined(device_id, CLOCKS)
        machine.ask(device_id, 500)
        machine.pass_time(0)
    reached, refused = machine.told
    assert reached == TellClock("cpu0", 500, "")
    assert refused == TellClock("cpu1", None, "cpu0 has the same clock")
    assert [*machine.disk] == ["cpu0"]


def test_the_next_start_puts_back_what_a_killed_one_had_set(machine):
    machine.ask("gpu0", 500)
    machine.pass_time(100)
    machine.start()
    assert not machine.is_as_before()
    machine.pass_time(100)
    assert machine.is_as_before()
    assert machine.disk == {}


def test_an_executor_that_comes_again_while_its_clock_cannot_be_put_back_waits_for_that(machine):
    machine.ask("gpu0", 500)
    machine.pass_time(0)
    machine.faults.add("put back")
    machine.do(machine.core.ended("gpu0"))
    machine.pass_time(0)
    machine.core.joined("gpu0", CLOCKS)
    machine.ask("gpu0", 1000)
    machine.pass_time(1000)
    assert machine.told[-1].problem == "cannot be put back: No such file"
    assert machine.files["gpu0/max"] == "500"
    machine.faults.clear()
    machine.pass_time(1000)
    assert machine.files["gpu0/max"] == "1000"
    assert machine.disk == {"gpu0": BEFORE["gpu0"]}


def test_a_server_that_cannot_put_back_leaves_in_time_and_leaves_the_claim(machine):
    machine.ask("gpu0", 500)
    machine.pass_time(0)
    machine.faults.add("put back")
    machine.do(machine.core.server_ended(machine.now_ms))
    machine.pass_time(ENDING_MS - TICK_MS)
    assert not machine.core.is_over(machine.now_ms)
    machine.pass_time(TICK_MS)
    assert machine.core.is_over(machine.now_ms)
    assert machine.disk == {"gpu0": BEFORE["gpu0"]}


def test_who_asks_without_an_executor_or_after_the_end_is_not_heard():
    machine = Machine()
    machine.ask("gpu0", 500)
    machine.core.joined("gpu0", CLOCKS)
    machine.do(machine.core.server_ended(0))
    machine.core.joined("gpu0", CLOCKS)
    machine.ask("gpu0", 500)
    machine.pass_time(1000)
    assert (machine.ever_set, machine.told) == (0, [])
