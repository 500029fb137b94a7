"""Standard streams that a process was started without."""

from __future__ import annotations

import os
import sys

LAST_STANDARD = 2


def open_missing_streams() -> None:
    """Opens standard streams that are closed at `os.devnull`; to be called first of all.

    Otherwise there is nothing to write to, and the next file or socket that is opened takes the number of one.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= LAST_STANDARD:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115 it stays open
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
