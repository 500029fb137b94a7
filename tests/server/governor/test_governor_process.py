"""The governor as its executors hear it: what meters say, and what became of the clocks that they asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from moonjelly.core.clock import MonotonicClock
from moonjelly.core.errors import RunError
from moonjelly.devices.config import DeviceConfig
from moonjelly.energy.meters import CountedMeter
from moonjelly.energy.port import ClockReading, MeterFacts, Slowed
from moonjelly.protos.internal_pb2 import Attach, ClockAsked, Drain, Envelope
from moonjelly.server.governor import performing, process
from moonjelly.server.governor.claim_file import ClaimFile
from moonjelly.server.governor.finding import DevicePower
from moonjelly.server.wire.channel import Channel, socket_pair

MOST_STEPS = 200


class Clocks:
    """What sets clocks on a toy device, which may refuse, or say yes and do nothing."""

    def __init__(self) -> None:
        self.mhz, self.refusal, self.is_obedient = 1000, "", True
        self.gone: set[str] = set()  # what can no longer be read

    def _read(self, what: str) -> None:
        if what in self.gone:
            raise RunError(f"/sys/toy_{what}: cannot be read: No such file or directory")

    def available_mhz(self) -> tuple[int, ...]:
        self._read("list")
        return (500, 1000)

    def settings(self) -> dict[str, str]:
        self._read("min")
        return {"/sys/toy_min": "1000", "/sys/toy_max": "1000"}

    def set_mhz(self, mhz: int) -> None:
        if self.refusal:
            raise RunError(self.refusal)
        if self.is_obedient:
            self.mhz = mhz

    def reached(self) -> ClockReading:
        self._read("cur")
        return ClockReading(self.mhz, Slowed.THERMAL)


class Bench:
    """A governor, stepped by its test, and its only executor."""

    def __init__(self, folder, monkeypatch, *, has_clocks: bool = True) -> None:
        self.clocks, self.counter_mj, self.is_broken = Clocks(), 100.0, False
        meter = CountedMeter(MeterFacts("toy", "package", 1.0), self.read_mj)
        power = DevicePower(meter, self.clocks if has_clocks else None)
        power.clocks_problem = "/sys/toy_min: only root may set it"
        monkeypatch.setattr(process, "find_powers", lambda devices, now_ms: [power])
        monkeypatch.setattr(performing, "put_back", self.put_back)
        ours, theirs = socket_pair()
        self.control = Channel(ours)
        self.claim = ClaimFile(folder / "clocks.json")
        self.governor = process.GovernorProcess(
            Channel(theirs), [DeviceConfig("cpu0", "c", cores=(0,))], self.claim, MonotonicClock()
        )
        self.executor = self.attach()

    def read_mj(self) -> float:
        if self.is_broken:
            raise RunError("toy: cannot be read")
        self.counter_mj += 1
        return self.counter_mj

    def put_back(self, settings) -> None:
        self.clocks._read("max")
        self.clocks.mhz = int(settings["/sys/toy_max"])

    def attach(self) -> Channel:
        ours, theirs = socket_pair()
        with theirs:
            attach = Attach(what=Attach.SOCKET, peer="executor-0")
            self.control.send(Envelope(attach=attach), [theirs.fileno()])
        return Channel(ours)

    def ask(self, mhz: float) -> None:
        self.executor.send(Envelope(clock_asked=ClockAsked(mhz=mhz)))

    def hear(self, kind: str):
        """Steps until the executor hears something of a kind."""
        for _ in range(MOST_STEPS):
            while (packet := self.executor.receive()) is not None:
                if packet[0].HasField(kind):
                    return getattr(packet[0], kind)
            assert self.governor.step()
        pytest.fail(f"no {kind} came")

    def close(self) -> None:
        self.control.send(Envelope(drain=Drain()))
        while self.governor.step():
            pass
        for one in (self.control, self.executor, self.claim):
            one.close()
        self.governor._control.close()
        for one in self.governor._devices.values():
            if one.executor is not None:
                one.executor.close()


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Iterator[Bench]:
    with closing(Bench(tmp_path, monkeypatch)) as made:
        yield made
    assert made.clocks.mhz == 1000
    assert not (tmp_path / "clocks.json").exists()


def test_what_the_meter_says_is_told_several_times_a_second(bench):
    first, second = bench.hear("energy_read"), bench.hear("energy_read")
    assert (second.quality, second.meter, second.scope) == ("measured", "toy", "package")
    assert second.total_mj > first.total_mj
    assert second.at_ms - first.at_ms >= 100
    bench.is_broken = True
    while not (broken := bench.hear("energy_read")).problem:
        pass
    assert (broken.quality, broken.problem) == ("unavailable", "toy: cannot be read")


def test_a_clock_that_was_asked_for_is_told_when_it_is_reached(bench):
    bench.ask(500.4)  # a profile's clocks are no whole numbers
    reached = bench.hear("clock_reached")
    assert (reached.mhz, reached.problem, bench.clocks.mhz) == (500, "", 500)


def test_each_clock_that_is_reached_is_told(bench):
    for mhz in (500, 1000, 500):
        bench.ask(mhz)
        assert bench.hear("clock_reached").mhz == mhz


def test_a_clock_that_is_not_obeyed_is_told_with_its_reason(bench):
    bench.clocks.is_obedient = False
    bench.ask(500)
    reached = bench.hear("clock_reached")
    assert (reached.mhz, reached.problem) == (1000, "asked for 500 MHz, runs at 1000: thermal")


@pytest.mark.parametrize(
    ("mhz", "refusal", "problem"),
    [
        (500, "/sys/toy_min: does not take '500': only root may set it", "only root may set it"),
        (999, "", "clock_mhz=999: must be one that can be set: 500, 1000"),
    ],
)
def test_a_clock_that_cannot_be_set_is_one_line(bench, caplog, mhz, refusal, problem):
    bench.clocks.refusal = refusal
    bench.ask(mhz)
    assert problem in bench.hear("clock_reached").problem
    bench.hear("energy_read")
    said = [one.getMessage() for one in caplog.records]
    assert len(said) == 1
    assert said[0].startswith("cpu0: ")


def test_another_governor_s_claim_is_waited_for_and_then_what_was_asked_is_set(
    tmp_path, monkeypatch
):
    with closing(ClaimFile(tmp_path / "clocks.json")) as other:
        assert other.take() == {}
        made = Bench(tmp_path, monkeypatch)
        made.ask(500)
        made.hear("energy_read")
        made.hear("energy_read")
        assert made.clocks.mhz == 1000
    with closing(made):
        assert made.hear("clock_reached").mhz == 500


def test_an_executor_that_ends_has_its_clock_put_back(bench):
    bench.ask(500)
    bench.hear("clock_reached")
    bench.executor.close()
    for _ in range(5):
        bench.governor.step()
    assert bench.clocks.mhz == 1000
    bench.executor = bench.attach()
    bench.hear("energy_read")


def test_a_file_of_the_clock_that_disappears_is_told_once_and_the_meter_goes_on(bench, caplog):
    bench.clocks.gone.add("min")
    for mhz in (500, 1000, 500):
        bench.ask(mhz)
    assert "toy_min: cannot be read" in bench.hear("clock_reached").problem
    assert bench.hear("energy_read").quality == "measured"
    bench.hear("energy_read")
    assert [one.getMessage() for one in caplog.records] == [
        "cpu0: /sys/toy_min: cannot be read: No such file or directory"
    ]
    bench.clocks.gone.clear()
    bench.ask(500)
    assert bench.hear("clock_reached").mhz == 500


def test_a_clock_that_can_no_longer_be_read_is_told_and_so_is_that_it_can_again(bench):
    bench.clocks.gone.add("cur")
    bench.ask(500)
    assert "toy_cur: cannot be read" in bench.hear("clock_reached").problem
    bench.clocks.gone.clear()
    assert bench.hear("clock_reached").mhz == 500


def test_a_list_of_clocks_that_cannot_be_read_is_a_list_of_none(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Clocks, "available_mhz", lambda self: self._read("list"))
    monkeypatch.setattr(Clocks, "_read", _gone)
    with closing(Bench(tmp_path, monkeypatch)) as made:
        made.ask(500)
        problem = made.hear("clock_reached").problem
    assert problem == "clock_mhz=500: must be one that can be set: none"
    assert "cpu0: /sys/toy_list: cannot be read" in caplog.text


def _gone(self, what):
    if what == "list":
        raise RunError(f"/sys/toy_{what}: cannot be read")


def test_a_device_without_clocks_is_told_why_and_its_meter_is_read(tmp_path, monkeypatch):
    with closing(Bench(tmp_path, monkeypatch, has_clocks=False)) as made:
        made.ask(500)
        assert made.hear("clock_reached").problem == "/sys/toy_min: only root may set it"
        assert made.hear("energy_read").quality == "measured"
        assert made.clocks.mhz == 1000


def test_a_claim_that_is_broken_sets_no_clock_is_told_once_and_the_meter_is_read(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "clocks.json").write_text("{")
    with closing(Bench(tmp_path, monkeypatch)) as made:
        made.ask(500)
        assert "clocks are not set until it is removed" in made.hear("clock_reached").problem
        for _ in range(3):
            assert made.hear("energy_read").total_mj
        assert made.clocks.mhz == 1000
        assert len(caplog.records) == 1
        (tmp_path / "clocks.json").unlink()
        assert made.hear("clock_reached").mhz == 500


def test_a_claim_that_cannot_be_written_sets_no_clock_until_it_can(bench, monkeypatch):
    write, full = bench.claim.write, RunError("clocks.json: No space left on device")

    def fail(claim):
        raise full

    monkeypatch.setattr(bench.claim, "write", fail)
    bench.ask(500)
    assert bench.hear("clock_reached").problem == str(full)
    assert bench.clocks.mhz == 1000
    monkeypatch.setattr(bench.claim, "write", write)
    assert bench.hear("clock_reached").mhz == 500


def test_a_clock_that_cannot_be_put_back_leaves_the_claim_and_the_next_start_does_it(
    tmp_path, monkeypatch, caplog
):
    with closing(Bench(tmp_path, monkeypatch)) as made:
        made.ask(500)
        made.hear("clock_reached")
        made.clocks.gone.add("max")
    assert (tmp_path / "clocks.json").exists()
    assert "cpu0: cannot be put back: /sys/toy_max: cannot be read" in caplog.text
    with closing(Bench(tmp_path, monkeypatch)) as made:
        made.clocks.mhz = 500
        made.hear("energy_read")
        made.hear("energy_read")
        assert made.clocks.mhz == 1000
    assert not (tmp_path / "clocks.json").exists()
    assert "clocks of cpu0 were not put back; that comes first" in caplog.text


def test_a_server_that_is_gone_before_its_governor_is_ready_has_its_clocks_put_back(
    tmp_path, monkeypatch
):
    restored = []
    monkeypatch.setattr(performing, "put_back", restored.append)
    ours, theirs = socket_pair()
    with closing(ClaimFile(tmp_path / "clocks.json")) as claim:
        claim.write({"cpu0": {"/sys/toy_max": "1000"}})
        ours.close()
        control = Channel(theirs)
        governor = process.GovernorProcess(control, [], claim, MonotonicClock())
        while governor.step():
            pass
        control.close()
    assert restored == [{"/sys/toy_max": "1000"}]
    assert not (tmp_path / "clocks.json").exists()
