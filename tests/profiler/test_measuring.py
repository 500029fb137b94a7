from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from virtual_clock import VirtualClock

from moonjelly.profiler.measuring import Amount, measure, visits
from moonjelly.profiler.samples import HEADER, Cell, SampleFile

CELLS = [Cell("a", 1), Cell("a", 2), Cell("b", 1), Cell("b", 2)]


class Device:
    """Takes 10 ms a frame, more the first time."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.ran: list[Cell] = []

    def run(self, cell: Cell, num_batches: int, within_ms: float) -> list[float]:
        self.within_ms = within_ms
        took_ms = []
        for _ in range(num_batches):
            took_ms.append(10.0 * cell.batch_size + (0 if cell in self.ran else 500))
            self.ran.append(cell)
        self.clock.advance_to(self.clock.now_ms() + sum(took_ms))
        return took_ms


def carry_out(path: Path, amount: Amount, seed: int = 0) -> tuple[Device, SampleFile]:
    device = Device()
    with closing(SampleFile(path, CELLS)) as file:
        visit = visits(device.run, amount.visit_ms)
        measure(visit, file, amount, Random(seed), device.clock, lambda cell: None)
    return device, file


def test_every_cell_gets_its_samples_and_none_is_the_first_of_its_visit(tmp_path: Path) -> None:
    _, file = carry_out(tmp_path / "samples.csv", Amount(7))
    assert {cell: len(values) for cell, values in file.samples.items()} == dict.fromkeys(CELLS, 7)
    for cell, values in file.samples.items():
        assert values == [pytest.approx(10 * cell.batch_size)] * 7


def test_cells_take_turns_so_that_drift_hits_all_alike(tmp_path: Path) -> None:
    device, _ = carry_out(tmp_path / "samples.csv", Amount(25))
    size = len(CELLS) * 6  # a round: one uncounted and five counted batches of each cell
    rounds = [device.ran[k : k + size] for k in range(0, len(device.ran), size)]
    assert len(rounds) == 5
    for one in rounds:
        assert Counter(one) == dict.fromkeys(CELLS, 6)
    assert len({tuple(one) for one in rounds}) > 1


def test_a_seed_fixes_the_order(tmp_path: Path) -> None:
    amount = Amount(10)
    orders = [carry_out(tmp_path / f"{k}.csv", amount, seed)[0].ran for k, seed in enumerate("778")]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_a_second_run_takes_only_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    carry_out(path, Amount(4))
    path.write_text(path.read_text() + "b,2,,9")  # cut off by a crash
    device, file = carry_out(path, Amount(4))
    assert device.ran == []
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("a,2,")]
    path.write_text("".join(kept))
    device, file = carry_out(path, Amount(4))
    assert set(device.ran) == {Cell("a", 2)}
    assert all(len(values) == 4 for values in file.samples.values())


def test_a_sample_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    with closing(SampleFile(path, CELLS)) as file:
        file.add(CELLS[0], 12.5)
        assert path.read_text() == f"{HEADER}a,1,,12.5000,\n"


def test_lines_that_are_no_samples_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "samples.csv"
    path.write_text(
        HEADER + "a,1,,5,\na,one,,5,\nc,1,,5,\na,1,,-5,\na,1,,5,-1\na,1,,nan,\na,1,900,5,\n"
    )
    with closing(SampleFile(path, CELLS)) as file:
        assert file.samples[Cell("a", 1)] == [5.0]
        assert Cell("c", 1) not in file.samples
    assert "'a,one,,5,' is no sample" in caplog.text


def test_a_file_of_something_else_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("half a head")
    with closing(SampleFile(path, CELLS)) as file:
        file.add(Cell("a", 1), 5)
    assert path.read_text() == HEADER + "a,1,,5.0000,\n"


def test_no_visit_starts_after_the_time_limit(tmp_path: Path) -> None:
    amount = Amount(10**6, limit_ms=3000)
    device, file = carry_out(tmp_path / "samples.csv", amount)
    assert 3000 < device.clock.now_ms() <= 3000 + 6 * 20
    assert all(file.samples.values())


def test_a_visit_ends_when_its_amount_says(tmp_path: Path) -> None:
    device, _ = carry_out(tmp_path / "samples.csv", Amount(7, visit_ms=70.0))
    assert device.within_ms == 70.0


def test_a_device_too_slow_for_a_round_leaves_one_sample_of_each(tmp_path: Path) -> None:
    _, file = carry_out(tmp_path / "samples.csv", Amount(30, limit_ms=100))
    counts = sorted(len(values) for values in file.samples.values())
    assert counts == [1, 1, 1, 5]
    for cell, values in file.samples.items():
        assert set(values) == {10.0 * cell.batch_size}


def test_clocks_take_turns_and_at_each_of_them_its_cells_in_an_order_of_their_own(
    tmp_path: Path,
) -> None:
    cells = [Cell(name, 1, mhz) for name in "abc" for mhz in (100, 200, 300)]
    ran: list[Cell] = []

    def visit(file: SampleFile, cell: Cell, num_samples: int) -> None:
        ran.append(cell)
        for _ in range(num_samples):
            file.add(cell, 5.0, 7.0)

    amount = Amount(10)
    with closing(SampleFile(tmp_path / "samples.csv", cells)) as file:
        measure(visit, file, amount, Random(1), VirtualClock(), lambda cell: None)
    rounds = [ran[k : k + len(cells)] for k in range(0, len(ran), len(cells))]
    assert len(rounds) == 2
    for one in rounds:
        assert set(one) == set(cells)
        clocks = [cell.clock_mhz for cell in one]
        assert clocks == [mhz for mhz in dict.fromkeys(clocks) for _ in "abc"]  # two changes
    assert rounds[0] != rounds[1]


def test_clock_and_power_of_a_sample_are_read_again(tmp_path: Path) -> None:
    cells = [Cell("a", 1, 900), Cell("a", 1)]
    with closing(SampleFile(tmp_path / "samples.csv", cells)) as file:
        file.add(cells[0], 12.5, 3.25)
        file.add(cells[0], 12.5)
    with closing(SampleFile(tmp_path / "samples.csv", cells)) as file:
        assert file.samples == {cells[0]: [12.5, 12.5], cells[1]: []}
        assert file.powered == {cells[0]: [(12.5, 3.25)], cells[1]: []}
