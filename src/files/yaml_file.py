"""Reads YAML strictly: mappings of known keys, values by wanted type.

YAML guesses types and forgives much: `no` is false, `12:30:45` a number, the second of two equal keys
wins. Here every value is read by the type of its option, and every doubt is an error with file, line
and key. The readers of values raise `ValueError` with value and rule.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

import yaml

from ..core.checks import echo
from ..core.errors import UsageError

MAX_FILE_BYTES = 1024 * 1024
MAX_DEPTH = 8
MAX_LIST_LENGTH = 4096

_TEXT = "tag:yaml.org,2002:str"
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_mapping(path: Path) -> yaml.MappingNode:
    """Reads a file that holds one mapping.

    Raises:
        UsageError: naming file, line and rule.
    """
    root = _compose(path, _read(path))
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{path}:1: must be a mapping of options to values")
    return root


def entries(
    path: Path, mapping: yaml.MappingNode, known: Collection[str]
) -> Iterator[tuple[str, yaml.Node, int]]:
    """Goes through a mapping: key, value and line of the key.

    Raises:
        UsageError: naming file, line and key, if a key is not known or given twice.
    """
    lines: dict[str, int] = {}
    for key_node, node in mapping.value:
        line = key_node.start_mark.line + 1
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None or key not in known:
            raise UsageError(f"{path}:{line}: {echo(key)}: no such option{nearest(key, known)}")
        if key in lines:
            raise UsageError(f"{path}:{line}: {key}: given before, in line {lines[key]}")
        lines[key] = line
        yield key, node, line


def _read(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no path"
        raise UsageError(f"{path}: cannot be read: {reason}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{path}: must be a file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{path}: must be at most {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: must be text in UTF-8") from None


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


def nearest(key: object, known: Collection[str]) -> str:
    """Ends a complaint about an unknown name with the one that was probably meant."""
    near = difflib.get_close_matches(str(key), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _scalar(node: yaml.Node, rule: str) -> yaml.ScalarNode:
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError(f"must be {rule}, not a list or mapping")  # noqa: TRY004 one class for the reader
    return node


def read_text(node: yaml.Node) -> str:
    """Reads a text; what YAML would take for something else must be quoted."""
    scalar = _scalar(node, "text")
    if scalar.tag != _TEXT:
        raise ValueError(f"{echo(scalar.value)}: must be text; put it in quotes")
    return str(scalar.value)


def read_whole(node: yaml.Node) -> int:
    """Reads a whole number in decimal digits."""
    scalar = _scalar(node, "a whole number")
    if scalar.style is not None or not _WHOLE.fullmatch(scalar.value):
        raise ValueError(f"{echo(scalar.value)}: must be a whole number")
    return _limited_int(scalar.value)


def _limited_int(text: str) -> int:
    if len(text) > 20:  # noqa: PLR2004 more digits than any option takes
        raise ValueError(f"{echo(text)}: is too large")
    return int(text)


def read_number(node: yaml.Node) -> float:
    """Reads a finite number."""
    scalar = _scalar(node, "a number")
    if scalar.style is not None or not _NUMBER.fullmatch(scalar.value):
        raise ValueError(f"{echo(scalar.value)}: must be a number")
    value = float(scalar.value)
    if not math.isfinite(value):
        raise ValueError(f"{echo(scalar.value)}: must be a finite number")
    return value


def read_flag(node: yaml.Node) -> bool:
    """Reads true or false."""
    scalar = _scalar(node, "true or false")
    if scalar.style is not None or scalar.value not in ("true", "false"):
        raise ValueError(f"{echo(scalar.value)}: must be true or false")
    return bool(scalar.value == "true")


def read_texts(node: yaml.Node) -> tuple[str, ...]:
    """Reads a list of texts."""
    if not isinstance(node, yaml.SequenceNode):
        raise ValueError("must be a list of texts")  # noqa: TRY004 one class for the reader
    if len(node.value) > MAX_LIST_LENGTH:
        raise ValueError(f"must list at most {MAX_LIST_LENGTH}")
    return tuple(read_text(one) for one in node.value)
