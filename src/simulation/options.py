"""Options that several actions of `moonjelly simulate` have."""

from __future__ import annotations

import argparse
from pathlib import Path

from .scenario import Scenario
from .scenario_file import read_scenario


def add_scenario(parser: argparse.ArgumentParser) -> None:
    """Adds the scenario's file and what goes before it."""
    parser.add_argument("scenario", type=Path, metavar="SCENARIO.yaml")
    parser.add_argument("--seed", type=_seed, metavar="N", help="in place of the scenario's")


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number of at least 0")
    return int(text)


def scenario_of(arguments: argparse.Namespace) -> Scenario:
    """Reads the scenario that was asked for; raises UsageError if it is wrong."""
    return read_scenario(arguments.scenario, arguments.seed)
