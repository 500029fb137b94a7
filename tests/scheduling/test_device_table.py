from __future__ import annotations

import random

from moonjelly.core.device import Device
from moonjelly.scheduling.device_table import FORGET_MS, DeviceTable, SlowdownLevel


def table() -> DeviceTable:
    latencies = ((11.0, 13.0),)
    return DeviceTable(
        [Device(one, "gpu") for one in ("d0", "d1")], {"d0": latencies, "d1": latencies}
    )


def test_only_devices_that_are_there_are_planned() -> None:
    devices = table()
    assert devices.problem_part() == ((), {})
    devices.add("d1")
    (device,), latencies = devices.problem_part()
    assert (device.device_id, device.device_type) == ("d1", "gpu")
    assert latencies == {"gpu": ((11.0, 13.0),)}
    devices.lose("d1")
    assert devices.num_ready == 0


def test_slow_devices_are_of_a_type_of_their_own() -> None:
    devices = table()
    devices.add("d0")
    devices.add("d1")
    assert not devices.observe("d1", 1.05, 0.0)
    assert sum(devices.observe("d1", 2.0, float(at)) for at in range(30)) > 0
    (fast, slow), latencies = devices.problem_part()
    assert fast.device_type == "gpu"
    assert slow.device_type != "gpu"
    assert latencies[slow.device_type][0][0] > 1.5 * latencies["gpu"][0][0]


def test_a_device_that_is_not_there_is_not_observed() -> None:
    assert not table().observe("d0", 5.0, 0.0)


def test_noise_does_not_flap() -> None:
    rng = random.Random(4)
    slowdown = SlowdownLevel()
    changes = [slowdown.observe(rng.uniform(0.9, 1.3), at * 500.0) for at in range(400)]
    assert sum(changes) <= 2


def test_slowness_is_followed_up_and_down() -> None:
    slowdown = SlowdownLevel()
    for at in range(30):
        slowdown.observe(3.0, float(at))
    assert 2.4 <= slowdown.ratio <= 3.1
    for at in range(60):
        slowdown.observe(1.0, float(at))
    assert slowdown.ratio == 1.0


def test_odd_ratios_are_ignored() -> None:
    slowdown = SlowdownLevel()
    for ratio in (0.0, -1.0, float("nan")):
        assert not slowdown.observe(ratio, 0.0)
    assert slowdown.ratio == 1.0


def test_a_device_that_nobody_uses_becomes_fast_again() -> None:
    slowdown = SlowdownLevel()
    for _ in range(30):
        slowdown.observe(3.0, 0.0)
    assert not slowdown.forget(FORGET_MS - 1)
    now_ms, level = FORGET_MS, slowdown.level
    while slowdown.level:
        assert slowdown.forget(now_ms)
        assert slowdown.level == level - 1
        level, now_ms = slowdown.level, now_ms + FORGET_MS
    assert slowdown.ratio == 1.0
