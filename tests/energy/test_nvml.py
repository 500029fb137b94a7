"""A card through NVML, which here is a fake with the names and units of the real one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from moonjelly.core.errors import RunError
from moonjelly.energy.nvml import NvmlCard
from moonjelly.energy.port import Quality, Slowed


class FakeNvml:
    """The functions that are used of `pynvml`; a card whose values a test sets."""

    class NVMLError(Exception):
        """As the library raises."""

    def __init__(self) -> None:
        self.energy_mj = 1000
        self.power_mw = 70_000
        self.field_error = 0
        self.clock_mhz = 345
        self.locked: tuple[int, int] | None = None
        self.reasons = 0
        self.denied: set[str] = set()
        self.is_obedient = True

    def __getattribute__(self, name: str):
        if name.startswith("nvml") and name in object.__getattribute__(self, "denied"):
            raise FakeNvml.NVMLError("Insufficient Permissions")
        return object.__getattribute__(self, name)

    def nvmlInit(self) -> None:  # noqa: N802 - its names
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid != "GPU-11":
            raise FakeNvml.NVMLError("Not Found")
        return "handle"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        assert handle == "handle"
        return self.energy_mj

    def nvmlDeviceGetFieldValues(self, handle: str, fields: list[int]):  # noqa: N802
        assert (handle, fields) == ("handle", [186])
        value = SimpleNamespace(uiVal=self.power_mw)
        return [SimpleNamespace(nvmlReturn=self.field_error, value=value)]

    def nvmlDeviceGetSupportedMemoryClocks(self, handle: str) -> list[int]:  # noqa: N802
        return [2619, 1593]

    def nvmlDeviceGetSupportedGraphicsClocks(self, handle: str, memory: int) -> list[int]:  # noqa: N802
        return [1980, 1965, 345] if memory == 2619 else [345]

    def nvmlDeviceSetGpuLockedClocks(self, handle: str, least: int, most: int) -> None:  # noqa: N802
        self.locked = least, most
        if self.is_obedient:
            self.clock_mhz = most

    def nvmlDeviceResetGpuLockedClocks(self, handle: str) -> None:  # noqa: N802
        self.locked = None

    def nvmlDeviceGetClockInfo(self, handle: str, kind: int) -> int:  # noqa: N802
        assert kind == 0
        return self.clock_mhz

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: str) -> int:  # noqa: N802
        return self.reasons


@pytest.fixture
def nvml():
    return FakeNvml()


@pytest.fixture
def card(nvml):
    return NvmlCard(nvml, "GPU-11")


def run(nvml, meter, seconds, power_w):
    """Reads ten times a second while the card draws so much."""
    words = []
    for tick in range(round(10 * seconds)):
        words.append(meter.read(100 * tick))
        nvml.energy_mj += round(100 * power_w)
    return words


def test_the_counter_is_the_truth_once_power_agrees(nvml, card):
    words = run(nvml, card.meter(), 6, 70)
    assert words[49].quality is Quality.UNAVAILABLE
    assert words[50].quality is Quality.MEASURED
    assert words[-1].total_mj == 70 * 5900


def test_a_counter_that_power_contradicts_is_not_called_measured(nvml, card):
    assert "neither is believed" in run(nvml, card.meter(), 6, 40)[-1].problem


def test_a_card_without_instant_power_is_not_called_measured(nvml, card):
    nvml.field_error = 3
    problem = "GPU-11: has no instant power: error 3"
    assert {word.problem for word in run(nvml, card.meter(), 6, 70)} == {problem}


def test_a_counter_that_may_not_be_read_is_told(nvml, card):
    nvml.denied.add("nvmlDeviceGetTotalEnergyConsumption")
    energy = card.meter().read(0)
    assert energy.quality is Quality.UNAVAILABLE
    assert energy.problem == (
        "GPU-11: nvmlDeviceGetTotalEnergyConsumption: Insufficient Permissions"
    )


def test_a_card_that_is_not_there_is_told(nvml):
    with pytest.raises(RunError, match="GPU-22: nvmlDeviceGetHandleByUUID: Not Found"):
        NvmlCard(nvml, "GPU-22")


def test_a_library_that_does_not_start_is_told(nvml):
    nvml.denied.add("nvmlInit")
    with pytest.raises(RunError, match="GPU-11: nvmlInit: Insufficient Permissions"):
        NvmlCard(nvml, "GPU-11")


def test_a_clock_is_locked_and_unlocked(nvml, card):
    assert card.available_mhz() == (345, 1965, 1980)
    claimed = card.settings()
    card.set_mhz(1965)
    assert nvml.locked == (1965, 1965)
    assert card.reached().mhz == 1965
    card.restore(claimed)
    assert nvml.locked is None


def test_a_clock_that_the_card_does_not_list_is_refused(nvml, card):
    with pytest.raises(ValueError, match="clock_mhz=1000: must be one that can be set: 345, 1965"):
        card.set_mhz(1000)
    assert nvml.locked is None


def test_a_card_that_lists_no_clocks_has_none_and_refuses_each_by_name(nvml, card):
    nvml.nvmlDeviceGetSupportedMemoryClocks = lambda _: []  # as `pynvml` says it of such cards
    assert card.available_mhz() == ()
    with pytest.raises(ValueError, match="clock_mhz=345: must be one that can be set: none"):
        card.set_mhz(345)


def test_a_library_that_lacks_a_function_is_told_as_one_that_fails(nvml, card, monkeypatch):
    monkeypatch.delattr(FakeNvml, "nvmlDeviceGetCurrentClocksEventReasons")
    with pytest.raises(RunError, match="GPU-11: nvmlDeviceGetCurrentClocksEventReasons: "):
        card.reached()


def test_without_rights_no_clock_is_set(nvml, card):
    nvml.denied.add("nvmlDeviceSetGpuLockedClocks")
    with pytest.raises(RunError, match="nvmlDeviceSetGpuLockedClocks: Insufficient Permissions"):
        card.set_mhz(345)


@pytest.mark.parametrize(
    ("reasons", "slowed"),
    [
        (0x00, Slowed.UNKNOWN),
        (0x01, Slowed.IDLE),
        (0x02, Slowed.UNKNOWN),
        (0x04, Slowed.POWER_CAP),
        (0x80, Slowed.POWER_CAP),
        (0x20, Slowed.THERMAL),
        (0x08 | 0x40, Slowed.THERMAL),
        (0x04 | 0x20, Slowed.THERMAL),
    ],
)
def test_the_card_says_what_holds_its_clock_down(nvml, card, reasons, slowed):
    nvml.reasons = reasons
    assert card.reached().slowed is slowed


def test_a_yes_that_nothing_follows_shows_in_the_clock_that_is_read(nvml, card):
    nvml.is_obedient = False
    card.set_mhz(1980)
    assert card.reached().mhz == 345
