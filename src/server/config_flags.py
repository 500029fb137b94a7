"""The server's options as flags of a command line, made from `ServerConfig`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.checks import echo
from ..core.errors import ConfigError, UsageError
from ..devices.config import DeviceConfig
from ..devices.discovery import parse_devices
from .config import ServerConfig
from .config_file import build_config

FLAGS = "config_flags"  # where the namespace keeps what was given


class _Once(argparse.Action):
    """Remembers an option that is given at most once; nothing is stored for one that is not."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        given = getattr(namespace, FLAGS, None)
        if given is None:
            given = {}
            setattr(namespace, FLAGS, given)
        if self.dest in given:
            parser.error(f"argument {option_string}: given twice")
        given[self.dest] = True if self.nargs == 0 else values


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--config FILE` and a flag for each option."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file with any of the options below"
    )
    group = parser.add_argument_group("options of the server")
    for item in dataclasses.fields(ServerConfig):
        text = item.metadata["help"].replace("%", "%%")
        kind = str(item.type)
        if kind == "bool":
            group.add_argument(flag_name(item.name), action=_Once, nargs=0, help=text)
            continue
        shown = f"{item.default:.12g}" if kind == "float" else str(item.default)
        if item.default not in ("", ()):
            text += f" (default {shown})"
        group.add_argument(
            flag_name(item.name),
            action=_Once,
            type=_TYPES.get(kind, str),
            nargs="+" if kind == "tuple[DeviceConfig, ...]" else None,
            metavar=_METAVARS.get(item.name, _KINDS.get(kind, "TEXT")),
            help=text,
        )


def config_from_flags(arguments: argparse.Namespace) -> ServerConfig:
    """Puts file and flags together.

    Raises:
        UsageError: naming flag, or file and line, with value and rule.
    """
    flags: dict[str, Any] = dict(getattr(arguments, FLAGS, None) or {})
    if "devices" in flags:
        flags["devices"] = _devices(flags["devices"])
    return build_config(arguments.config, flags, flag_name=flag_name)


def flag_name(option: str) -> str:
    """The flag of an option."""
    return f"--{option.replace('_', '-')}"


def to_arguments(given: Mapping[str, Any]) -> list[str]:
    """Words of a command line that give options, by name, with their values as flags hold them."""
    words: list[str] = []
    for name, value in given.items():
        if value is True:
            words.append(flag_name(name))
        elif value is False or value == ():
            continue  # as it is without the flag
        elif name == "devices":
            words += [flag_name(name), *value]
        else:
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            words += [flag_name(name), text]
    return words


def _devices(texts: list[str]) -> tuple[DeviceConfig, ...]:
    try:
        return parse_devices(texts)
    except ConfigError as error:
        raise UsageError(f"{flag_name(error.key)}: {error.problem}") from None


def _whole(text: str) -> int:
    if not (text.isascii() and text.lstrip("+-").isdigit() and len(text) <= 20):  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{echo(text)}: must be a whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text if "_" not in text else "")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{echo(text)}: must be a number") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


_TYPES: dict[str, Callable[[str], Any]] = {
    "int": _whole,
    "float": _number,
    "tuple[str, ...]": _names,
}
_KINDS = {"int": "N", "float": "X", "tuple[str, ...]": "NAME,..."}
_METAVARS = {"devices": "DEVICE", "out_dir": "FOLDER", "profiles_dir": "FOLDER"}
