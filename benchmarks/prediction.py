"""How well `moonjelly.zoos.prediction` fills a board's table of which it knows a part, beside boosted trees.

On LoudVA's measured table of three Jetson boards (MIT licence; not ours to ship): `FOLDER/data/loudva/profile.csv`. A seeded random
share of a board's cells is known, the others are predicted; mean absolute percentage errors over these, mean of the seeds. Boosted trees
(if xgboost is installed) are set up as published and see the whole tables of the other boards beside. Where nothing is known
of a board, ours is the geometric mean of what the other boards' surfaces say.

    MOONJELLY_REFERENCE=FOLDER python benchmarks/prediction.py [--folder FOLDER] [--seeds 5] [--out CSV]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from moonjelly.zoos.prediction import LATENCY, POWER, Estimate, Floats, Surface

Mask = npt.NDArray[np.bool_]
SHARES = (0.0, 0.05, 0.1, 0.2)
NUM_TREES = 100  # the default of xgboost.XGBRegressor
TABLE = Path("data/loudva/profile.csv")
# GPU clocks (MHz), cores, memory (GB/s, GB) and tensor cores, of NVIDIA's data sheets: what the trees know of a board
FACTS = {
    "AGX": (1377.0, 114.75, 512, 137.0, 32, 64),
    "NX": (1109.25, 114.75, 384, 51.2, 8, 48),
    "Nano": (921.6, 76.8, 128, 25.6, 4, 0),
}


@dataclass(frozen=True)
class Cells:
    """A board's cells as columns of one length."""

    n: Floats
    clocks_mhz: Floats
    latency_s: Floats
    energy_j: Floats

    def __getitem__(self, some: Mask) -> Cells:
        return Cells(self.n[some], self.clocks_mhz[some], self.latency_s[some], self.energy_j[some])


@dataclass(frozen=True)
class Errors:
    """Of the predicted cells.

    Attributes:
        energy_percent: mean absolute percentage error.
        latency_percent: likewise.
        within: share of energies that are less than one and two of their spreads off; none for trees.
    """

    energy_percent: float
    latency_percent: float
    within: tuple[float, float] | None = None


def read_boards(folder: Path) -> dict[str, Cells]:
    """The table, by board."""
    table = pl.read_csv(folder / TABLE)
    columns = ("Batch Size", "Frequency", "Latency", "Energy")
    return {
        str(board): Cells(*(part[name].cast(pl.Float64).to_numpy() for name in columns))
        for (board,), part in table.with_columns(pl.col("Frequency") / 1e6).group_by(
            "Directory", maintain_order=True
        )
    }


def known_cells(board: Cells, share: float, seed: int) -> Mask:
    """Which cells are known: a mask."""
    known = np.zeros(len(board.n), bool)
    some = np.random.default_rng(seed).choice(len(known), round(share * len(known)), replace=False)
    known[some] = True
    return known


def predict(known: Cells, wanted: Cells) -> tuple[Estimate, Estimate]:
    """Energy and latency of the wanted cells."""
    places = known.n, known.clocks_mhz
    seconds = Surface(LATENCY, *places, known.latency_s).at(wanted.n, wanted.clocks_mhz)
    watts = Surface(POWER, *places, known.energy_j / known.latency_s)
    return watts.at(wanted.n, wanted.clocks_mhz) * seconds, seconds


def ours(boards: dict[str, Cells], board: str, share: float, seed: int) -> Errors:
    """Of our prediction."""
    known = known_cells(boards[board], share, seed)
    rest = boards[board][~known]
    if not share:
        others = [predict(cells, rest) for name, cells in boards.items() if name != board]
        energy_j, latency_s = (
            np.exp(np.mean([np.log(one[k].middle) for one in others], 0)) for k in (0, 1)
        )
        return Errors(off(energy_j, rest.energy_j), off(latency_s, rest.latency_s))
    energy, latency = predict(boards[board][known], rest)
    spreads = np.abs(np.log(energy.middle / rest.energy_j)) / energy.spread
    return Errors(
        off(energy.middle, rest.energy_j),
        off(latency.middle, rest.latency_s),
        (float(np.mean(spreads < 1)), float(np.mean(spreads < 2))),
    )


def trees(boards: dict[str, Cells], board: str, share: float, seed: int) -> Errors:
    """Of boosted trees as published: library defaults, eight features, one model for energy and one for latency."""
    import xgboost  # noqa: PLC0415 optional

    known = known_cells(boards[board], share, seed)
    rest = boards[board][~known]
    seen = {
        name: cells[known] if name == board else cells
        for name, cells in boards.items()
        if share or name != board
    }
    features = np.concatenate([_features(name, cells) for name, cells in seen.items()])
    wanted = _features(board, rest)
    found = []
    for key in ("energy_j", "latency_s"):
        values = np.concatenate([getattr(cells, key) for cells in seen.values()])
        grown = xgboost.train({"nthread": 1}, xgboost.DMatrix(features, values), NUM_TREES)
        found.append(off(grown.predict(xgboost.DMatrix(wanted)), getattr(rest, key)))
    return Errors(*found)


def _features(board: str, cells: Cells) -> Floats:
    facts = np.tile(FACTS[board], (len(cells.n), 1))
    return np.column_stack([cells.n, cells.clocks_mhz * 1e6, facts])


def off(predicted: Floats, true: Floats) -> float:
    """Mean absolute percentage error."""
    return float(100 * np.mean(np.abs(predicted - true) / true))


def rows(boards: dict[str, Cells], seeds: int) -> Iterator[tuple[object, ...]]:
    """One row for each board, share and method."""
    has_trees = importlib.util.find_spec("xgboost") is not None
    for board in FACTS:
        for share in SHARES:
            for method in (ours, trees) if has_trees else (ours,):
                runs = [method(boards, board, share, seed) for seed in range(seeds if share else 1)]
                energy = [one.energy_percent for one in runs]
                latency = [one.latency_percent for one in runs]
                within = np.mean([one.within or (np.nan, np.nan) for one in runs], 0)
                yield (
                    board, f"{share:.2f}", method.__name__,
                    f"{np.mean(energy):.2f}", f"{max(energy):.2f}",
                    f"{np.mean(latency):.2f}", f"{max(latency):.2f}",
                    *("" if np.isnan(one) else f"{one:.2f}" for one in within),
                )  # fmt: skip


def main() -> None:
    """Prints a row after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=os.environ.get("MOONJELLY_REFERENCE"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a CSV file of the same")
    arguments = parser.parse_args()
    if arguments.folder is None:
        parser.error("--folder, or MOONJELLY_REFERENCE: must name the folder of the reference data")
    names = (
        "board", "known_share", "method", "energy_percent", "energy_percent_worst",
        "latency_percent", "latency_percent_worst", "within_1_spread", "within_2_spreads",
    )  # fmt: skip
    lines = [names]
    print(*names, sep=",")
    for row in rows(read_boards(arguments.folder), arguments.seeds):
        print(*row, sep=",", flush=True)
        lines.append(tuple(map(str, row)))
    if arguments.out:
        arguments.out.write_text("".join(",".join(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
