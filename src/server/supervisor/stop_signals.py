"""Signals that end a server, or have it look at its zoo again, as events of its loop."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .event_loop import EventLoop

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def stop_signals(loop: EventLoop, on_signal: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Tells of signals that ask for something, and puts back what was there.

    Whatever was ignored when the process started stays ignored: `nohup` and a shell's `&` mean it.
    """
    wanted = [one for one in STOP_SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]

    def read() -> None:
        for number in ours.recv(64):
            if number in wanted:
                on_signal(signal.Signals(number))

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        previous_descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        previous = {number: signal.signal(number, _ignore) for number in wanted}
        loop.watch(ours, read)
        try:
            yield
        finally:
            loop.forget(ours)
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_descriptor)


def has_terminal() -> bool:
    """Whether this process has a terminal that can hang up; one that has is gone at once."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _ignore(_number: int, _frame: object) -> None:
    """A handler must exist for the signal to become an event."""
