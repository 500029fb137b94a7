"""Reads whole files that a stranger may have written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..core.errors import UsageError


def read_whole(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file; pipes and devices are refused, never waited for.

    Raises:
        UsageError: naming file and rule.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no path"
        raise UsageError(f"{path}: cannot be read: {reason}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{path}: must be a file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise UsageError(f"{path}: must be at most {most_bytes} bytes")
    return data


def read_text(path: Path, most_bytes: int) -> str:
    """The text of a regular file, as above.

    Raises:
        UsageError: naming file, line where there is one, and rule.
    """
    data = read_whole(path, most_bytes)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: must be text in UTF-8") from None
