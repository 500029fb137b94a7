"""`moonjelly simulate`."""

from __future__ import annotations

import argparse

from ..files.actions import add_actions, run_action
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

run = run_action


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the actions of `moonjelly simulate` and their options."""
    add_actions(parser, ACTIONS)
