"""How an executor ends where it cannot go on."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from ...core.errors import MoonjellyError
from ...devices.executors.port import DeviceLostError
from ..child import EXIT_DEVICE_LOST

EXIT_CRASHED = 1

_log = logging.getLogger(__name__)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Ends the process with whatever ends this thread: what its words are for is passed on, nothing else."""
    try:
        yield
    except DeviceLostError as error:
        _leave_lost(error)
    except (MoonjellyError, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - whatever it is, nothing can be relied on any more
        try:
            _log.critical("the receiving thread failed", exc_info=True)
        finally:
            os._exit(EXIT_CRASHED)


def leave(failure: threading.ExceptHookArgs) -> None:
    """A thread that fails takes the process along: a new one is better than half of one."""
    if isinstance(failure.exc_value, DeviceLostError):
        _leave_lost(failure.exc_value)
    try:
        name = failure.thread.name if failure.thread is not None else "a thread"
        _log.critical("%s failed", name, exc_info=failure.exc_value)
    finally:
        os._exit(EXIT_CRASHED)


def _leave_lost(error: BaseException) -> NoReturn:
    try:
        _log.critical("the device is lost: %s", error)
    finally:
        os._exit(EXIT_DEVICE_LOST)
