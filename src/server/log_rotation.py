"""Keeps the server's log from filling the disk, where it is a file."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import sys
from pathlib import Path

LOG_LIMIT_BYTES = 32 * 1024 * 1024

_log = logging.getLogger(__name__)


def rotate_own_log(limit_bytes: int = LOG_LIMIT_BYTES, descriptor: int | None = None) -> bool:
    """Copies a log that has grown to the limit to `NAME.1`, and empties it; returns whether it did.

    The file is what all processes of the server have as their standard error: they share its
    position, so it can be emptied below them. Pipes, terminals, and files without a name are left
    alone.
    """
    descriptor = sys.stderr.fileno() if descriptor is None else descriptor
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size < limit_bytes:
            return False
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not path.is_file() or not os.path.samestat(path.stat(), facts):
            return False
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        _log.warning("the log cannot be rotated: %s", error.strerror)
        return False
    return True
