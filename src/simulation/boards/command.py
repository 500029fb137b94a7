"""`moonjelly simulate boards`: LoudVA's experiments 1, 3 and 4 under a virtual clock."""

from __future__ import annotations

import argparse
import csv
import itertools
import shlex
import statistics
import sys
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ...core.errors import UsageError
from ...files.whole_file import whole_file
from ...scheduling.placement.loudva import LoudVARules
from ..studies.options import make_folder
from .board import FEBRUARY, SEPTEMBER, TRANSFER_MS
from .load import SECONDS, drawn_load, read_load
from .policies import Setting, profiles, read_published
from .replay import Outcome

ONE = {"agx": "jetson-agx-xavier"}
ALL = ONE | {
    **dict.fromkeys(("nx-0", "nx-1"), "jetson-xavier-nx"),
    **dict.fromkeys(("nano-0", "nano-1"), "jetson-nano"),
}
EARLY = LoudVARules(
    margin_ms=500.0, wait_factor=3.0, num_buffered=0, transfer_ms=TRANSFER_MS[FEBRUARY]
)
LATE = LoudVARules(transfer_ms=TRANSFER_MS[SEPTEMBER])
TIMERS = "interval:200,interval:500,interval:1000,fixed:8,fixed:16,fixed:32"
CAPPED = ",".join(f"{name}@905" for name in ("none", *TIMERS.split(",")))
OURS = "loudva-published,loudva-predicted,loudva"
EXPERIMENTS = {  # boards, rules, caps of the loads (frame/s), loads of each, policies
    1: (ONE, EARLY, (40.0,), 7, f"none,{TIMERS},random,{OURS},{CAPPED}"),
    3: (ALL, LATE, (40.0,), 10, f"round-robin,kind-round-robin,{TIMERS},random,{OURS}"),
    4: (ALL, LATE, (40.0, 50.0, 60.0, 70.0, 80.0), 5, OURS),
}
MAX_LOADS = 1000
WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--experiment",
        type=int,
        choices=EXPERIMENTS,
        default=1,
        help="1: one AGX; 3: an AGX, two NX and two Nanos; 4: the same under rising load; default: %(default)s",
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="CSV",
        help="LoudVA's measured table, for policies to decide by; else they know what boards truly take",
    )
    parser.add_argument(
        "--load",
        nargs="+",
        default=["loudva"],
        metavar="CSV",
        help="scenario files of LoudVA's; loudva, the default, draws such loads",
    )
    parser.add_argument("--num-loads", type=int, metavar="N", help="to draw, for each cap")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--policies",
        metavar="NAME,...",
        help="default: those of the experiment; NAME@MHZ caps clocks",
    )
    parser.add_argument(
        "--controller",
        action="store_true",
        help="count what LoudVA's controller took for each batch, which its scheduler does not know",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/boards"), metavar="DIR", help="default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> int:
    """Plays all loads under all policies, tabulates and draws what came of it."""
    from ...reporting.figures import draw_folder  # noqa: PLC0415 - matplotlib takes a second

    nodes, rules, caps, num_loads, names = EXPERIMENTS[arguments.experiment]
    num_loads = num_loads if arguments.num_loads is None else arguments.num_loads
    if not 1 <= num_loads <= MAX_LOADS:
        raise UsageError(f"--num-loads {num_loads}: must be within 1..{MAX_LOADS}")
    if arguments.seed < 0:
        raise UsageError(f"--seed {arguments.seed}: must not be negative")
    if arguments.load == ["loudva"]:
        seeds = range(arguments.seed, arguments.seed + num_loads)
        loads = {
            f"{cap:g}/{seed}": drawn_load(seed, rules.transfer_ms, most_fps=cap)
            for cap, seed in itertools.product(caps, seeds)
        }
    else:
        loads = {Path(name).stem: read_load(Path(name)) for name in arguments.load}
    true = profiles()
    tables = read_published(arguments.table) if arguments.table else (true, true)
    setting = Setting(nodes, true, *tables, rules, arguments.controller)
    policies = (arguments.policies or names).split(",")
    folder: Path = arguments.out
    make_folder(folder)
    rows = [
        (arguments.experiment, policy, name, setting.play(policy, load, arguments.seed))
        for policy in policies
        for name, load in loads.items()
    ]
    with whole_file(folder / "boards.csv") as draft, draft.open("w", encoding="utf-8") as file:
        file.write(f"# command: {shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("experiment", "policy", "load", "load_fps", *Outcome._fields))
        for experiment, policy, name, found in rows:
            values = (f"{one:.6g}" for one in found)
            writer.writerow((experiment, policy, name, f"{found.frames / SECONDS:.6g}", *values))
    Console(width=WIDTH).print(
        _summary(
            [
                (f"{policy} {load.partition('/')[0]}" if len(caps) > 1 else policy, found)
                for _, policy, load, found in rows
            ]
        )
    )
    paths = draw_folder(folder, folder, ["boards"])
    sys.stdout.write(f"\n{folder / 'boards.csv'}\n" + "".join(f"{path}\n" for path in paths))
    return 0


def _summary(found: list[tuple[str, Outcome]]) -> Table:
    """All loads of a policy together, the first one as the yardstick."""
    table = Table(box=SIMPLE)
    for name in (
        "policy",
        "frames",
        "J",
        "above idle",
        "frames/J",
        "%",
        "in time %",
        "batch",
        "MHz",
    ):
        table.add_column(name, no_wrap=True, justify="left" if name == "policy" else "right")
    first = 0.0
    for policy in dict.fromkeys(name for name, _ in found):
        own = [outcome for name, outcome in found if name == policy]
        frames, joules = sum(one.frames for one in own), sum(one.energy_j for one in own)
        first = first or frames / joules
        in_time = 100 * sum(one.in_time * one.frames for one in own) / frames
        means = [
            statistics.fmean(values, [one.seconds for one in own])
            for values in ([one.mean_batch for one in own], [one.mean_mhz for one in own])
        ]
        table.add_row(
            policy,
            f"{frames}",
            f"{joules:.0f}",
            f"{sum(one.above_idle_j for one in own):.0f}",
            f"{frames / joules:.3f}",
            f"{100 * (frames / joules / first - 1):+.1f}",
            f"{in_time:.1f}",
            f"{means[0]:.1f}",
            f"{means[1]:.0f}",
        )
    return table
