"""What a server says of its joules at its start, and whether it takes a governor."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.energy.meters import CheckedMeter, CountedMeter, IntegratedMeter
from moonjelly.energy.port import MeterFacts
from moonjelly.server.governor import energy_sources
from moonjelly.server.governor.finding import DevicePower

CPU = DeviceConfig("cpu0", "cpu-1core", cores=(0,))
GPU = DeviceConfig("cuda1", "a-gpu", DeviceKind.CUDA, gpu=0)
BOARD = DeviceConfig("replayed2", "board", DeviceKind.REPLAYED)
RAPL = CountedMeter(MeterFacts("rapl-0", "package", 1.0), lambda: 0.0)
NVML = CountedMeter(MeterFacts("nvml", "gpu", 100.0), lambda: 0.0)
CHECKED = CheckedMeter(NVML, IntegratedMeter(NVML.facts, lambda: 0.0))
CLOCKS = SimpleNamespace()

PLAIN = SimpleNamespace(has_energy=False, idle_w=(), clocks_mhz=())
POWERED = SimpleNamespace(has_energy=True, idle_w=(3.0,), clocks_mhz=(600.0, 900.0))
NO_IDLE = SimpleNamespace(has_energy=True, idle_w=(), clocks_mhz=())


@pytest.fixture
def find(tmp_path, monkeypatch):
    """Looks at devices with what each has, and its profile."""

    def look(*devices, claim: str = "") -> energy_sources.EnergySources:
        path = tmp_path / "clocks.json"
        if claim:
            path.write_text(claim)
        configs = [device for device, _, _ in devices]
        powers = [power for _, power, _ in devices]
        files = {device.device_id: file for device, _, file in devices}
        monkeypatch.setattr(energy_sources, "find_powers", lambda *_: powers)
        monkeypatch.setattr(energy_sources, "claim_path", lambda: Path(path))
        return energy_sources.find_energy(SimpleNamespace(files=files), configs)

    return look


@pytest.mark.parametrize(
    ("device", "text", "needs_governor"),
    [
        ((CPU, DevicePower(RAPL), PLAIN), "measured (rapl-0)", True),
        ((GPU, DevicePower(CHECKED, CLOCKS), PLAIN), "measured (nvml, once it is checked)", True),
        ((CPU, DevicePower(RAPL), POWERED), "measured (rapl-0)", True),
        ((CPU, DevicePower(None, CLOCKS), POWERED), "modelled", True),
        ((BOARD, DevicePower(), POWERED), "modelled", False),
        ((BOARD, DevicePower(), NO_IDLE), "unavailable", False),
        ((CPU, DevicePower(), PLAIN), "unavailable", False),
    ],
)
def test_a_meter_goes_before_a_table_and_nothing_is_guessed(find, device, text, needs_governor):
    assert find(device) == (text, needs_governor)


def test_devices_that_differ_are_named(find):
    cpu, board = (CPU, DevicePower(RAPL), PLAIN), (BOARD, DevicePower(), POWERED)
    assert find(cpu, board).text == "cpu0 measured (rapl-0), replayed2 modelled"


def test_a_claim_that_was_left_takes_a_governor_whatever_devices_there_are(find):
    board = (BOARD, DevicePower(), PLAIN)
    assert not find(board).needs_governor
    assert find(board, claim="{}").needs_governor


def test_clocks_of_a_profile_that_cannot_be_set_are_told_once_and_why(find, caplog):
    power = DevicePower(RAPL, None, "", "/sys/x: only root may set it")
    find((CPU, power, POWERED), (BOARD, DevicePower(), POWERED))
    assert [one.getMessage() for one in caplog.records] == [
        "cpu0: clocks cannot be set: /sys/x: only root may set it"
    ]
