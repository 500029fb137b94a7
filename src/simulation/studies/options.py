"""Options that both studies have."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from ...core.errors import UsageError
from ...scheduling.planning.registry import PLANNERS, check_planner
from .instances import Size

MAX_INSTANCES = 100_000
MAX_DEVICES = 1000
MAX_WORKERS = 256


def add_study_options(
    parser: argparse.ArgumentParser,
    *,
    out: str,
    devices: str,
    clients: str,
    num_instances: int,
) -> None:
    """Adds the options with a study's defaults."""
    parser.add_argument(
        "--planners",
        default="sa-dp,pricing",
        metavar="NAME,...",
        help=f"of {', '.join(sorted(PLANNERS))}; default: %(default)s",
    )
    parser.add_argument(
        "--devices",
        default=devices,
        metavar="N,...",
        help="numbers of devices; default: %(default)s",
    )
    parser.add_argument(
        "--clients",
        default=clients,
        metavar="N,...",
        help="numbers of clients for each device; default: %(default)s",
    )
    parser.add_argument(
        "--instances",
        type=int,
        default=num_instances,
        metavar="N",
        help="random instances of each size; default: %(default)s",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that share the instances; default: %(default)s",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(out),
        metavar="DIR",
        help="of the table and its figure; a table that is there is continued; default: %(default)s",
    )


def planners_of(arguments: argparse.Namespace) -> list[str]:
    """The planners asked for.

    Raises:
        UsageError: if there is no such planner.
    """
    try:
        return [check_planner(name) for name in arguments.planners.split(",")]
    except ValueError as error:
        raise UsageError(f"--planners: {error}") from None


def sizes_of(arguments: argparse.Namespace) -> list[Size]:
    """The sizes asked for, rising.

    Raises:
        UsageError: naming an option whose value is out of bounds.
    """
    _require("--instances", arguments.instances, 1, MAX_INSTANCES)
    _require("--seed", arguments.seed, 0, 2**63 - 1)
    _require("--workers", arguments.workers, 1, MAX_WORKERS)
    devices = _counts("--devices", arguments.devices)
    clients = _counts("--clients", arguments.clients)
    return sorted(Size(*pair) for pair in itertools.product(devices, clients))


def make_folder(folder: Path) -> None:
    """Makes the output folder.

    Raises:
        UsageError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}") from None


def _require(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UsageError(f"{name} {value}: must be within {least}..{most}")


def _counts(name: str, text: str) -> set[int]:
    words = text.split(",")
    if not all(word.isascii() and word.isdigit() and len(word) < 8 for word in words):  # noqa: PLR2004
        raise UsageError(f"{name} {text!r}: must be whole numbers with commas between them")
    for word in words:
        _require(name, int(word), 1, MAX_DEVICES)
    return set(map(int, words))
