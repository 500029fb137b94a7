"""Whatever was sampled at some clocks makes a table that can be read, with all clocks of the device."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.errors import UsageError
from moonjelly.core.variant import Variant
from moonjelly.profiler.clock_rows import check_clocks, clock_rows
from moonjelly.profiler.samples import Cell, Powered, SampleFile
from moonjelly.profiler.statistics import with_energy
from moonjelly.zoos import (
    Fingerprint,
    LatencyFile,
    LatencyRow,
    Method,
    read_latency_file,
    write_latency_file,
)

VARIANTS = (Variant("a", 32, 0.2, 10),)
LISTED_MHZ = (100, 200, 400, 800)
EMPTY = LatencyFile("toy", "board", Method.MEASURED, Fingerprint("b", 1, "r"), "2026", "by us", ())
Drawn = list[list[tuple[float, float]]]


def cells(clocks_mhz: tuple[int, ...]) -> list[Cell]:
    return [Cell("a", size, mhz) for mhz in clocks_mhz for size in (1, 2, 4)]


@settings(max_examples=25)
@given(
    clocks_mhz=st.sampled_from([(100, 400, 800), (200, 400, 800), LISTED_MHZ]),
    drawn=st.lists(
        st.lists(st.tuples(st.floats(0.05, 20.0), st.floats(0.5, 4.0)), min_size=2, max_size=6),
        min_size=12,
        max_size=12,
    ),
    is_metered=st.booleans(),
)
def test_whatever_noise_there_was_the_table_can_be_read_and_has_no_holes(
    clocks_mhz: tuple[int, ...], drawn: Drawn, is_metered: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with closing(SampleFile(Path(folder, "samples.csv"), cells(clocks_mhz))) as file:
            for cell, some in zip(file.samples, drawn, strict=False):
                assert cell.clock_mhz is not None
                usual_ms = (2 + cell.batch_size) * 800 / cell.clock_mhz
                for noise, power_noise in some:
                    power_w = power_noise * cell.clock_mhz / 100 if is_metered else None
                    file.add(cell, usual_ms * noise, power_w)
            table = clock_rows(EMPTY, file, {"a": 4}, clocks_mhz, LISTED_MHZ)
        path = Path(folder, "latency-board.csv")
        write_latency_file(path, table)
        read = read_latency_file(path, VARIANTS)
    assert {(row.batch_size, row.clock_mhz) for row in read.rows} == {
        (size, mhz) for size in (1, 2, 3, 4) for mhz in LISTED_MHZ
    }
    assert all((row.batch_mj is not None) == is_metered for row in read.rows)
    measured = {(row.batch_size, row.clock_mhz) for row in read.rows if row.num_samples}
    assert measured == {(cell.batch_size, cell.clock_mhz) for cell in cells(clocks_mhz)}


def test_one_cell_without_a_meter_leaves_energy_empty(tmp_path: Path) -> None:
    with closing(SampleFile(tmp_path / "samples.csv", cells((400, 800)))) as file:
        for number, cell in enumerate(file.samples):
            file.add(cell, 5.0, 3.0 if number else None)
        assert not clock_rows(EMPTY, file, {"a": 4}, (400, 800), LISTED_MHZ).has_energy


def test_power_is_the_mean_by_time_and_a_stall_is_no_energy_of_a_batch() -> None:
    row = LatencyRow("a", 1, 10.0, 12.0, 3, 800)
    powered = [Powered(10.0, 4.0), Powered(10.0, 4.0), Powered(100.0, 4.4)]
    done = with_energy(row, powered)
    assert done.power_w == pytest.approx((20 * 4 + 100 * 4.4) / 120)
    assert done.energy_mj == pytest.approx(40)
    far = with_energy(row, [Powered(30.0, 4.0)])  # noise above a larger batch, whose median counts
    assert (far.power_w, far.energy_mj) == (4.0, None)
    assert far.batch_mj == 40.0
    assert with_energy(row, []) is row


@pytest.mark.parametrize(
    ("clocks_mhz", "complaint"),
    [
        ((100, 400), "must have 800, the highest"),
        ((100, 800), "must be 3 or more"),
    ],
)
def test_clocks_that_do_not_tell_the_others_are_refused(
    clocks_mhz: tuple[int, ...], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        check_clocks(clocks_mhz, LISTED_MHZ, cells(clocks_mhz), {"a": 4})


def test_too_few_cells_to_predict_the_others_from_are_refused_and_all_of_few_are_enough() -> None:
    few = [Cell("a", 1, mhz) for mhz in (200, 400, 800)]
    with pytest.raises(UsageError, match="a would have 3 of 4 cells"):
        check_clocks((200, 400, 800), LISTED_MHZ, few, {"a": 1})
    check_clocks((200, 400, 800), (200, 400, 800), few, {"a": 1})
    check_clocks((800,), (800,), few[2:], {"a": 1})
