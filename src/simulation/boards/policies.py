"""LoudVA's scheduler and its rivals by name, and the boards that they run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np

from ...core.checks import echo
from ...core.errors import UsageError
from ...core.mode import ModeTable
from ...core.variant import Variant
from ...files.tidy_table import read_tidy_table
from ...scheduling.placement.cheapest import Costs
from ...scheduling.placement.loudva import LoudVAPlacer, LoudVARules
from ...scheduling.placement.port import Placer
from ...scheduling.placement.round_robin import RoundRobinPlacer, Turn
from ...zoos import (
    Fingerprint,
    LatencyFile,
    LatencyRow,
    Method,
    find_profile,
    open_zoo,
    read_latency_file,
)
from ...zoos.clocks import clock_table
from ...zoos.prediction import LATENCY, POWER, Surface
from .board import ZOO, Board
from .load import Burst
from .replay import Outcome, Replay

MOST = {"jetson-agx-xavier": 64, "jetson-xavier-nx": 8, "jetson-nano": 4}
SWITCH_MS = {"jetson-agx-xavier": 560.0, "jetson-xavier-nx": 800.0, "jetson-nano": 650.0}
"""What LoudVA takes a change of clock to take."""
OWN_CLOCK = 1222 / 1377
"""A board's own governor keeps about that share of its highest clock. Source: mean over LoudVA's runs without scheduler on the AGX."""
PUBLISHED_NAMES = {"AGX": "jetson-agx-xavier", "NX": "jetson-xavier-nx", "Nano": "jetson-nano"}
KNOWN_RATIO = 0.8  # of a table, which its prediction is made from
TURNS = {
    "none": Turn.ANY,
    "round-robin": Turn.ANY,
    "kind-round-robin": Turn.FREE,
    "random": Turn.RANDOM,
}
LOUDVA = ("loudva", "loudva-published", "loudva-predicted")
NAMES = (*LOUDVA, *TURNS, "interval:MILLISECONDS", "fixed:FRAMES")
Tables = Mapping[str, ModeTable]
N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Setting:
    """What runs are made in.

    Attributes:
        nodes: board types by the names of the boards.
        profiles: what boards take and draw, by type.
        known: what policies think of that.
        predicted: the same where it is predicted.
        rules: of LoudVA.
        has_controller: whether what the controller takes for each batch is counted, which no policy knows.
    """

    nodes: Mapping[str, str]
    profiles: Tables
    known: Tables
    predicted: Tables
    rules: LoudVARules
    has_controller: bool = False

    def play(self, name: str, bursts: list[Burst], seed: int) -> Outcome:
        """Plays a load under a policy; `fixed:8@905` has the boards at most at 905 MHz.

        Raises:
            UsageError: if there is no such policy.
        """
        plain, _, cap = name.partition("@")
        cap_mhz = _number(name, cap, float) if cap else float("inf")
        boards: dict[str, Board] = {}
        for node, kind in self.nodes.items():
            table = self.profiles[kind]
            clocks_mhz = [one.clock_mhz or 0.0 for one in table.by_clock]
            own_mhz = min(OWN_CLOCK * clocks_mhz[-1], cap_mhz)
            nearest_mhz = min(clocks_mhz, key=lambda one: abs(one - own_mhz))
            boards[node] = Board(kind, table, nearest_mhz)
        placer = self._placer(plain, cap_mhz, seed)
        replay = Replay(
            bursts,
            boards,
            placer,
            self.rules.transfer_ms,
            placer.switched if isinstance(placer, LoudVAPlacer) else None,
            has_controller=self.has_controller,
        )
        return replay.run()

    def _placer(self, name: str, cap_mhz: float, seed: int) -> Placer:
        most = {node: MOST[kind] for node, kind in self.nodes.items()}
        kind, _, number = name.partition(":")
        if name in TURNS:
            clocks_mhz = {
                node: [one.clock_mhz or 0.0 for one in _capped(self.profiles[kind], cap_mhz)]
                for node, kind in self.nodes.items()
            }
            random = Random(seed)  # noqa: S311 - a seed fixes the run
            return RoundRobinPlacer(most, turn=TURNS[name], clocks_mhz=clocks_mhz, random=random)
        if kind == "interval":
            return RoundRobinPlacer(most, interval_ms=_number(name, number, float))
        if kind == "fixed":
            return RoundRobinPlacer(most, batch_size=_number(name, number, int))
        if name not in LOUDVA:
            raise UsageError(f"policy {echo(name)}: must be one of {', '.join(NAMES)}")
        tables = self.predicted if name == "loudva-predicted" else self.known
        is_mended = name == "loudva"
        costs = {
            node: Costs.of(
                replace(tables[kind], by_clock=_capped(tables[kind], cap_mhz)),
                MOST[kind],
                is_smoothed=is_mended,
            )
            for node, kind in self.nodes.items()
        }
        switch_ms = {node: SWITCH_MS[kind] for node, kind in self.nodes.items()}
        return LoudVAPlacer(costs, replace(self.rules, is_mended=is_mended, switch_ms=switch_ms))


def _capped(table: ModeTable, cap_mhz: float) -> tuple[ModeTable, ...]:
    """Its clocks up to one; the lowest always."""
    return tuple(
        one for one in table.by_clock if one is table.by_clock[0] or (one.clock_mhz or 0) <= cap_mhz
    )


def profiles() -> Tables:
    """The shipped boards."""
    zoo = open_zoo(ZOO)
    paths = {kind: find_profile(zoo, kind, None) for kind in MOST}
    return {
        kind: clock_table(read_latency_file(path, zoo.variants), zoo.variants, MOST[kind])
        for kind, path in paths.items()
        if path is not None
    }


def read_published(path: Path) -> tuple[Tables, Tables]:
    """LoudVA's table, of which the number of requests under way is taken for the batch, as it is there; and predicted from a part of it.

    Raises:
        UsageError: naming what is wrong with the file.
    """
    columns = {
        "Directory": str,
        "Frequency": float,
        "Batch Size": int,
        "Latency": float,
        "Energy": float,
    }
    table = read_tidy_table(path, columns).select(*columns)
    variant = Variant("inception-v3-299", 299, 0.78, 344.1)
    found: list[dict[str, ModeTable]] = [{}, {}]
    for published, kind in PUBLISHED_NAMES.items():
        cells = table.filter(Directory=published).sort("Frequency", "Batch Size").to_numpy()
        if not len(cells):
            raise UsageError(f"{path}: has no rows of {published}")
        hz, n, seconds, joules = cells[:, 1:].astype(float).T
        mhz = hz / 1e6
        known = np.random.default_rng(0).random(len(n)) < KNOWN_RATIO
        places, wanted = (n[known], mhz[known]), (n, mhz)
        predicted_s = Surface(LATENCY, *places, seconds[known]).at(*wanted).middle
        watts = Surface(POWER, *places, (joules / seconds)[known]).at(*wanted).middle
        for tables, times, energies in (
            (found[0], seconds, joules),
            (found[1], predicted_s, watts * predicted_s),
        ):
            rows = tuple(
                LatencyRow(
                    *(variant.name, int(size), 1000 * s, 1000 * s, 1, float(clock)),
                    energy_mj=1000 * j,
                )
                for size, clock, s, j in zip(n, mhz, times, energies, strict=True)
                if size <= MOST[kind]
            )
            file = LatencyFile(ZOO, kind, Method.MEASURED, Fingerprint(kind, 0, ""), "", "", rows)
            tables[kind] = clock_table(file, [variant], MOST[kind])
    return found[0], found[1]


def _number(name: str, text: str, kind: type[N]) -> N:
    try:
        number = kind(text)
    except ValueError:
        number = kind(0)
    if not 0 < number < float("inf"):
        raise UsageError(f"policy {echo(name)}: {text!r} must be a number above 0")
    return number
