"""Files of JSON: read as a document, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

from ..core.errors import UsageError
from .document import Document
from .text_file import read_text
from .whole_file import write_whole

MAX_FILE_BYTES = 64 << 20


def read_json(path: Path, most_bytes: int = MAX_FILE_BYTES) -> Document:
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


def write_json(path: Path, values: object) -> None:
    """Writes a JSON file, whole or not at all; NaN and infinity are refused with ValueError."""
    write_whole(path, json.dumps(values, indent=2, allow_nan=False) + "\n")
