"""`moonjelly tenants serve`: replays a device that tenants share kernel by kernel."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Collection
from pathlib import Path

from ..core.addresses import is_loopback
from ..core.checks import echo, require_count
from ..core.errors import UsageError
from ..scheduling.sharing.slices import require_phi
from ..zoos.kernels import read_kernel_folder, shipped_kernels
from .computing import read_networks
from .device import LoadedModel
from .serving import Serving, serve

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 10086
LAST_PORT = 65535
MOST_QUANTUM_US = 1_000_000
READY_PREFIX = "moonjelly: sharing at "
COLUMNS = ("model", "entity", "network", "clock (MHz)", "inferences", "time (us)", "energy (uJ)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add = parser.add_argument
    add(
        "--phi",
        type=float,
        default=0.7,
        help="1 divides time by weight, 0 energy by weight; default: %(default)g",
    )
    add(
        "--quantum-us",
        type=int,
        default=40_000,
        metavar="US",
        help="that all slices add up to; default: %(default)s",
    )
    add(
        "--kernels",
        type=Path,
        default=shipped_kernels(),
        metavar="DIR",
        help="of kernel profiles, NETWORK.json; a NETWORK.onnx beside one computes what tensors are sent for; default: those "
        "of a Jetson TX2 that come along",
    )
    add("--host", default=DEFAULT_HOST, help="a loopback address; default: %(default)s")
    add(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        metavar="N",
        help="0 for any free one; default: %(default)s",
    )
    add("--inferences", type=int, metavar="N", help="end after so many have finished")


def run(arguments: argparse.Namespace) -> int:
    """Serves until a signal, then writes what each model took; returns the exit status."""
    if not is_loopback(arguments.host):
        raise UsageError(
            f"--host {echo(arguments.host)}: must be a loopback address, for nobody is asked who he is"
        )
    if not 0 <= arguments.port <= LAST_PORT:
        raise UsageError(f"--port {arguments.port}: must be a whole number within 0..{LAST_PORT}")
    try:
        require_count("--quantum-us", arguments.quantum_us, MOST_QUANTUM_US)
        if arguments.inferences is not None:
            require_count("--inferences", arguments.inferences)
        require_phi(arguments.phi)
    except ValueError as error:
        raise option_error(error) from None
    profiles = read_kernel_folder(arguments.kernels)
    serving = Serving(
        profiles,
        read_networks(arguments.kernels, profiles),
        arguments.quantum_us,
        arguments.phi,
        arguments.host,
        arguments.port,
        arguments.inferences,
    )
    models = asyncio.run(serve(serving, _tell_ready))
    sys.stdout.write(usage_table(models))
    return 0


def option_error(error: ValueError) -> UsageError:
    """The complaint about an option's value, to be raised."""
    return UsageError(f"--{str(error).removeprefix('--').replace('=', ' ', 1)}")


def usage_table(models: Collection[LoadedModel]) -> str:
    """What finished inferences took, a row for each model."""
    rows = [
        COLUMNS,
        *(
            (
                str(one.mid),
                str(one.owner),
                one.network,
                f"{one.model.clock_mhz:g}",
                str(one.usage.finished),
                str(one.usage.time_us),
                str(one.usage.energy_uj),
            )
            for one in models
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + "\n"
        for row in rows
    )


def _tell_ready(address: str) -> None:
    sys.stdout.write(f"{READY_PREFIX}{address}\n")
    sys.stdout.flush()
