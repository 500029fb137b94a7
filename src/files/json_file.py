"""Reads a file of JSON as a document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

from ..core.errors import UsageError
from .document import Document
from .text_file import read_text


def read_json(path: Path, most_bytes: int) -> Document:
    """Reads a file that holds one value.

    Raises:
        UsageError: naming file, line and rule.
    """
    text = read_text(path, most_bytes)
    try:
        return Document(path, json.loads(text, parse_constant=_refuse))
    except json.JSONDecodeError as error:
        where = f"{error.lineno}:{error.colno}"
        raise UsageError(f"{path}:{where}: must be JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{path}: must be JSON: {error}") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
