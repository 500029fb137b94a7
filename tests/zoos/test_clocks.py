from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from prediction import Cells, read_boards

from moonjelly.core.errors import UsageError
from moonjelly.core.mode import Mode, ModeCost
from moonjelly.core.variant import Variant
from moonjelly.zoos import (
    Fingerprint,
    LatencyFile,
    LatencyRow,
    Method,
    find_profile,
    open_zoo,
    read_latency_file,
    write_latency_file,
)
from moonjelly.zoos.clocks import clock_table, filled, smoothed

VARIANTS = (Variant("a", 128, 0.2, 80), Variant("b", 256, 0.3, 200))
CLOCKS = (300.0, 600.0, 900.0)


def row(variant: str, size: int, clock_mhz: float) -> LatencyRow:
    scale = 2.0 if variant == "b" else 1.0
    p50_ms = scale * (4 + 2 * size) * 900 / clock_mhz
    power_w = 3 + (6 + 0.5 * np.log(size)) * clock_mhz / 900
    return LatencyRow(variant, size, p50_ms, 1.1 * p50_ms, 50, clock_mhz, float(power_w))


def file_of(rows: list[LatencyRow]) -> LatencyFile:
    fingerprint = Fingerprint("Some GPU", 1, "torch 2")
    return LatencyFile(
        "toy", "gpu", Method.MEASURED, fingerprint, "2025-11-21", "a test", tuple(rows)
    )


WHOLE = file_of([row(v, n, f) for v in "ab" for f in CLOCKS for n in range(1, 9)])


def without(is_hole: Callable[[LatencyRow], bool]) -> LatencyFile:
    return replace(WHOLE, rows=tuple(one for one in WHOLE.rows if not is_hole(one)))


def test_a_whole_file_stays_as_it_is():
    assert filled(WHOLE) == WHOLE


def test_holes_are_predicted_and_what_was_measured_stays():
    holed = without(lambda one: one.clock_mhz != 900 and one.batch_size in {2, 3, 5, 8})
    found = filled(holed)
    assert [one for one in found.rows if one.num_samples] == list(holed.rows)
    for one, true in zip(found.rows, WHOLE.rows, strict=True):
        assert (one.variant, one.batch_size, one.clock_mhz) == (
            true.variant,
            true.batch_size,
            true.clock_mhz,
        )
        assert one.p50_ms == pytest.approx(true.p50_ms, rel=0.03)
        assert one.power_w == pytest.approx(true.power_w, rel=0.03)
        assert one.p99_ms >= one.p50_ms * 1.0999


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    hole_share=st.sampled_from([0.1, 0.5, 0.8, 0.95]),
    dark_share=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    noise=st.sampled_from([0.0, 0.05, 0.5]),
)
def test_a_table_with_any_holes_is_served_or_refused_with_its_place(
    seed: int, hole_share: float, dark_share: float, noise: float
):
    random = Random(seed)

    def kept(one: LatencyRow) -> LatencyRow:
        off = math.exp(random.gauss(0, noise))
        power_w = None if random.random() < dark_share else one.power_w
        p50_ms, p99_ms = one.p50_ms * off, one.p99_ms * off * 1.5
        return replace(one, p50_ms=p50_ms, p99_ms=p99_ms, power_w=power_w)

    rows = [kept(one) for one in without(
        lambda one: one.clock_mhz != 900 and random.random() < hole_share).rows]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "latency-gpu.csv")
        write_latency_file(path, file_of(rows))
        try:
            read = read_latency_file(path, VARIANTS)
        except UsageError as error:
            refusal = str(error)
        else:
            refusal = ""
    event(f"refused: {bool(refusal)}")
    if refusal:
        assert re.search(r"latency-gpu.csv:\d+:(power_w|batch_size|p99_ms): ", refusal)
        return
    table = clock_table(read, VARIANTS, 8)
    assert [one.clock_mhz for one in table.by_clock] == list(read.clocks_mhz)
    for one in (table, *table.by_clock):
        for cost in one.every_cost:
            assert 0 < cost.p50_ms <= cost.p99_ms < math.inf
            assert (cost.energy_mj is not None) == read.has_energy
            assert cost.energy_mj is None or 0 < cost.energy_mj < math.inf


def test_a_predicted_tail_is_longer_the_less_is_known():
    sparse = without(lambda one: one.clock_mhz != 900 and one.batch_size not in {1, 6})
    ratios = {
        (one.clock_mhz, one.batch_size): one.p99_ms / one.p50_ms
        for one in filled(sparse).rows
        if one.variant == "a"
    }
    assert ratios[300.0, 1] == pytest.approx(1.1)
    assert ratios[300.0, 8] > ratios[300.0, 1]


def test_power_that_was_not_measured_is_predicted_and_energy_that_was_metered_stays():
    rows = [
        replace(one, power_w=None) if one.batch_size == 4 else replace(one, energy_mj=one.batch_mj)
        for one in WHOLE.rows
    ]
    found = filled(file_of(rows))
    for one, true in zip(found.rows, WHOLE.rows, strict=True):
        assert one.batch_mj == pytest.approx(true.batch_mj, rel=0.03)
        assert (one.energy_mj is None) == (one.batch_size == 4)


