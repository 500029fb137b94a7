"""How many files a process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress


def allow_many_files() -> int:
    """Raises the soft limit of open files to the hard one, for this process and its children.

    The soft one, often 1024, is for programs that use `select`; a connection takes a file.

    Returns:
        The limit that holds now.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    with suppress(OSError, ValueError):  # the kernel's own limit may be below
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft
