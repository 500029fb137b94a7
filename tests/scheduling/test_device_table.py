from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.device import AnnouncedDevice, Device
from moonjelly.core.mode import NEVER_MS, Mode, ModeTable
from moonjelly.core.profile import BatchLatency, LatencyProfile
from moonjelly.core.variant import Variant
from moonjelly.scheduling.device_table import (
    FALL_RATIO,
    PAIR,
    RISE_RATIO,
    TREMOR,
    DeviceTable,
    planned_slowness,
)
from moonjelly.scheduling.slowness import AS_PROFILED, FAR_OFF_RATIO, Slowness

ROWS = ((11.0, 13.0), (40.0, 60.0))
TABLE = ModeTable(ROWS, ROWS)
FIRST = Mode(0, 1)


VARIANTS = tuple(Variant(name, 128, 0.2, 50.0) for name in ("small", "large"))


def announced(
    device_id: str,
    generation: int = 1,
    kind: str = "gpu",
    rows: Sequence[tuple[float, ...]] = TABLE.p99_rows_ms,
    **changes: Any,
) -> AnnouncedDevice:
    profile = {one.name: BatchLatency(row, row) for one, row in zip(VARIANTS, rows, strict=False)}
    device = Device(device_id, kind)
    return AnnouncedDevice(device, generation, LatencyProfile(kind, profile), **changes)


def table(*device_ids: str) -> DeviceTable:
    """With these devices, of two that are expected."""
    devices = DeviceTable(VARIANTS, 12, ["d0", "d1"])
    for device_id in device_ids:
        devices.announce(announced(device_id))
    return devices


def scale(ratio: float, _: float) -> float:
    """As slow in all modes."""
    return ratio


def test_only_devices_that_are_there_are_planned() -> None:
    devices = table()
    assert devices.problem_part() == ((), {})
    assert devices.announce(announced("d1"))
    (device,), tables = devices.problem_part()
    assert (device.device_id, device.device_type) == ("d1", "gpu")
    assert tables == {"gpu": TABLE}
    assert devices.lose("d1", 1)
    assert devices.num_ready == 0


def test_slow_devices_are_of_a_type_of_their_own() -> None:
    devices = table("d0", "d1")
    assert not devices.observe("d1", Slowness(1.05))
    assert devices.observe("d1", Slowness(2.0))
    (fast, slow), tables = devices.problem_part()
    assert fast.device_type == "gpu"
    assert slow.device_type != "gpu"
    assert tables[slow.device_type].p99_ms(FIRST) > 1.9 * tables["gpu"].p99_ms(FIRST)


def test_a_device_that_is_not_there_is_not_observed() -> None:
    assert not table().observe("d0", Slowness(5.0))


def planned(devices: DeviceTable) -> dict[str, float]:
    """How slow each usable device is planned to be."""
    there, tables = devices.problem_part()
    return {one.device_id: tables[one.device_type].p99_ms(FIRST) / 11.0 for one in there}


def test_tremors_change_nothing() -> None:
    rng = random.Random(4)
    devices = table("d0")
    assert not any(devices.observe("d0", Slowness(rng.uniform(0.93, 1.05))) for _ in range(400))


@given(st.lists(st.floats(0.3, 3.9), min_size=1, max_size=20))
def test_what_a_device_says_is_planned_at_once_up_and_down(ratios) -> None:
    devices = table("d0")
    for ratio in ratios:
        devices.observe("d0", Slowness(ratio))
        assert 1 / 1.07 <= planned(devices)["d0"] / max(0.5, ratio) <= FALL_RATIO


SPAN_MS = (11.0, 60.0)
SLOWNESS = st.builds(Slowness, st.floats(0.6, 3.9), st.floats(-1.0, 8.0), st.floats(0.6, 2.0))