def test_the_table_has_each_clock_and_the_highest_where_none_is_chosen():
    table = clock_table(WHOLE, VARIANTS, 4)
    assert [one.clock_mhz for one in table.by_clock] == [*CLOCKS]
    assert len(table.costs(1)) == 4
    mode = Mode(1, 4, 300.0)
    assert table.cost(mode)[:2] == (mode, pytest.approx(72.0))
    assert table.cost(Mode(1, 4))[1:] == table.cost(Mode(1, 4, 900.0))[1:]
    energy_mj = row("b", 4, 300.0).batch_mj
    assert table.cost(mode).energy_mj == pytest.approx(energy_mj)
    assert table.cost(mode).frame_energy_mj == pytest.approx(energy_mj / 4)


def test_a_table_without_energy_or_clocks_has_none():
    rows = [replace(one, power_w=None) for one in WHOLE.rows]
    assert clock_table(file_of(rows), VARIANTS, 4).cost(Mode(0, 1, 300.0)).energy_mj is None
    own = [replace(one, clock_mhz=None) for one in WHOLE.rows if one.clock_mhz == 900]
    table = clock_table(file_of(own), VARIANTS, 4)
    assert table.by_clock == ()
    assert table.cost(Mode(0, 2)).energy_mj == pytest.approx(row("a", 2, 900.0).batch_mj)


def test_a_variant_that_was_not_profiled_is_named():
    with pytest.raises(UsageError, match="no latency of variant c"):
        clock_table(WHOLE, (*VARIANTS, Variant("c", 128, 0.2, 80)), 4)


ENERGIES = st.lists(st.floats(0.1, 100), min_size=1, max_size=30)


@given(ENERGIES)
def test_smoothed_energy_never_rises_with_the_batch(values: list[float]):
    found = smoothed(np.array(values))
    assert np.all(np.diff(found) <= 1e-9)


@given(st.floats(0, 10), st.floats(0.01, 10), st.integers(1, 30))
def test_energy_that_falls_as_it_should_is_left_as_it_is(fixed: float, frame: float, most: int):
    falling = frame + fixed / np.arange(1.0, most + 1)
    assert smoothed(falling) == pytest.approx(falling)


@given(st.integers(0, 19))
def test_one_cell_that_is_far_too_low_draws_nobody(outlier: int):
    true = 1 + 4 / np.arange(1.0, 21)
    values = true.copy()
    values[outlier] = 0.5
    found = smoothed(values)
    two_later = np.append(true[2:], [true[-1]] * 2)
    assert np.all(found <= 1.02 * true)
    assert np.all(found >= 0.98 * two_later)


def chosen(costs: list[ModeCost], key: str) -> Mode:
    return min(costs, key=lambda one: (getattr(one, key), one.mode.batch_size)).mode


@pytest.mark.reference
def test_the_cell_that_a_published_search_fell_for_draws_nobody():
    table = clock_table(
        _as_file(read_boards(Path(os.environ["MOONJELLY_REFERENCE"]))["AGX"]), VARIANTS[:1], 64
    )
    costs = [cost for one in table.by_clock for cost in one.costs(0)]
    raw = [as_measured(cost) for cost in costs]
    outlier = Mode(0, 51, 905.25)
    assert chosen(raw, "frame_energy_mj") == outlier
    for most in range(1, 65):
        within = [cost for cost in costs if cost.mode.batch_size <= most]
        assert chosen(within, "frame_energy_mj") != outlier


def as_measured(cost: ModeCost) -> ModeCost:
    assert cost.energy_mj is not None
    return cost._replace(frame_energy_mj=cost.energy_mj / cost.mode.batch_size)


def _as_file(board: Cells) -> LatencyFile:
    columns = zip(board.n, board.clocks_mhz, board.latency_s, board.energy_j, strict=True)
    return file_of(
        [
            LatencyRow("a", int(n), 1000 * s, 1000 * s, 1, float(mhz), energy_mj=1000 * joules)
            for n, mhz, s, joules in columns
        ]
    )


def test_energy_above_idle_is_known_where_idle_power_is_and_never_rises_with_the_batch() -> None:
    zoo = open_zoo("loudva")
    path = find_profile(zoo, "jetson-agx-xavier", None)
    assert path is not None
    file = read_latency_file(path, zoo.variants)
    table = clock_table(file, zoo.variants, 12)
    assert table.knows_joules
    assert table.idle_w == file.idle_w[0]
    for one in table.by_clock:
        (row,) = one.above_idle_rows_mj
        assert all(after <= before for before, after in pairwise(row))
        for cost in one.costs(0):
            assert cost.above_idle_mj is not None
            assert cost.frame_energy_mj is not None
            assert 0 < cost.above_idle_mj < cost.frame_energy_mj
    mid = table.at(905.25).costs(0)[5]
    assert mid.energy_mj is not None
    assert mid.above_idle_mj == pytest.approx((mid.energy_mj - 3.55 * mid.p50_ms) / 6, rel=0.01)
    assert not clock_table(replace(file, idle_w=()), zoo.variants, 12).knows_joules
