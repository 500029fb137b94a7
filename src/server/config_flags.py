"""The server's options as a file and flags of a command line, made from `ServerConfig`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from ..core.errors import UsageError
from ..files.document import Document, given_type
from ..files.yaml_file import read_yaml, scalar
from .config import ServerConfig

FLAGS = "config_flags"  # where the namespace keeps what was given
_KINDS = {int: "N", float: "X", tuple: "NAME,...", str: "TEXT"}


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
    hints = get_type_hints(ServerConfig, include_extras=True)
    for item in dataclasses.fields(ServerConfig):
        wanted, given = hints[item.name], given_type(hints[item.name])
        text = item.metadata["help"].replace("%", "%%")
        if given is bool:
            group.add_argument(flag_name(item.name), action=_Once, nargs=0, help=text)
            continue
        if item.default not in ("", ()):
            shown = f"{item.default:.12g}" if given is float else str(item.default)
            text += f" (default {shown})"
        kind = get_origin(given) or given
        group.add_argument(
            flag_name(item.name),
            action=_Once,
            nargs="+" if _is_in_words(wanted) else None,
            metavar=item.metadata["metavar"] or _KINDS[kind],
            help=text,
        )


def config_from_flags(arguments: argparse.Namespace) -> ServerConfig:
    """Puts file and flags together.

    Raises:
        UsageError: naming flag, or file and line, with value and rule.
    """
    return read_config(arguments.config, getattr(arguments, FLAGS, None) or {})


def read_config(path: Path | None, flags: Mapping[str, Any] | None = None) -> ServerConfig:
    """Puts the options together: flags go over the file, the file over the defaults.

    Args:
        path: the file, if there is one.
        flags: options as a command line gives them, by name.

    Raises:
        UsageError: naming flag, or file and line, with value and rule.
    """
    hints = get_type_hints(ServerConfig, include_extras=True)
    data = {name: _value(name, text, hints[name]) for name, text in (flags or {}).items()}
    given = Document(None, data, flags={name: flag_name(name) for name in data})
    return (given if path is None else given.over(read_yaml(path))).read(ServerConfig)


def flag_name(option: str) -> str:
    """The flag of an option."""
    return f"--{option.replace('_', '-')}"


def to_arguments(given: Mapping[str, Any]) -> list[str]:
    """Words of a command line that give options, by name, with their values as flags hold them."""
    words: list[str] = []
    hints = get_type_hints(ServerConfig, include_extras=True)
    for name, value in given.items():
        if value is True:
            words.append(flag_name(name))
        elif value is False or value == ():
            continue  # as it is without the flag
        elif _is_in_words(hints[name]):
            words += [flag_name(name), *value]
        else:
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            words += [flag_name(name), text]
    return words


def _is_in_words(wanted: Any) -> bool:  # noqa: ANN401 any type
    """Whether an option is several words: what is made of texts, which may have commas inside."""
    return get_origin(given_type(wanted)) is tuple and hasattr(wanted, "__metadata__")


def _value(name: str, text: Any, wanted: Any) -> Any:  # noqa: ANN401 any value, any type
    given = given_type(wanted)
    if given in (int, float):
        try:
            return scalar(text)
        except ValueError as error:
            raise UsageError(f"{flag_name(name)}: {error}") from None
    is_listed = get_origin(given) is tuple and not _is_in_words(wanted)
    return text.split(",") if is_listed else text
