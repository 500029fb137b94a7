"""What a process asks of its system: open files, standard streams, signals."""

from __future__ import annotations

import os
import resource
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


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


def open_standard_streams() -> None:
    """Has those that were closed when the process was started lead nowhere.

    Otherwise the next file that is opened gets the number of one, and whatever a library complains about lands in it.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is not None:
            continue
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor != number and not _is_open(number):
            os.dup2(descriptor, number)
            os.close(descriptor)
            descriptor = number
        os.set_inheritable(descriptor, descriptor == number)
        setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def leave_at_sigterm() -> None:
    """Has SIGTERM end the process as an error would, so that what was begun is stopped and cleaned up.

    One that was ignored when the process started stays ignored.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _leave)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signum)
