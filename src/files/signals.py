"""Signals that end a command."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


def leave_at_sigterm() -> None:
    """Has SIGTERM end the process as an error would, so that what was begun is stopped and cleaned up.

    One that was ignored when the process started stays ignored.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _leave)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signum)
