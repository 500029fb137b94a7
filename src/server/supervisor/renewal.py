"""Makes a changed zoo ready to be served, in a process beside the server."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

from ...core.errors import RunError
from ...zoos import ServedCopy
from ..config import ServerConfig
from ..preparing import OPTIONS_FILE
from .event_loop import EventLoop

PREPARE_COMMAND = (sys.executable, "-P", "-m", "moonjelly.server.preparing")

NOT_SERVED = "the zoo as it is now is not served: %s"

_log = logging.getLogger(__name__)


class Renewal:
    """Prepares one change at a time."""

    def __init__(
        self,
        zoo: str,
        loop: EventLoop,
        on_ready: Callable[[ServerConfig, ServedCopy], None],
        command: Sequence[str] = PREPARE_COMMAND,
    ) -> None:
        """Does nothing yet.

        Args:
            zoo: the zoo that is looked at again, as its user called it.
            loop: tells when it is ready.
            on_ready: takes the options to serve with, and the copy of the zoo that they name.
            command: prepares; see `preparing.py`.
        """
        self._zoo = zoo
        self._loop = loop
        self._on_ready = on_ready
        self._command = tuple(command)
        self._process: subprocess.Popen[str] | None = None
        self._copy: ServedCopy | None = None
        self._pidfd = -1

    @property
    def is_under_way(self) -> bool:
        """Whether something is being prepared."""
        return self._process is not None

    def begin(self, served: ServerConfig) -> None:
        """Looks at the zoo, beside a server with these options."""
        try:
            self._copy = ServedCopy()
            (self._copy.folder / OPTIONS_FILE).write_text(served.to_json(), encoding="utf-8")
            self._process = subprocess.Popen(
                [*self._command, self._zoo, str(self._copy.folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sys.stderr.fileno(),
                text=True,
                start_new_session=True,  # it starts others, which have to end with it
            )
            self._pidfd = os.pidfd_open(self._process.pid)
        except (OSError, RunError) as error:
            _log.error("zoo %s: cannot be looked at: %s", self._zoo, error)
            self.close()
            return
        self._loop.watch(self._pidfd, lambda: self._on_end(served))

    def close(self) -> None:
        """Ends what is under way."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)  # it is not waited for yet, so it is there
            self._bury(self._process)
        self._drop_copy()

    def _bury(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Waits for the end of a process; returns its status, and what it has said."""
        if self._pidfd >= 0:
            self._loop.forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        said, _ = process.communicate()
        self._process = None
        return process.returncode, said

    def _drop_copy(self) -> None:
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def _on_end(self, served: ServerConfig) -> None:
        if self._process is None or self._copy is None:
            raise AssertionError("nothing is under way")
        status, said = self._bury(self._process)
        if said and not status:
            copy, self._copy = self._copy, None
            self._on_ready(dataclasses.replace(served, zoo=said), copy)
            return
        self._drop_copy()
        if status:
            _log.error(NOT_SERVED, said or f"status {status}")
        else:
            _log.info("zoo %s: has not changed", self._zoo)
