"""How many clocks `moonjelly profile --clocks` has to measure so that the others can be predicted.

On LoudVA's measured table of three Jetson boards, as `prediction.py`. Known are batches of 1, 4 and 12 at some clocks, evenly spread over those of the
board with the lowest and the highest among them; predicted are batches of 1 to 12 at all others. Mean absolute percentage errors.

    MOONJELLY_REFERENCE=FOLDER python benchmarks/few_clocks.py [--folder FOLDER] [--out CSV]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from prediction import Cells, off, predict, read_boards

BATCH_SIZES = (1, 4, 12)
NUM_CLOCKS = (2, 3, 4, 6)


def errors_percent(board: Cells, num_clocks: int) -> tuple[float, float]:
    """Of energy and latency at the clocks that are not known."""
    clocks = np.unique(board.clocks_mhz)
    chosen = clocks[np.linspace(0, len(clocks) - 1, num_clocks).round().astype(int)]
    is_chosen = np.isin(board.clocks_mhz, chosen)
    rest = board[~is_chosen & (board.n <= BATCH_SIZES[-1])]
    energy, latency = predict(board[is_chosen & np.isin(board.n, BATCH_SIZES)], rest)
    return off(energy.middle, rest.energy_j), off(latency.middle, rest.latency_s)


def main() -> None:
    """Prints a row for each board and number of clocks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=os.environ.get("MOONJELLY_REFERENCE"))
    parser.add_argument("--out", type=Path, help="a CSV file of the same")
    arguments = parser.parse_args()
    if arguments.folder is None:
        parser.error("--folder, or MOONJELLY_REFERENCE: must name the folder of the reference data")
    lines = ["board,num_clocks,energy_percent,latency_percent"]
    for name, board in read_boards(Path(arguments.folder)).items():
        for num_clocks in NUM_CLOCKS:
            energy, latency = errors_percent(board, num_clocks)
            lines.append(f"{name},{num_clocks},{energy:.2f},{latency:.2f}")
    print(*lines, sep="\n")
    if arguments.out:
        arguments.out.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
