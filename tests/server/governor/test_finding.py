"""What a machine has to read energy from and to set clocks with; looked for on a tree like the kernel's."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from types import SimpleNamespace

import pytest

from moonjelly.core.errors import RunError
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.energy.cpufreq import cpufreq_clocks
from moonjelly.energy.port import MeterFacts
from moonjelly.energy.rapl import rapl_meter
from moonjelly.energy.restoring import put_back
from moonjelly.server.governor import finding
from moonjelly.server.governor.claim_file import ClaimFile
from moonjelly.zoos.gpus import Card

CPU = DeviceConfig("cpu0", "cpu-1core", cores=(1,))
CPUFREQ = "devices/system/cpu/cpu1/cpufreq"
ZONE = "class/powercap/intel-rapl:1"
KERNEL = {
    "devices/system/cpu/cpu1/topology/physical_package_id": 1,
    f"{ZONE}/name": "package-1",
    f"{ZONE}/energy_uj": 5_000_000,
    f"{ZONE}/max_energy_range_uj": 262_143_328_850,
    f"{CPUFREQ}/scaling_available_frequencies": "2000000 1500000 600000",
    f"{CPUFREQ}/scaling_min_freq": 600_000,
    f"{CPUFREQ}/scaling_max_freq": 2_000_000,
    f"{CPUFREQ}/scaling_cur_freq": 1_500_000,
}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes it; every adapter looks there."""

    def make(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{text}\n")
        monkeypatch.setattr(finding, "SYS", tmp_path)
        monkeypatch.setattr(
            finding, "cpufreq_clocks", lambda cores: cpufreq_clocks(cores, tmp_path)
        )
        monkeypatch.setattr(finding, "rapl_meter", lambda package, _: rapl_meter(package, tmp_path))
        return tmp_path

    return make


def test_a_processor_has_the_meter_of_its_package_and_the_clocks_of_its_cores(machine):
    root = machine(KERNEL)
    found = finding.find_power(CPU, 0)
    assert found.meter is not None
    assert found.meter.facts == MeterFacts("rapl-1", "package", 1.0)
    (root / ZONE / "energy_uj").write_text("6000000")
    assert found.meter.read(1000).total_mj == 1000  # counted from when it was found
    assert found.clocks is not None
    assert found.clocks.available_mhz() == (600, 1500, 2000)


def test_a_machine_without_any_of_it_has_neither(machine):
    machine({})
    found = finding.find_power(CPU, 0)
    assert (found.meter, found.meter_problem) == (None, "there is no meter")
    assert (found.clocks, found.clocks_problem) == (None, "there is nothing to set clocks with")


def test_replayed_devices_are_no_matter_of_the_machine(machine):
    machine(KERNEL)
    found = finding.find_power(DeviceConfig("replayed0", "gpu", DeviceKind.REPLAYED), 0)
    assert (found.meter, found.clocks) == (None, None)


def test_two_devices_of_one_package_have_one_meter_between_them(machine):
    other = {name.replace("cpu1", "cpu0"): text for name, text in KERNEL.items()}
    machine(KERNEL | other)
    first, second = finding.find_powers([CPU, DeviceConfig("cpu1", "c", cores=(0,))], 0)
    assert first.meter is not None
    assert (second.meter, second.meter_problem) == (None, "cpu0 has the same meter")
    assert second.clocks is not None


def test_cores_of_two_packages_have_no_meter(machine):
    other = {"devices/system/cpu/cpu0/topology/physical_package_id": 0}
    machine(KERNEL | other)
    assert finding.find_power(DeviceConfig("cpu0", "c", cores=(0, 1)), 0).meter is None


def test_a_counter_that_cannot_be_read_is_no_meter_and_says_why(machine):
    root = machine({name: text for name, text in KERNEL.items() if "energy_uj" not in name})
    found = finding.find_power(CPU, 0)
    assert found.meter is None
    assert (
        found.meter_problem
        == f"{root / ZONE / 'energy_uj'}: cannot be read: No such file or directory"
    )


def test_clocks_that_only_root_may_set_are_none(machine, monkeypatch):
    root = machine(KERNEL)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    found = finding.find_power(CPU, 0)
    assert found.clocks is None
    assert found.clocks_problem == f"{root / CPUFREQ / 'scaling_min_freq'}: only root may set it"


def test_a_claim_is_enough_to_put_clocks_back(machine):
    root = machine(KERNEL)
    clocks = finding.find_power(CPU, 0).clocks
    before = dict(clocks.settings())
    clocks.set_mhz(600)
    put_back(before)
    assert clocks.settings() == before
    assert (root / CPUFREQ / "scaling_max_freq").read_text() == "2000000"


def test_a_claim_of_what_we_do_not_know_is_not_done_by_half():
    with pytest.raises(RunError, match="a claim of unknown settings: /etc/passwd"):
        put_back({"/etc/passwd": "root"})


def test_one_governor_at_a_time_has_the_claim_and_the_next_reads_what_it_left(tmp_path):
    first, second = (ClaimFile(tmp_path / "clocks.json") for _ in range(2))
    with closing(second):
        with closing(first):
            assert first.take() == {}
            assert second.take() is None
            first.write({"gpu0": {"/sys/a_min": "1"}})
        assert second.take() == {"gpu0": {"/sys/a_min": "1"}}
        second.write({})
    assert not (tmp_path / "clocks.json").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"gpu0": 3}', ""])
