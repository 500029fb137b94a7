"""`moonjelly tenants`: one module an action, each with `add_arguments(parser)` and `run(arguments)`."""

from __future__ import annotations

import argparse

from . import load_command, serve_command

ACTIONS = {
    "serve": (serve_command, "replay a device that tenants share kernel by kernel"),
    "load": (
        load_command,
        "ask a shared device for inferences, in threads that each wait for theirs",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the actions of `moonjelly tenants` and their options."""
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
