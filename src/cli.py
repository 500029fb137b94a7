"""The command line: `moonjelly COMMAND ...`.

Each command lives with its program, in a module that has `add_arguments(parser)` and
`run(arguments) -> exit status`; it is imported only when it is called, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from . import __version__
from .core.addresses import mask_addresses
from .core.errors import MoonjellyError
from .files.process import allow_many_files, open_standard_streams

COMMANDS = {
    "serve": ("server.command", "start the server"),
    "client": ("client.command", "stream a camera, a file, pictures or a drawn scene to a server"),
    "demo": (
        "demo.command",
        "serve drawn traffic cameras over changing links and report how it went",
    ),
    "figures": ("reporting.command", "draw what the files of a run, an experiment or a zoo allow"),
    "experiment": (
        "experiment_manager.command",
        "run a matrix of experiments, here or on other machines",
    ),
    "plan": ("planning_tool.command", "plan a problem given as a file, or check a folder of them"),
    "simulate": ("simulation.command", "run streams, links and devices under a virtual clock"),
    "profile": ("profiler.command", "measure how long every variant takes on this machine"),
    "zoo": (
        "zoo_tool.command",
        "serve detectors of your own: take them in, check and measure them",
    ),
    "certificate": (
        "server.access.certificate_command",
        "make a certificate for a server of yours",
    ),
    "tenant": ("server.access.tenant_command", "let somebody stream to a server, with a token"),
    "tenants": (
        "kernel_sharing.command",
        "share a replayed device kernel by kernel, between equal time and equal energy",
    ),
}

INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(2, f"{self.prog}: error: {mask_addresses(message)}\n")


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """Builds the parser; options are filled in for `command` alone."""
    parser = _Parser(
        prog="moonjelly",
        description="Soft real-time neural-network inference on live video at the edge.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"moonjelly {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module_name, summary) in COMMANDS.items():
        child = subparsers.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )
        if name == command:
            module = importlib.import_module(f".{module_name}", __package__)
            module.add_arguments(child)
            child.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0, 1 for a failure, 2 for a wrong request."""
    open_standard_streams()  # before anything else takes their numbers
    allow_many_files()  # a connection or a process takes some, and the usual limit is 1024
    os.environ.setdefault(
        "GRPC_VERBOSITY", "NONE"
    )  # we say ourselves what went wrong; read when it is imported
    argv = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in argv if not word.startswith("-")), None)
    try:
        arguments = build_parser(command).parse_args(argv)
        status: int = arguments.run(arguments)
    except MoonjellyError as error:
        sys.stderr.write(f"moonjelly: error: {error}\n")
        return error.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())
