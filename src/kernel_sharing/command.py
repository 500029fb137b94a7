"""`moonjelly tenants`."""

from __future__ import annotations

import argparse

from ..files.actions import add_actions, run_action
from . import load_command, serve_command

ACTIONS = {
    "serve": (serve_command, "replay a device that tenants share kernel by kernel"),
    "load": (
        load_command,
        "ask a shared device for inferences, in threads that each wait for theirs",
    ),
}

run = run_action


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the actions of `moonjelly tenants` and their options."""
    add_actions(parser, ACTIONS)
