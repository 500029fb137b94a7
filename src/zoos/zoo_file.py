"""`zoo.yaml`: what the networks of a zoo are; docs/zoos.md shows every key."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from ..core.zoo import Network, Task, Zoo
from ..files.whole_file import write_whole
from ..files.yaml_file import read_yaml, scalar

ZOO_FILE = "zoo.yaml"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _ZooFile:
    """What a file says; the zoo's name is its folder's."""

    schema: int
    task: Task
    class_names: tuple[str, ...]
    networks: tuple[Network, ...]
    golden: str = ""

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema={self.schema}: must be {SCHEMA}")
        self.named("a")  # checks the rest

    def named(self, name: str) -> Zoo:
        """The zoo of that name."""
        return Zoo(name, self.task, self.class_names, self.networks, self.golden)


def read_zoo_file(folder: Path) -> Zoo:
    """Reads the zoo of a folder.

    Raises:
        UsageError: naming file, line, place, value and rule.
    """
    document = read_yaml(folder / ZOO_FILE)
    file = document.read(_ZooFile)
    with document.blamed():
        return file.named(folder.name)


def write_zoo_file(folder: Path, zoo: Zoo) -> None:
    """Writes the zoo of a folder, whole or not at all; what is as usual is left out."""
    values = {"schema": SCHEMA, **_plain(zoo)}
    del values["name"]
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120)
    write_whole(folder / ZOO_FILE, text)


class _Dumper(yaml.SafeDumper):
    """Puts text into quotes that our reader would take for something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        is_plain = scalar(text) == text
    except ValueError:
        is_plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _represent_text)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field
    """A value as YAML has it, without fields that are at their defaults."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(own)
            for field in dataclasses.fields(value)
            if (own := getattr(value, field.name)) != field.default
        }
    if isinstance(value, Enum):
        return value.value
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
