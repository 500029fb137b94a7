"""Shares of a device's time and energy under Energy Time Fairness: measured, live and simulated, beside the closed form.

* E1, the same network at two clocks; E2, two networks at one clock; E3, priorities 0 and 5: shares over phi, of each
  client with two threads, into `sharing.csv`.
* E4, one that comes and goes: shares of the device's time in windows, into `arrival.csv`.

Live is `moonjelly tenants serve` and `load` on loopback, in this process.

    python benchmarks/energy_time_fairness.py [--seconds 10] [--out FOLDER]
    moonjelly figures FOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from moonjelly.core.kernels import KernelModel
from moonjelly.kernel_sharing.load import run_loads
from moonjelly.kernel_sharing.serving import Serving, serve
from moonjelly.scheduling.sharing.client_word import parse_client
from moonjelly.scheduling.sharing.usage import Usage
from moonjelly.scheduling.sharing.weights import weight_of
from moonjelly.simulation.sharing import entitled_shares, run_closed_loops
from moonjelly.simulation.studies.sharing_command import NamedLoop, named_loop, sharing_rows
from moonjelly.zoos.kernels import read_kernel_folder, shipped_kernels

EXPERIMENTS = {
    "E1 two clocks": ("resnet50@1300.5", "resnet50@726.75"),
    "E2 two networks": ("resnet18@1300.5", "resnet50@1300.5"),
    "E3 priorities 0 and 5": ("resnet50@1300.5", "resnet50@726.75:5"),
}
PHIS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
LIVE_PHIS = (1.0, 0.7, 0.4, 0.0)
QUANTUM_US, THREADS = 40_000, 2
SIMULATED_US = 60_000_000
ARRIVAL_PHI, COMES_US, GOES_US, END_US, WINDOW_US = 0.7, 2_000_000, 4_000_000, 6_000_000, 200_000

Profiles = Mapping[str, Mapping[float, KernelModel]]
Row = dict[str, object]


def main() -> int:
    """Measures everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each live run")
    parser.add_argument("--out", type=Path, default=Path("runs/energy_time_fairness"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    profiles = read_kernel_folder(shipped_kernels())
    rows = list(over_phi(profiles, arguments.seconds))
    write(arguments.out / "sharing.csv", rows)
    report(rows)
    write(arguments.out / "arrival.csv", list(arrival(profiles)))
    return 0


def over_phi(profiles: Profiles, live_s: float) -> Iterable[Row]:
    """Runs E1 to E3."""
    for experiment, words in EXPERIMENTS.items():
        clients = [named_loop(word, profiles, THREADS) for word in words]
        loops = [one.loop for one in clients]
        for phi in PHIS:
            usages = run_closed_loops(loops, QUANTUM_US, phi, until_us=SIMULATED_US)
            for row in sharing_rows(clients, phi, usages):
                yield {"experiment": experiment, "how": "simulated", **row}
        for phi in LIVE_PHIS:
            usages = asyncio.run(live(profiles, words, phi, live_s))
            for row in sharing_rows(clients, phi, usages):
                yield {"experiment": experiment, "how": "live", **row}


async def live(profiles: Profiles, words: Sequence[str], phi: float, seconds: float) -> list[Usage]:
    """Serves clients by the wall clock; returns what each used."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = Serving(profiles, {}, QUANTUM_US, phi)
    server = asyncio.create_task(serve(serving, ready.set_result))
    clients = [parse_client(word) for word in words]
    results = await run_loads(await ready, clients, THREADS, seconds, asyncio.Event())
    server.cancel()
    if failure := next((one.failure for one in results if one.failure), ""):
        raise SystemExit(failure)
    return [one.usage for one in await server]


def arrival(profiles: Profiles) -> Iterable[Row]:
    """Runs E4."""
    clients = [named_loop(word, profiles, THREADS) for word in EXPERIMENTS["E1 two clocks"]]
    coming = replace(clients[1].loop, start_us=COMES_US, end_us=GOES_US)
    clients[1] = NamedLoop(clients[1].name, coming)
    used_us = [[0.0] * (END_US // WINDOW_US) for _ in clients]

    def count(end_us: int, owner: int, took_us: int) -> None:
        start_us = end_us - took_us
        while start_us < min(end_us, END_US):  # a kernel may lie in two windows
            window = start_us // WINDOW_US
            until_us = min(end_us, (window + 1) * WINDOW_US)
            used_us[owner][window] += until_us - start_us
            start_us = until_us

    loops = [one.loop for one in clients]
    run_closed_loops(loops, QUANTUM_US, ARRIVAL_PHI, until_us=END_US, on_kernel=count)
    both = entitled_shares(loops, ARRIVAL_PHI).time
    for owner, client in enumerate(clients):
        for window, window_us in enumerate(used_us[owner]):
            end_us = (window + 1) * WINDOW_US
            is_shared = COMES_US < end_us <= GOES_US
            yield {
                "end_s": f"{end_us / 1e6:g}",
                "client": client.name,
                "window_time_share": f"{window_us / WINDOW_US:.6f}",
                "entitled_time_share": f"{both[owner] if is_shared else 1.0 - owner:.6f}",
            }


def report(rows: Sequence[Row]) -> None:
    """Prints how far from equal time and equal energy, by weight, and how far off the closed form, each run was."""
    print("experiment              how        phi   time   energy   off by")
    for experiment in EXPERIMENTS:
        for how, phis in (("simulated", PHIS), ("live", LIVE_PHIS)):
            for phi in phis:
                chosen = (experiment, how, f"{phi:g}")
                own = [row for row in rows if (row["experiment"], row["how"], row["phi"]) == chosen]
                off = max(
                    abs(float(str(row["time_share"])) - float(str(row["entitled_time_share"])))
                    for row in own
                )
                print(
                    f"{experiment:22s}  {how:9s}  {phi:4g}  {_ratio(own, 'time_us'):5.2f}  {_ratio(own, 'energy_uj'):6.2f}  "
                    f"{100 * off:5.2f} points"
                )


def _ratio(rows: Sequence[Row], what: str) -> float:
    by_weight = [int(str(row[what])) / weight_of(int(str(row["priority"]))) for row in rows]
    return max(by_weight) / min(by_weight)


def write(path: Path, rows: Sequence[Row]) -> None:
    """Writes a table with the command on top."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# command: {shlex.join(['python', *sys.argv])}\n")
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
