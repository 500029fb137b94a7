"""Settings of the kernel: files of one short line, which may be gone or not ours. All raise RunError, naming the file."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.checks import echo
from ..core.errors import RunError

SYS = Path("/sys")


def read_setting(path: Path) -> str:
    """The text of a file."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None


def read_counts(path: Path) -> list[int]:
    """The whole numbers in a file, at least one."""
    text = read_setting(path)
    if not text or not all(word.isdecimal() for word in text.split()):
        raise RunError(f"{path}: holds {echo(text)}, not whole numbers")
    return [int(word) for word in text.split()]


def read_count(path: Path) -> int:
    """The first whole number in a file."""
    return read_counts(path)[0]


def write_setting(path: Path, text: str) -> None:
    """Writes to a file that is there."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), "wb", 0) as file:
            file.write(text.encode())
    except OSError as error:
        hint = "; only root may set it" if isinstance(error, PermissionError) else ""
        raise RunError(f"{path}: does not take {echo(text)}: {error.strerror}{hint}") from None