@given(SLOWNESS, SLOWNESS, st.floats(0.98, 1.02))
def test_a_step_that_was_taken_is_not_left_for_a_tremor(before, said, tremor) -> None:
    planned = planned_slowness(before, said, SPAN_MS)
    moved = Slowness(tremor * said.ratio, tremor * said.extra_ms, said.spread_ratio)
    if planned is not before:
        assert planned_slowness(planned, moved, SPAN_MS) == planned


@given(SLOWNESS, SLOWNESS)
def test_every_mode_is_planned_near_what_it_is_said_to_take(before, said) -> None:
    planned = planned_slowness(before, said, SPAN_MS)
    for p50_ms in (*SPAN_MS, 30.0):
        middle = said.at(p50_ms) / planned.at(p50_ms)
        tail = middle * said.spread_ratio**PAIR / planned.spread_ratio
        trembling = max(1.0, said.spread_ratio) ** TREMOR
        assert 0.99 / (FALL_RATIO * trembling**2) <= min(middle, tail)
        assert max(middle, tail) <= 1.01 * RISE_RATIO * trembling


def test_odd_ratios_are_ignored() -> None:
    devices = table("d0")
    for ratio in (0.0, -1.0, float("nan"), float("inf")):
        assert not devices.observe("d0", Slowness(ratio))
        assert not devices.observe("d0", Slowness(1.0, spread_ratio=ratio))
    assert not devices.observe("d0", Slowness(1.0, float("inf")))
    assert planned(devices) == {"d0": 1.0}


def test_an_unsteady_device_is_planned_with_its_tail() -> None:
    devices = table("d0")
    assert devices.observe("d0", Slowness(1.5, spread_ratio=1.5))
    assert 1.5 * 1.3 < planned(devices)["d0"] < 1.5 * 1.5  # that of two batches in a row


def test_a_device_that_is_far_off_is_as_good_as_lost_until_it_is_back() -> None:
    devices = table("d0", "d1")
    assert devices.observe("d1", Slowness(12.0))
    assert set(planned(devices)) == {"d0"}
    assert devices.slowdowns() == {"d0": 1.0, "d1": 12.0}
    assert devices.num_ready == 1
    assert not devices.observe("d1", Slowness(13.0))
    assert devices.observe("d1", AS_PROFILED)
    assert planned(devices) == {"d0": 1.0, "d1": 1.0}


def test_where_all_are_far_off_they_do_what_they_can() -> None:
    devices = table("d0", "d1")
    devices.observe("d0", Slowness(12.0))
    devices.observe("d1", Slowness(FAR_OFF_RATIO))
    assert all(ratio >= 0.9 * FAR_OFF_RATIO for ratio in planned(devices).values())
    assert devices.num_ready == 2


def test_a_variant_that_is_broken_is_never_quick_enough() -> None:
    devices = table("d0", "d1")
    assert devices.observe("d1", AS_PROFILED, {0})
    assert not devices.observe("d1", AS_PROFILED, {0})  # no news
    (whole, broken), tables = devices.problem_part()
    assert tables[whole.device_type] == TABLE
    assert tables[broken.device_type].p99_rows_ms == ((NEVER_MS, NEVER_MS), (40.0, 60.0))
    assert devices.observe("d1", AS_PROFILED)
    (one, other), _ = devices.problem_part()
    assert one.device_type == other.device_type == "gpu"


def test_a_device_that_can_run_nothing_is_not_ready() -> None:
    devices = table("d0")
    devices.observe("d0", AS_PROFILED, {0, 1})
    assert devices.num_ready == 0
    assert devices.problem_part() == ((), {})
    devices.announce(announced("d0", 2))  # its executor was restarted
    assert devices.num_ready == 1


def test_a_silent_device_is_left_out_until_it_comes_or_speaks() -> None:
    devices = table("d0")
    assert devices.silence("d0")
    assert not devices.silence("d0")
    assert not devices.silence("d1")  # is not there
    assert devices.num_ready == 0
    assert devices.observe("d0", AS_PROFILED)
    assert devices.num_ready == 1
    devices.silence("d0")
    devices.announce(announced("d0", 2))
    assert devices.num_ready == 1


