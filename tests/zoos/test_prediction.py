from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from few_clocks import errors_percent
from prediction import Cells, known_cells, ours, predict, read_boards

from moonjelly.zoos.prediction import LATENCY, POWER, Surface

CLOCKS = np.array([115.0, 306, 510, 701, 905, 1109])
N, MHZ = (axis.ravel() for axis in np.meshgrid(np.arange(1.0, 17), CLOCKS, indexing="ij"))
GHZ = MHZ / 1000
BOARD = Cells(  # as if it kept to the formulas
    N,
    MHZ,
    (0.0245 + 0.01715 * N) * GHZ**-0.92,
    (0.0245 + 0.01715 * N) * GHZ**-0.92 * (4.42 + (6.97 + 0.8 * np.log(N)) * GHZ**1.25),
)
BARS = {"AGX": (3.5, 3.0), "NX": (5.0, 3.7), "Nano": (4.5, 4.0)}


def percent(predicted: np.ndarray, true: np.ndarray) -> float:
    return float(100 * np.mean(np.abs(predicted - true) / true))


def test_what_keeps_to_the_formulas_is_found_from_a_tenth_of_the_cells():
    known = known_cells(BOARD, 0.1, 3)
    energy, latency = predict(BOARD[known], BOARD[~known])
    assert percent(latency.middle, BOARD.latency_s[~known]) < 1
    assert percent(energy.middle, BOARD.energy_j[~known]) < 2


def test_a_bump_that_no_formula_has_is_learned_where_it_was_measured():
    bump = 1 + 0.3 * np.exp(-(np.log(N / 6) ** 2) * 8)
    values, known = BOARD.latency_s * bump, known_cells(BOARD, 0.5, 0)
    found = Surface(LATENCY, N[known], MHZ[known], values[known]).at(N[~known], MHZ[~known])
    assert percent(found.middle, values[~known]) < 1.5


def test_the_spread_tells_how_far_off_predictions_are():
    offs = []
    for seed in range(6):
        noise = np.random.default_rng(seed).normal(0, 0.04, len(N))
        noisy, known = BOARD.latency_s * np.exp(noise), known_cells(BOARD, 0.4, seed)
        found = Surface(LATENCY, N[known], MHZ[known], noisy[known]).at(N[~known], MHZ[~known])
        offs += list(np.abs(np.log(found.middle / noisy[~known])) / found.spread)
    assert 0.55 < np.mean(np.array(offs) < 1) < 0.8
    assert 0.85 < np.mean(np.array(offs) < 2) < 0.99


def test_the_spread_is_wide_where_nothing_was_measured():
    slow = MHZ < 600
    surface = Surface(POWER, N[slow], MHZ[slow], (BOARD.energy_j / BOARD.latency_s)[slow])
    near, far = surface.at(np.array([4.0, 4.0]), np.array([306.0, 1109.0])).spread
    assert far > 3 * near
    one = np.array([1.0])
    alone = Surface(LATENCY, one, 900 * one, one)
    assert alone.at(one, 900 * one).middle == pytest.approx(1.0, rel=0.05)
    assert alone.at(one, 100 * one).spread > 1


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_units_make_no_difference(unit: float):
    known = known_cells(BOARD, 0.2, 0)
    some = BOARD[known]
    plain = Surface(LATENCY, some.n, some.clocks_mhz, some.latency_s).at(N, MHZ)
    other = Surface(LATENCY, some.n, some.clocks_mhz, some.latency_s * unit).at(N, MHZ)
    assert other.middle / unit == pytest.approx(plain.middle, rel=1e-4)
    assert other.spread == pytest.approx(plain.spread, rel=1e-2)


@pytest.mark.reference
@pytest.mark.parametrize("board", BARS)
def test_a_fifth_of_a_published_table_tells_the_rest(board: str):
    boards = read_boards(Path(os.environ["MOONJELLY_REFERENCE"]))
    runs = [ours(boards, board, 0.2, seed) for seed in range(5)]
    most_energy, most_latency = BARS[board]
    assert np.mean([one.energy_percent for one in runs]) < most_energy
    assert np.mean([one.latency_percent for one in runs]) < most_latency


def test_three_clocks_of_what_keeps_to_the_formulas_tell_the_others():
    energy, latency = errors_percent(BOARD, 3)
    assert energy < 2
    assert latency < 1


@pytest.mark.reference
@pytest.mark.parametrize("board", BARS)
def test_three_clocks_of_a_published_board_tell_the_others(board: str):
    energy, latency = errors_percent(read_boards(Path(os.environ["MOONJELLY_REFERENCE"]))[board], 3)
    assert energy < 7
    assert latency < 4
