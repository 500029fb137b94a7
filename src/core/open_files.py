"""How many files a process may hold open."""

from __future__ import annotations

import contextlib
import resource

MOST = 1_048_576


def allow_many_open_files() -> int:
    """Raises the soft limit to the hard one, at most `MOST`; returns what holds now.

    The usual soft limit of 1024 is for programs that use `select`. Beyond it gRPC is deaf to connections, and says nothing.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    with contextlib.suppress(ValueError, OSError):  # a system that thinks otherwise
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
