"""Signals that end a command in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextlib.contextmanager
def heard_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Has signals call `stop` in the running loop; what was ignored when the process started stays ignored."""
    loop = asyncio.get_running_loop()
    wanted = [one for one in STOP_SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    for number in wanted:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)
