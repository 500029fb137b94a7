"""Reads the server's options from a YAML file: one mapping, option to value."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import ConfigError, UsageError
from ..devices.discovery import parse_devices
from ..files.yaml_file import (
    entries,
    read_flag,
    read_mapping,
    read_number,
    read_text,
    read_texts,
    read_whole,
)
from .config import ServerConfig


@dataclass(frozen=True, slots=True)
class FileValue:
    """A value, and the line of the file that it stands in, from 1."""

    value: Any
    line: int


def read_config_file(path: Path) -> dict[str, FileValue]:
    """Returns the options that the file gives.

    Raises:
        UsageError: naming file, line, key and rule.
    """
    kinds = {item.name: str(item.type) for item in dataclasses.fields(ServerConfig)}
    found: dict[str, FileValue] = {}
    for key, node, line in entries(path, read_mapping(path), kinds):
        try:
            found[key] = FileValue(READERS[kinds[key]](node), line)
        except ConfigError as error:
            raise UsageError(f"{path}:{line}: {key}: {error.problem}") from None
        except ValueError as error:
            raise UsageError(f"{path}:{line}: {key}: {error}") from None
    return found


def build_config(
    path: Path | None, flags: Mapping[str, Any], *, flag_name: Callable[[str], str] = str
) -> ServerConfig:
    """Puts the options together: flags go over the file, the file over the defaults.

    Args:
        path: the file, if there is one.
        flags: what the command line gives.
        flag_name: how a flag is called there.

    Raises:
        UsageError: naming flag, or file and line, with value and rule.
    """
    from_file = read_config_file(path) if path is not None else {}
    values = {key: one.value for key, one in from_file.items()} | dict(flags)
    try:
        return ServerConfig(**values)
    except ConfigError as error:
        if error.key in from_file and error.key not in flags:
            line = from_file[error.key].line
            raise UsageError(f"{path}:{line}: {error.key}: {error.problem}") from None
        raise UsageError(f"{flag_name(error.key)}: {error.problem}") from None


def _read_devices(node: yaml.Node) -> Any:  # noqa: ANN401 devices, or none for those found
    if isinstance(node, yaml.ScalarNode):
        return parse_devices([read_text(node)])
    return parse_devices(list(read_texts(node)))


READERS: Mapping[str, Callable[[yaml.Node], Any]] = {
    "str": read_text,
    "int": read_whole,
    "float": read_number,
    "bool": read_flag,
    "tuple[str, ...]": read_texts,
    "tuple[DeviceConfig, ...]": _read_devices,
}
