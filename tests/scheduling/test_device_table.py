from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.device import Device
from moonjelly.scheduling.device_table import FORGET_MS, NEVER_MS, DeviceTable, SlowdownLevel

LATENCIES = ((11.0, 13.0), (40.0, 60.0))


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
    for ratio in (0.0, -1.0, float("nan"), float("inf")):
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


def test_a_variant_that_is_broken_is_never_quick_enough() -> None:
    devices = DeviceTable(
        [Device("d0", "gpu"), Device("d1", "gpu")], dict.fromkeys(("d0", "d1"), LATENCIES)
    )
    devices.add("d0")
    devices.add("d1")
    assert devices.observe("d1", 1.0, 0.0, {0})
    assert not devices.observe("d1", 1.0, 1.0, {0})  # no news
    (whole, broken), latencies = devices.problem_part()
    assert latencies[whole.device_type] == LATENCIES
    assert latencies[broken.device_type] == ((NEVER_MS, NEVER_MS), LATENCIES[1])
    assert devices.observe("d1", 1.0, 2.0)
    (one, other), _ = devices.problem_part()
    assert one.device_type == other.device_type == "gpu"


def test_a_device_that_can_run_nothing_is_not_ready() -> None:
    devices = DeviceTable([Device("d0", "gpu")], {"d0": LATENCIES})
    devices.add("d0")
    devices.observe("d0", 1.0, 0.0, {0, 1})
    assert devices.num_ready == 0
    assert devices.problem_part() == ((), {})
    devices.add("d0")  # its executor was restarted
    assert devices.num_ready == 1


def test_a_silent_device_is_left_out_until_it_comes_or_speaks() -> None:
    devices = table()
    devices.add("d0")
    assert devices.silence("d0")
    assert not devices.silence("d0")
    assert not devices.silence("d1")  # is not there
    assert devices.num_ready == 0
    assert devices.observe("d0", 1.0, 0.0)
    assert devices.num_ready == 1
    devices.silence("d0")
    devices.add("d0")
    assert devices.num_ready == 1


@given(
    levels=st.lists(st.sampled_from([1.0, 2.0, 4.0]), min_size=3, max_size=3),
    broken=st.lists(st.sets(st.integers(0, 1)), min_size=3, max_size=3),
    types=st.lists(st.sampled_from(["gpu", "x" * 64, "x" * 63 + "y"]), min_size=3, max_size=3),
)
def test_each_device_is_planned_with_its_own_latencies(levels, broken, types) -> None:
    profiles = {
        f"d{number}": tuple(
            tuple(ms * len(set(types[: number + 1])) for ms in row) for row in LATENCIES
        )
        for number in range(3)
    }
    profiles = {f"d{number}": profiles[f"d{types.index(types[number])}"] for number in range(3)}
    devices = DeviceTable(
        [Device(f"d{number}", kind) for number, kind in enumerate(types)], profiles
    )
    for number in range(3):
        devices.add(f"d{number}")
        for at in range(40):
            devices.observe(f"d{number}", levels[number], float(at), broken[number])
    there, latencies = devices.problem_part()
    assert len(there) == sum(len(some) < 2 for some in broken)
    for device in there:
        number = int(device.device_id[1])
        rows = latencies[device.device_type]
        for variant, row in enumerate(profiles[device.device_id]):
            if variant in broken[number]:
                assert rows[variant] == (NEVER_MS,) * len(row)
            else:
                assert 0.7 * levels[number] <= rows[variant][0] / row[0] <= 1.01 * levels[number]
