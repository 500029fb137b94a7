"""The shipped zoo `loudva`: three boards with clocks and power, by published formulas."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from moonjelly.core.mode import Mode
from moonjelly.zoos import find_profile, open_zoo, read_latency_file
from moonjelly.zoos.clocks import clock_table

ZOO = open_zoo("loudva")
BOARDS = {"jetson-agx-xavier": (14, 64), "jetson-xavier-nx": (15, 8), "jetson-nano": (11, 4)}


@pytest.mark.parametrize("device_type", BOARDS)
def test_each_board_has_all_batches_at_all_clocks(device_type: str) -> None:
    path = find_profile(ZOO, device_type, None)
    assert path is not None
    file = read_latency_file(path, ZOO.variants)
    num_clocks, most = BOARDS[device_type]
    assert len(file.clocks_mhz) == num_clocks
    assert len(file.rows) == num_clocks * most
    assert all(row.power_w for row in file.rows)


@pytest.mark.parametrize(
    ("device_type", "mode", "p50_ms", "power_w"),
    [  # by hand from the formulas
        ("jetson-agx-xavier", Mode(0, 8, 905.25), (23.4 + 98.8) / 0.90525, 5.43 + 14.36 * 0.8874),
        ("jetson-xavier-nx", Mode(0, 4, 510.0), (24.5 + 68.6) / 0.5382, 4.42 + 8.11 * 0.4310),
        ("jetson-nano", Mode(0, 1, 614.4), (42.9 + 100.45) / 0.6419, 2.5 + 4.43 * 0.4476),
    ],
)
def test_cells_are_those_of_the_formulas(
    device_type: str, mode: Mode, p50_ms: float, power_w: float
) -> None:
    path = find_profile(ZOO, device_type, None)
    assert path is not None
    cost = clock_table(read_latency_file(path), ZOO.variants, 64).cost(mode)
    assert cost.p50_ms == pytest.approx(p50_ms, rel=1e-3)
    assert cost.energy_mj is not None
    assert cost.energy_mj / cost.p50_ms == pytest.approx(power_w, rel=1e-3)


def test_the_tables_are_what_their_script_makes(tmp_path: Path) -> None:
    runpy.run_path(str(ZOO.folder / "make.py"))["make"](tmp_path)
    for made in tmp_path.iterdir():
        assert made.read_bytes() == (ZOO.folder / made.name).read_bytes()
    assert len(list(tmp_path.iterdir())) == 4
