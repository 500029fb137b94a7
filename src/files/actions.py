"""Commands of several actions: a module each, with `add_arguments(parser)` and `run(arguments)`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any


def add_actions(parser: argparse.ArgumentParser, actions: Mapping[str, tuple[Any, str]]) -> None:
    """Adds actions by name, each a module and what it does, and their options."""
    children = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (module, summary) in actions.items():
        child = children.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )
        module.add_arguments(child)
        child.set_defaults(run_action=module.run)


def run_action(arguments: argparse.Namespace) -> int:
    """Runs the action that was asked for; returns the exit status."""
    status: int = arguments.run_action(arguments)
    return status
