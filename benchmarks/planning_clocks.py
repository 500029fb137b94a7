"""What clocks cost planning: the same problems with and without 14 clocks a device, in turns, in one run.

    python benchmarks/planning_clocks.py --out benchmarks/results/planning_clocks.csv

Problems are of the published kind (16 sides of one network, batches up to 8), at their rates and at half of them; devices get clocks by formulas with the exponents
of an AGX Xavier: time goes with clock^-0.9, power above idle is a floor and a part that goes with clock^2.2.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random

from moonjelly.core.mode import ModeTable
from moonjelly.core.problem import Problem
from moonjelly.scheduling.planning.registry import planner
from moonjelly.scheduling.planning.rules import violations
from moonjelly.simulation.studies.families import FAMILIES, draw_named

CLOCKS_MHZ = (114, 216, 318, 421, 523, 675, 828, 905, 1032, 1198, 1237, 1338, 1352, 1377)
IDLE_W, FLOOR_W, DYNAMIC_W = 5.0, 4.0, 22.0
TIME_EXPONENT, POWER_EXPONENT = -0.9, 2.2
PRICES = (0.01, 0.03, 0.1, 0.3)  # accuracy of a joule; a frame takes 0.1 to 1 J
PAPER = next(one for one in FAMILIES if one.name == "paper")


def with_clocks(table: ModeTable) -> ModeTable:
    """The table, which is that at the highest clock, with all the others."""

    def at(clock_mhz: float) -> ModeTable:
        part = clock_mhz / CLOCKS_MHZ[-1]
        above_idle_w = FLOOR_W + DYNAMIC_W * part**POWER_EXPONENT
        rows = tuple(tuple(ms * part**TIME_EXPONENT for ms in row) for row in table.p99_rows_ms)
        joules = tuple(
            tuple(above_idle_w * ms / size for size, ms in enumerate(row, 1)) for row in rows
        )
        return ModeTable(rows, above_idle_rows_mj=joules, idle_w=IDLE_W, clock_mhz=clock_mhz)

    tables = tuple(map(at, CLOCKS_MHZ))
    return replace(tables[-1], clock_mhz=None, by_clock=tables)


def timed(problem: Problem) -> tuple[float, float]:
    """Processor time of a first plan (ms), and of the next one after one link has changed."""
    chosen = planner("pricing")
    started = time.process_time()
    plan = chosen.plan(problem, None, Random(0))
    first_ms = 1000 * (time.process_time() - started)
    if broken := violations(problem, plan):
        raise SystemExit(f"the plan breaks a rule: {broken[0]}")
    stream = problem.streams[0]
    changed = replace(stream, bandwidth_kbps=0.6 * stream.bandwidth_kbps)
    again = replace(problem, streams=(changed, *problem.streams[1:]))
    started = time.process_time()
    chosen.plan(again, plan, Random(0))
    return first_ms, 1000 * (time.process_time() - started)


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--devices", type=int, default=16)
    parser.add_argument("--clients", type=int, default=160)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    rows = []
    for seed, load in product(range(1, arguments.seeds + 1), (1.0, 0.5)):
        _, full = draw_named(PAPER, arguments.devices, arguments.clients, seed)
        streams = tuple(replace(one, fps=load * one.fps) for one in full.streams)
        plain = replace(full, streams=streams)
        tables = {name: with_clocks(table) for name, table in plain.tables.items()}
        for price in PRICES:
            clocked = replace(plain, tables=tables, price_per_joule=price)
            without_ms, without_again_ms = timed(plain)
            with_ms, with_again_ms = timed(clocked)
            rows.append(
                {
                    "seed": seed, "load": load, "price_per_joule": price,
                    "without_ms": without_ms, "with_ms": with_ms,
                    "without_again_ms": without_again_ms, "with_again_ms": with_again_ms,
                }
            )  # fmt: skip
            print(" ".join(f"{name}={value:.4g}" for name, value in rows[-1].items()), flush=True)
    for kind in ("", "_again"):
        without = sum(row[f"without{kind}_ms"] for row in rows)
        ratio = sum(row[f"with{kind}_ms"] for row in rows) / without
        worst = max(row[f"with{kind}_ms"] / row[f"without{kind}_ms"] for row in rows)
        print(f"{kind[1:] or 'first'}: {ratio:.2f} times as long in all, at worst {worst:.2f}")
    if arguments.out:
        with arguments.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