@given(
    levels=st.lists(st.sampled_from([1.0, 2.0, 3.5]), min_size=3, max_size=3),
    broken=st.lists(st.sets(st.integers(0, 1)), min_size=3, max_size=3),
    types=st.lists(st.sampled_from(["gpu", "x" * 64, "x" * 63 + "y"]), min_size=3, max_size=3),
)
def test_each_device_is_planned_with_its_own_latencies(levels, broken, types) -> None:
    profiles = {
        f"d{number}": TABLE.slowed(partial(scale, len(set(types[: number + 1]))))
        for number in range(3)
    }
    profiles = {f"d{number}": profiles[f"d{types.index(types[number])}"] for number in range(3)}
    devices = table()
    for number, kind in enumerate(types):
        rows = profiles[f"d{number}"].p99_rows_ms
        devices.announce(announced(f"d{number}", kind=kind, rows=rows))
        devices.observe(f"d{number}", Slowness(levels[number]), broken[number])
    there, tables = devices.problem_part()
    assert len(there) == sum(len(some) < 2 for some in broken)
    for device in there:
        number = int(device.device_id[1])
        modes = tables[device.device_type]
        for variant in range(TABLE.num_variants):
            first = Mode(variant, 1)
            if variant in broken[number]:
                assert modes.p99_ms(first) == NEVER_MS
            else:
                ratio = modes.p99_ms(first) / profiles[device.device_id].p99_ms(first)
                assert 0.93 * levels[number] <= ratio <= 1.07 * levels[number]


def test_what_is_said_of_a_generation_that_is_over_changes_nothing() -> None:
    devices = table("d0")
    assert not devices.announce(announced("d0"))  # says it again
    assert devices.announce(announced("d0", 3))
    assert not devices.lose("d0", 2)
    assert not devices.announce(announced("d0", 2))
    assert devices.is_current("d0", 3)
    assert not devices.is_current("d0", 2)
    assert devices.lose("d0", 3)
    assert not devices.announce(announced("d0", 3))
    assert devices.num_ready == 0


def test_a_loss_that_is_heard_of_before_the_device_is_not_forgotten() -> None:
    devices = table()
    assert not devices.lose("d0", 1)
    assert not devices.announce(announced("d0", 1))
    assert devices.announce(announced("d0", 2))


def test_of_a_device_that_comes_back_nothing_is_known() -> None:
    devices = table("d0")
    devices.observe("d0", Slowness(3.0), {0})
    devices.announce(announced("d0", 2))
    assert planned(devices) == {"d0": 1.0}


def test_a_device_that_is_leaving_is_there_and_not_planned() -> None:
    devices = table("d0", "d1")
    devices.observe("d0", Slowness(2.0))
    assert devices.announce(announced("d0", is_leaving=True))
    assert set(planned(devices)) == {"d1"}
    assert set(devices.device_ids) == {"d0", "d1"}
    assert devices.announce(announced("d0"))  # stays after all, as slow as it was
    assert 1.9 < planned(devices)["d0"] < 2.2


def test_a_stranger_brings_its_own_table_under_a_name_that_is_known() -> None:
    devices = table("d0")
    devices.announce(announced("stranger", rows=((1.0, 2.0, 3.0),), reach_ms=8.0))
    (own, stranger), tables = devices.problem_part()
    assert tables[own.device_type] == TABLE
    assert tables[stranger.device_type].p99_rows_ms == ((5.0, 6.0, 7.0), (NEVER_MS,) * 3)


def test_the_expected_devices_come_first_and_then_the_others_by_name() -> None:
    names = ("d1", "z", "d0", "a")
    for order in permutations(names):
        assert [one.device_id for one in table(*order).problem_part()[0]] == ["d0", "d1", "a", "z"]
    assert table("d1", "d0").has_all_expected
    assert not table("d0", "z").has_all_expected


@pytest.mark.parametrize("changes", [{"generation": -1}, {"reach_ms": float("nan")}])
def test_no_device_announces_nonsense(changes) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        announced("d0", **changes)
