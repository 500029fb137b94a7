"""`moonjelly simulate sharing`: shares of time and energy against phi, beside what the closed form entitles to."""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.checks import echo, require_count, require_positive
from ...core.errors import UsageError
from ...core.kernels import KernelModel
from ...files.whole_file import whole_file
from ...scheduling.sharing.client_word import parse_client
from ...scheduling.sharing.slices import require_phi
from ...scheduling.sharing.usage import Usage
from ...zoos.kernels import read_kernel_folder, shipped_kernels
from ..sharing import ClosedLoop, entitled_shares, measured_shares, run_closed_loops
from .options import make_folder

DEFAULT_CLIENTS = ("resnet50@1300.5", "resnet50@726.75")
DEFAULT_PHIS = "1,0.9,0.8,0.7,0.6,0.5,0.4,0.3,0.2,0.1,0"
US_PER_S = 1_000_000
MOST_SECONDS = 3600.0
MOST_QUANTUM_US = 10 * US_PER_S
MOST_THREADS = 1000
TABLE = "sharing"
COLUMNS = (
    "phi", "client", "clock_mhz", "priority", "finished", "time_us", "energy_uj",
    "time_share", "energy_share", "entitled_time_share", "entitled_energy_share",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamedLoop:
    """A client with the name that it has in tables."""

    name: str
    loop: ClosedLoop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "clients",
        nargs="*",
        default=DEFAULT_CLIENTS,
        metavar="NETWORK@MHZ[:PRIORITY]",
        help="who shares the device: a kernel profile of the folder, the clock it asks for, and a priority of "
        "-20 (highest) to 19, by default 0; default: " + " ".join(DEFAULT_CLIENTS),
    )
    parser.add_argument(
        "--kernels",
        type=Path,
        default=shipped_kernels(),
        metavar="DIR",
        help="of kernel profiles, NETWORK.json; default: those of a Jetson TX2 that come along",
    )
    parser.add_argument(
        "--phi", default=DEFAULT_PHIS, metavar="PHI,...", help="default: %(default)s"
    )
    parser.add_argument(
        "--quantum-us", type=int, default=40_000, metavar="US", help="default: %(default)s"
    )
    parser.add_argument(
        "--threads", type=int, default=2, metavar="N", help="of each client; default: %(default)s"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="of each run; default: %(default)g"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/sharing"),
        metavar="DIR",
        help="of the table and its figure; default: %(default)s",
    )


def run(arguments: argparse.Namespace) -> int:
    """Plays the clients with each phi, writes and draws the table; returns the exit status."""
    from ...reporting.figures import draw_folder  # noqa: PLC0415 - matplotlib takes a second

    try:
        require_count("--quantum-us", arguments.quantum_us, MOST_QUANTUM_US)
        require_count("--threads", arguments.threads, MOST_THREADS)
        require_positive("--seconds", arguments.seconds, MOST_SECONDS)
    except ValueError as error:
        raise UsageError(str(error).replace("=", " ", 1)) from None
    phis = [_phi(word) for word in arguments.phi.split(",")]
    networks = read_kernel_folder(arguments.kernels)
    clients = []
    for number, word in enumerate(arguments.clients):
        client = named_loop(word, networks, arguments.threads)
        before = arguments.clients[:number].count(word)
        clients.append(replace(client, name=f"{word} #{before + 1}") if before else client)
    make_folder(arguments.out)
    path = arguments.out / f"{TABLE}.csv"
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# command: {command}\n")
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for phi in phis:
            loops = [one.loop for one in clients]
            until_us = int(arguments.seconds * US_PER_S)
            usages = run_closed_loops(loops, arguments.quantum_us, phi, until_us=until_us)
            for row in sharing_rows(clients, phi, usages):
                writer.writerow(row)
                sys.stdout.write(_line(row))
    paths = draw_folder(arguments.out, arguments.out, [TABLE])
    sys.stdout.write(f"\n{path}\n" + "".join(f"{one}\n" for one in paths))
    return 0


def sharing_rows(
    clients: Sequence[NamedLoop], phi: float, usages: Sequence[Usage]
) -> Iterator[Mapping[str, object]]:
    """Rows of the table, one for each client, of what was used when they shared a device."""
    shares = measured_shares(usages)
    entitled = entitled_shares([one.loop for one in clients], phi)
    for k, (client, usage) in enumerate(zip(clients, usages, strict=True)):
        yield {
            "phi": f"{phi:g}",
            "client": client.name,
            "clock_mhz": f"{client.loop.model.clock_mhz:g}",
            "priority": client.loop.priority,
            "finished": usage.finished,
            "time_us": usage.time_us,
            "energy_uj": usage.energy_uj,
            "time_share": f"{shares.time[k]:.6f}",
            "energy_share": f"{shares.energy[k]:.6f}",
            "entitled_time_share": f"{entitled.time[k]:.6f}",
            "entitled_energy_share": f"{entitled.energy[k]:.6f}",
        }


def _line(row: Mapping[str, object]) -> str:
    time, energy, own_time, own_energy = (
        f"{100 * float(str(row[name])):5.1f}"
        for name in ("time_share", "energy_share", "entitled_time_share", "entitled_energy_share")
    )
    return (
        f"phi {row['phi']:>4}  {row['client']}: {row['finished']} inferences, "
        f"{time} % of the time ({own_time} entitled), {energy} % of the energy ({own_energy})\n"
    )


def _phi(word: str) -> float:
    try:
        return require_phi(float(word))
    except ValueError:
        raise UsageError(f"--phi {echo(word)}: must be a number within 0..1") from None


def named_loop(
    word: str, networks: Mapping[str, Mapping[float, KernelModel]], threads: int
) -> NamedLoop:
    """A client as the command line names it.

    Raises:
        UsageError: naming it, and what it must be.
    """
    try:
        asked = parse_client(word)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if asked.network not in networks:
        raise UsageError(f"{echo(word)}: NETWORK must be one of {', '.join(networks)}")
    models = networks[asked.network]
    if asked.clock_mhz not in models:
        known = ", ".join(f"{one:g}" for one in models)
        raise UsageError(f"{echo(word)}: MHZ must be one of {known}")
    return NamedLoop(word, ClosedLoop(models[asked.clock_mhz], asked.priority, threads))