def test_a_claim_that_is_broken_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "clocks.json"
    path.write_text(text)
    rule = "clocks are not set until it is removed"
    with closing(ClaimFile(path)) as claim, pytest.raises(RunError, match=rule) as refused:
        claim.take()
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_a_home_no_clock_is_touched():
    with pytest.raises(RunError, match="there is no home"):
        ClaimFile(None).take()


class Nvml:
    """As much of `pynvml` as is asked for before anything runs, and to put a clock back."""

    class NVMLError(Exception):
        """As the library raises."""

    def __init__(self, power_error: int = 0) -> None:
        self.power_error = power_error

    def nvmlInit(self) -> None:  # noqa: N802 - its names
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        return uuid

    def nvmlDeviceResetGpuLockedClocks(self, handle: str) -> None:  # noqa: N802
        self.unlocked = handle

    def nvmlDeviceGetFieldValues(self, handle: str, fields: list[int]):  # noqa: N802
        value = SimpleNamespace(uiVal=70_000)
        return [SimpleNamespace(nvmlReturn=self.power_error, value=value)]


GPU = DeviceConfig("cuda0", "some-gpu", DeviceKind.CUDA, gpu=0)


@pytest.fixture
def card(machine, monkeypatch):
    """A machine with a card, and what stands for its library."""

    def make(library) -> None:
        machine({})
        monkeypatch.setattr(finding, "devfreq_clocks", lambda: None)
        monkeypatch.setattr(finding, "ina3221_meter", lambda: None)
        monkeypatch.setattr(finding, "cards", lambda: [Card("Some GPU", "GPU-1")])
        monkeypatch.setitem(sys.modules, "pynvml", library)

    return make


def test_a_card_has_its_own_meter_and_clocks(card):
    card(Nvml())
    found = finding.find_power(GPU, 0)
    assert found.meter is not None
    assert found.meter.facts.scope == finding.CARD_SCOPE
    assert found.clocks is not None
    assert dict(found.clocks.settings()) == {"nvml:GPU-1": "unlocked"}


def test_a_card_that_does_not_tell_its_power_has_no_meter_and_says_why(card):
    card(Nvml(power_error=3))
    found = finding.find_power(GPU, 0)
    assert (found.meter, found.clocks) == (None, None)
    assert found.meter_problem == "GPU-1: has no instant power: error 3"


def test_without_its_library_a_card_has_neither(card):
    card(None)  # what a module that cannot be imported is
    found = finding.find_power(GPU, 0)
    assert (found.meter_problem, found.clocks_problem) == ("needs nvidia-ml-py",) * 2


def test_the_claim_of_a_card_unlocks_its_clock_if_its_library_is_there(card):
    library = Nvml()
    card(library)
    put_back({"nvml:GPU-1": "unlocked"})
    assert library.unlocked == "GPU-1"
    card(None)
    with pytest.raises(RunError, match="needs nvidia-ml-py"):
        put_back({"nvml:GPU-1": "unlocked"})


@pytest.mark.parametrize(
    ("name", "text", "has_meter", "has_clocks"),
    [
        (f"{ZONE}/max_energy_range_uj", "much", False, True),
        ("devices/system/cpu/cpu1/topology/physical_package_id", "", False, True),
        (f"{CPUFREQ}/scaling_available_frequencies", "fast", True, False),
    ],
)
def test_a_file_that_holds_no_number_takes_away_what_it_is_of_alone(
    machine, name, text, has_meter, has_clocks
):
    root = machine(KERNEL | {name: text})
    found = finding.find_power(CPU, 0)
    assert (found.meter is not None, found.clocks is not None) == (has_meter, has_clocks)
    problem = found.clocks_problem if has_meter else found.meter_problem
    assert problem == f"{root / name}: holds {text!r}, not whole numbers"


@pytest.mark.parametrize("name", ["scaling_min_freq", "scaling_max_freq"])
def test_clocks_whose_settings_are_gone_are_none(machine, name):
    root = machine({one: text for one, text in KERNEL.items() if name not in one})
    found = finding.find_power(CPU, 0)
    assert found.clocks is None
    missing = "cannot be read: No such file or directory"
    assert found.clocks_problem == f"{root / CPUFREQ / name}: {missing}"
