"""Reads YAML strictly, as plain values with the lines they stand in.

YAML guesses types and forgives much: `no` is false, `12:30:45` a number, the second of two equal keys
wins. Here a value is text, a decimal number, true or false, and every doubt is an error with file, line
and key.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from ..core.checks import echo
from ..core.errors import UsageError
from .document import Document, Place, in_words
from .text_file import read_text

MAX_FILE_BYTES = 1024 * 1024
MAX_DEPTH = 8

_TEXT = "tag:yaml.org,2002:str"
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[1-9][0-9]*|0)([eE][+-]?[0-9]+)?")
_MOST_DIGITS = 20  # more than any option takes


def read_yaml(path: Path) -> Document:
    """Reads a file that holds one mapping.

    Raises:
        UsageError: naming file, line, key and rule.
    """
    root = _compose(path, read_text(path, MAX_FILE_BYTES))
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{path}:1: must be a mapping of options to values")
    lines: dict[Place, int] = {}
    doubts: dict[Place, str] = {}
    data = _plain(path, root, (), lines, doubts)
    return Document(path, data, lines, doubts=doubts)


def scalar(text: str) -> str | float | bool:
    """What a word stands for that is in no quotes: a decimal number, true, false, or itself.

    Raises:
        ValueError: naming value and rule, if it is a number beyond all others.
    """
    if text in ("true", "false"):
        return text == "true"
    if _WHOLE.fullmatch(text):
        if len(text) > _MOST_DIGITS:
            raise ValueError(f"{echo(text)}: is too large")
        return int(text)
    if _NUMBER.fullmatch(text):
        if math.isinf(number := float(text)):
            raise ValueError(f"{echo(text)}: must be a finite number")
        return number
    return text


def _plain(
    path: Path,
    node: yaml.Node,
    place: Place,
    lines: dict[Place, int],
    doubts: dict[Place, str],
) -> Any:  # noqa: ANN401
    """The value of a node; `lines` and `doubts` get those of all that is in it."""
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            lines[*place, number] = item.start_mark.line + 1
        return [
            _plain(path, one, (*place, number), lines, doubts)
            for number, one in enumerate(node.value)
        ]
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key_node, one in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise UsageError(f"{path}:{line}: a name must be text")
            inside = (*place, key_node.value)
            if inside in lines:
                raise UsageError(
                    f"{path}:{line}: {in_words(inside)}: given before, in line {lines[inside]}"
                )
            lines[inside] = line
            values[key_node.value] = _plain(path, one, inside, lines, doubts)
        return values
    if not isinstance(node, yaml.ScalarNode) or node.style is not None:
        return node.value
    try:
        value = scalar(node.value)
    except ValueError as error:
        raise UsageError(f"{path}:{lines[place]}: {in_words(place)}: {error}") from None
    if value == node.value and node.tag != _TEXT:
        doubts[place] = node.value
        return None
    return value


def _compose(path: Path, text: str) -> yaml.Node | None:
    """Parses; what could explode is refused by its events, before anything is built."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark is not None else 1
            if isinstance(event, yaml.AliasEvent):
                raise UsageError(f"{path}:{line}: aliases are not taken")
            tag = getattr(event, "tag", None)
            if tag is not None:
                raise UsageError(f"{path}:{line}: tags are not taken: {echo(tag)}")
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                depth += 1
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1
            if depth > MAX_DEPTH:
                raise UsageError(f"{path}:{line}: must be nested at most {MAX_DEPTH} deep")
        root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise UsageError(f"{path}:{line}: {problem}") from None
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", "cannot be read")
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise UsageError(f"{path}:{line}: {reason}") from None
    if root is None:
        raise UsageError(f"{path}:1: holds no options")
    return root
