"""Judges the runs of `paper_matrix.py`: which bars ours keeps, in which cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from rich.console import Console
from rich.table import Table

from moonjelly.reporting.interval import mean_and_interval

OURS, PUBLISHED, ORACLE = "ladder", "best", "oracle"
BAR, AIM = 0.01, 0.005
MISSED_SLACK, ACCURACY_SLACK = 0.0005, 0.003
"""Ours is at least as good as the published policy within 0.05 points and 0.3 %."""
ROUNDING = 1e-9

Cell = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """What came of a cell under a policy, seed by seed.

    Attributes:
        missed: share of the captured frames that were not answered in time.
        accuracy: by the zoo's table, over all captured frames.
    """

    missed: Sequence[float]
    accuracy: Sequence[float]

    def __str__(self) -> str:
        return f"{100 * fmean(self.missed):.2f} {fmean(self.accuracy):.4f}"


Scores = dict[str, dict[Cell, Score]]
"""By policy and cell."""


def print_bars(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> None:
    """Prints all cells, and how many are within each bar.

    Args:
        rows: runs with the columns of `names`, `policy`, `frames`, `missed` and `profile_map`; those of a cell by seed.
        names: of what makes a cell: trace, fps, slo_ms, clients.
    """
    scores = scores_of(rows, names)
    console = Console(width=160)
    table = Table(*names, *scores, title="missed %, accuracy")
    for cell in next(iter(scores.values())):
        table.add_row(*cell, *(str(by_cell[cell]) for by_cell in scores.values()))
    console.print(table)
    for line in lines(scores, names):
        console.print(line, highlight=False)


def scores_of(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> Scores:
    """The runs, gathered by policy and cell."""
    found: dict[str, dict[Cell, tuple[list[float], list[float]]]] = defaultdict(dict)
    for row in rows:
        cell = tuple(str(row[name]).removesuffix(".0") for name in names)
        missed, accuracy = found[str(row["policy"])].setdefault(cell, ([], []))
        missed.append(float(str(row["missed"])) / float(str(row["frames"])))
        accuracy.append(float(str(row["profile_map"])))
    return {
        policy: {cell: Score(*lists) for cell, lists in cells.items()}
        for policy, cells in found.items()
    }


def lines(scores: Scores, names: Sequence[str]) -> Iterator[str]:
    """What there is to say, bar by bar."""
    cells = list(next(iter(scores.values())))
    for policy, by_cell in scores.items():
        for limit in (BAR, AIM):
            over = [cell for cell in cells if fmean(by_cell[cell].missed) > limit]
            yield f"{policy}: over {100 * limit:g} % missed in {len(over)} of {len(cells)}{_list(over)}"
    ours = scores.get(OURS)
    if ours is None:
        return
    for policy, theirs in scores.items():
        if policy in (OURS, ORACLE):
            continue
        worse = [cell for cell in cells if dominates(theirs[cell], ours[cell])]
        yield f"{policy} dominates ours in {len(worse)} of {len(cells)}{_list(worse)}"
        less = [cell for cell in cells if not is_as_good(ours[cell], theirs[cell])]
        yield f"ours is at least as good as {policy} on both axes in {len(cells) - len(less)} of {len(cells)}; not in{_list(less)}"
    for name, is_easier in (("slo_ms", max), ("fps", min), ("clients", min)):
        pairs = list(_neighbours(cells, names.index(name), is_easier))
        worse = [easier for easier, harder in pairs if is_worse(ours[easier], ours[harder])]
        yield f"ours is worse where {name} is easier in {len(worse)} of {len(pairs)} pairs{_list(worse)}"
    if ORACLE in scores:
        theirs = scores[ORACLE]
        for share in (0.05, 0.02):
            less = [
                cell
                for cell in cells
                if fmean(ours[cell].accuracy) < (1 - share) * fmean(theirs[cell].accuracy)
            ]
            yield f"accuracy more than {100 * share:g} % below the oracle's in {len(less)} of {len(cells)}{_list(less)}"


def dominates(one: Score, other: Score) -> bool:
    """Whether one is better on an axis beyond the 95 % interval of the difference, and not worse on the other."""
    fewer = [b - a for a, b in zip(one.missed, other.missed, strict=True)]
    more = [a - b for a, b in zip(one.accuracy, other.accuracy, strict=True)]
    is_worse_somewhere = min(fmean(fewer), fmean(more)) < -ROUNDING
    return not is_worse_somewhere and (_is_above_0(fewer) or _is_above_0(more))


def is_worse(one: Score, other: Score) -> bool:
    """Whether one is worse on an axis beyond the 95 % interval of the difference."""
    more_missed = [a - b for a, b in zip(one.missed, other.missed, strict=True)]
    less = [b - a for a, b in zip(one.accuracy, other.accuracy, strict=True)]
    return _is_above_0(more_missed) or _is_above_0(less)


def is_as_good(one: Score, other: Score) -> bool:
    """Whether one is at least as good on both axes, within the slack."""
    return (
        fmean(one.missed) <= fmean(other.missed) + MISSED_SLACK + ROUNDING
        and fmean(one.accuracy) >= (1 - ACCURACY_SLACK) * fmean(other.accuracy) - ROUNDING
    )


def _is_above_0(differences: Sequence[float]) -> bool:
    mean, interval = mean_and_interval(differences)
    return mean is not None and mean - (interval or 0.0) > ROUNDING


def _neighbours(
    cells: Sequence[Cell], index: int, easier: Callable[[list[float]], float]
) -> Iterator[tuple[Cell, Cell]]:
    """Pairs of cells that differ in one factor by one step: the easier one, and the harder one."""
    values = sorted({float(cell[index]) for cell in cells}, reverse=easier is max)
    for easy, hard in pairwise(values):
        for cell in cells:
            if float(cell[index]) == easy:
                yield cell, (*cell[:index], f"{hard:g}", *cell[index + 1 :])


def _list(cells: Sequence[Cell]) -> str:
    return "".join(f"\n    {' '.join(cell)}" for cell in cells)
