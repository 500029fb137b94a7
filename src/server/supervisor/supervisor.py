"""The supervisor: has a crew of processes serve, another in its place when the zoo has changed, and ends them.

It waits for events alone: a packet of a child, a dead process's handle, a signal, a timer.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from ...core.errors import MoonjellyError
from ...zoos import ServedCopy
from ..config import ServerConfig
from ..log import rotate_own_log
from .address import held_address
from .crew import CHILD_COMMAND, Crew
from .event_loop import EventLoop
from .renewal import NOT_SERVED, PREPARE_COMMAND, Renewal
from .stop_signals import has_terminal, stop_signals

SECOND_SIGNAL_S = 0.5  # those who signal a process and its group mean it once
LOG_LOOK_S = 10.0

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs one server from start to end, in the main thread."""

    def __init__(
        self,
        config: ServerConfig,
        on_serving: Callable[[str, int], None],
        command: Sequence[str] = CHILD_COMMAND,
        stop_with: int | None = None,
        *,
        zoo: str = "",
        prepare_command: Sequence[str] = PREPARE_COMMAND,
        has_governor: bool = False,
    ) -> None:
        """Starts nothing yet.

        Args:
            config: the options, which name every device.
            on_serving: called once, with host and port.
            command: starts a child; see `child.py` for what it must understand.
            stop_with: a process whose end is a reason to drain.
            zoo: what is looked at again at SIGHUP, where the options name a copy of it.
            prepare_command: makes a changed zoo ready; see `preparing.py`.
            has_governor: whether a process reads meters and sets clocks.
        """
        self._stop_with = stop_with
        self._config = config
        self._command = tuple(command)
        self._has_governor = has_governor
        self._on_serving = on_serving
        self._loop = EventLoop()
        self._crews: list[Crew] = []
        self._copies: dict[Crew, ServedCopy] = {}
        self._failed: dict[Crew, MoonjellyError] = {}
        self._renewal = Renewal(zoo or config.zoo, self._loop, self._renew, prepare_command)
        self._is_renewal_wanted = False
        self._is_ending = False
        self._had_terminal = has_terminal()
        self._stop_signal: int | None = None  # of the second signal, which does not wait

    def run(self) -> int:
        """Serves until a signal; returns the exit status. Leaves no process behind.

        Raises:
            RunError: if it could not start.
            UsageError: if a child says so of an option, or the frame memory does not fit.
        """
        with ExitStack() as stack:
            stack.enter_context(self._loop)
            stack.callback(self._close)
            stack.enter_context(stop_signals(self._loop, self._on_signal))
            stack.enter_context(held_address(self._config.host, self._config.port))
            first = self._make_crew(self._config)
            if self._stop_with is not None:
                self._drain_after(self._stop_with, stack)
            first.start()
            self._look_at_log()
            while self._stop_signal is None and self._crews:
                self._loop.step()
                self._let_go()
        return 0 if self._stop_signal is None else 128 + self._stop_signal

    def _make_crew(self, config: ServerConfig) -> Crew:
        def on_failure(error: MoonjellyError) -> None:
            if crew is self._crews[0]:
                raise error
            self._failed.setdefault(crew, error)

        crew = Crew(
            config,
            self._loop,
            lambda: self._on_crew(crew),
            on_failure,
            self._command,
            has_governor=self._has_governor,
        )
        self._crews.append(crew)
        return crew

    def _on_crew(self, crew: Crew) -> None:
        """A crew serves: those before it have done their work."""
        if crew is self._crews[0]:
            self._on_serving(crew.config.host, crew.port)
            return
        _log.info("the zoo is served as it is now")
        for older in self._crews[: self._crews.index(crew)]:
            older.drain()

    def _renew(self, config: ServerConfig, copy: ServedCopy) -> None:
        """Starts a crew beside the one that serves, at the same port."""
        crew = self._make_crew(dataclasses.replace(config, port=self._crews[0].port))
        self._copies[crew] = copy
        try:
            crew.start()
        except MoonjellyError as error:
            self._failed[crew] = error

    def _let_go(self) -> None:
        """Lets go of crews that have left, or could not start, and looks at the zoo again if it is time."""
        for crew in [one for one in self._crews if one.is_over or one in self._failed]:
            self._crews.remove(crew)
            crew.close()
            if crew in self._copies:
                self._copies.pop(crew).close()
            if crew in self._failed:
                _log.error(NOT_SERVED, self._failed.pop(crew))
        is_settled = len(self._crews) == 1 and self._crews[0].has_served
        if self._is_renewal_wanted and is_settled and not self._renewal.is_under_way:
            self._is_renewal_wanted = False
            self._renewal.begin(self._crews[0].config)

    def _close(self) -> None:
        self._renewal.close()
        for crew in self._crews:
            crew.close()
        for copy in self._copies.values():
            copy.close()

    def _drain(self) -> None:
        """Ends all crews politely."""
        self._is_ending = True
        self._is_renewal_wanted = False
        self._renewal.close()
        for crew in self._crews:
            crew.drain()

    def _drain_after(self, pid: int, stack: ExitStack) -> None:
        """Drains when a process ends, or has ended already."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._drain()
            return
        stack.callback(os.close, pidfd)

        def on_end() -> None:
            self._loop.forget(pidfd)
            _log.info("process %d, which started this server, has ended", pid)
            self._drain()

        self._loop.watch(pidfd, on_end)

    def _on_signal(self, number: signal.Signals) -> None:
        _log.info("%s", number.name)
        is_hang_up = self._had_terminal and not has_terminal()
        if number is signal.SIGHUP and not is_hang_up:
            self._is_renewal_wanted = not self._is_ending
            for crew in self._crews:
                crew.reread()
        elif not self._is_ending:
            self._drain()
        elif self._crews[0].drains_since_s > SECOND_SIGNAL_S:
            self._stop_signal = number

    def _look_at_log(self) -> None:
        self._loop.after(LOG_LOOK_S, self._look_at_log)
        rotate_own_log()
