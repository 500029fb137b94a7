"""`moonjelly simulate`: one module an action, each with `add_arguments(parser)` and `run(arguments)`."""

from __future__ import annotations

import argparse

from . import capacity_command, run_command
from .boards import command as boards_command
from .studies import compare_command, sharing_command, timings_command

ACTIONS = {
    "run": (run_command, "simulate a scenario and report as of a live run"),
    "capacity": (capacity_command, "tell how many more streams fit, or which devices are needed"),
    "boards": (boards_command, "compare LoudVA's scheduler with its rivals on boards with clocks"),
    "compare": (compare_command, "compare planners with the proved optimum on random instances"),
    "timings": (timings_command, "measure how long planners take on random instances"),
    "sharing": (sharing_command, "share a device between tenants, from equal time to equal energy"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the actions of `moonjelly simulate` and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (module, summary) in ACTIONS.items():
        child = actions.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )
        module.add_arguments(child)
        child.set_defaults(run_action=module.run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the action that was asked for; returns the exit status."""
    status: int = arguments.run_action(arguments)
    return status
