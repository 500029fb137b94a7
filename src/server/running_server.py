"""A server as a child process: for demos, benchmarks, experiments and tests."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

from ..core.errors import RunError

READY_PREFIX = "moonjelly: serving at "  # `serve` prints it, with HOST:PORT, once health is SERVING
LOGS_INFIX = ", logs in "  # then comes the folder of the run logs, if there is one
STOP_WITH_PARENT = "MOONJELLY_STOP_WITH_PARENT"  # `serve` drains when whoever started it has died
STOP_LIMIT_S = 8.0  # drain takes 6 s at most


class RunningServer:
    """Starts `moonjelly serve`, waits until it serves, and stops it at the end.

        with RunningServer(["--zoo", "traffic"]) as server:
            ... server.address ...

    Attributes:
        address: `HOST:PORT`, known once started.
        exit_status: known once stopped.
    """

    def __init__(
        self,
        arguments: Sequence[str] = (),
        *,
        port: int = 0,
        log_path: Path | None = None,
        start_limit_s: float = 120.0,
        cores: Sequence[int] = (),
        command_prefix: Sequence[str] = (),
    ) -> None:
        """Remembers how to start; nothing runs before `start`.

        Args:
            arguments: options of `moonjelly serve`; without `--out-dir` or `--config` there are no run logs.
            port: 0 for any free one.
            log_path: where the server's messages go; None for this process's stderr.
            start_limit_s: a profile may have to be measured first.
            cores: processors it may run on; empty for all.
            command_prefix: what enters the network namespace where it is to run, for example.
        """
        serve = [sys.executable, "-m", "moonjelly", "serve", "--port", str(port)]
        says_where = "--out-dir" in arguments or "--config" in arguments
        logs = () if says_where else ("--no-logs",)
        self._command = [*command_prefix, *serve, *arguments, *logs]
        self._log_path = log_path
        self._start_limit_s = start_limit_s
        self._cores = tuple(cores)
        self._process: subprocess.Popen[str] | None = None
        self.address = ""
        self.exit_status: int | None = None

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        if self._process is None:
            raise RunError("the server is not running")
        return self._process.pid

    def start(self) -> Self:
        """Returns when the server serves.

        Raises:
            RunError: if it ends, or is not ready in time; the message names its log.
        """
        log = self._log_path.open("w", encoding="utf-8") if self._log_path else None
        try:
            self._process = subprocess.Popen(
                self._command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, STOP_WITH_PARENT: "1"},
                start_new_session=True,  # a Ctrl-C at the terminal is ours to pass on
            )
        finally:
            if log:
                log.close()
        if self._cores:
            os.sched_setaffinity(self._process.pid, self._cores)
        try:
            if self._process.stdout is not None:  # it is a pipe
                self.address = self._await_address(self._process, self._process.stdout)
        except BaseException:
            self.stop()
            raise
        return self

    def _await_address(self, process: subprocess.Popen[str], output: IO[str]) -> str:
        where = f"see {self._log_path}" if self._log_path else "see its messages above"
        limit = time.monotonic() + self._start_limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while selector.select(max(0.0, limit - time.monotonic())):
                line = output.readline()
                if line.startswith(READY_PREFIX):
                    return line.removeprefix(READY_PREFIX).strip().partition(LOGS_INFIX)[0]
                if not line:
                    status = process.wait()
                    raise RunError(f"the server ended with status {status} at its start; {where}")
        raise RunError(f"the server was not ready after {self._start_limit_s:g} s; {where}")

    def stop(self) -> int:
        """Drains and ends the server; returns its exit status (negative: the signal that it took)."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout:
            process.stdout.close()
        self.exit_status = process.returncode
        return process.returncode

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
