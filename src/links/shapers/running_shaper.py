"""Starts the process of a shaper, and ends it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...core.checks import echo
from ...core.clock import MonotonicClock
from ...core.errors import RunError, UsageError
from .link import LinkConfig

SHAPERS = ("relay", "kernel")
_END_TIMEOUT_S = 30.0  # removing many namespaces takes a moment


class RunningShaper:
    """A shaper that runs.

    Attributes:
        server_command: what to put before the command that starts the server.
        server_options: options of `moonjelly serve` that links can lead to.
    """

    def __init__(
        self,
        process: subprocess.Popen[str],
        names: Sequence[str],
        out_dir: Path,
        shaper: str,
        leads_out: bool,
    ) -> None:
        self._process = process
        self._names = list(names)
        self._out_dir = out_dir.resolve()
        self._addresses: dict[str, str] = {}
        reply = self._ask({"shaper": shaper, "names": self._names, "leads_out": leads_out})
        self.server_command: tuple[str, ...] = tuple(reply["server_command"])
        self.server_options: tuple[str, ...] = tuple(reply["server_options"])

    def start(self, links: Sequence[LinkConfig], zero_ms: float | None = None) -> None:
        """Starts the links, their traces and their faults.

        Args:
            links: one for each of the shaper's names.
            zero_ms: time of the monotonic clock from which the logs count; now, if it is not given.

        Raises:
            ValueError: if the links have other names.
            UsageError: if the shaper cannot do what a link asks for.
            RunError: if a link cannot start.
        """
        if sorted(link.name for link in links) != sorted(self._names):
            raise ValueError(f"links={[link.name for link in links]}: must be {self._names}")
        request = {
            "links": [dataclasses.asdict(link) for link in links],
            "out_dir": str(self._out_dir),
            "zero_ms": MonotonicClock().now_ms() if zero_ms is None else zero_ms,
        }
        self._addresses = self._ask(request)["addresses"]

    @property
    def pid(self) -> int:
        """Of the shaper's process."""
        return self._process.pid

    def address(self, name: str) -> str:
        """HOST:PORT where the client of a started link connects."""
        return self._addresses[name]

    def _ask(self, request: dict[str, object]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the shaper has no pipes")
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RunError("the shaper of the links ended early; its message stands above")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            kind = UsageError if reply["status"] == UsageError.exit_status else RunError
            raise kind(reply["error"])
        return reply


@contextlib.contextmanager
def open_shaper(
    shaper: str, names: Sequence[str], out_dir: Path, *, leads_out: bool = False
) -> Iterator[RunningShaper]:
    """Runs a shaper in a process; what uplinks are set to is logged in `link-<name>.csv`.

        with open_shaper("kernel", ["cam"], out_dir) as shaper:
            ... start the server with shaper.server_command and shaper.server_options ...
            shaper.start([LinkConfig("cam", server.address, trace)])
            ... connect to shaper.address("cam") ...

    Args:
        shaper: `relay`, in user space, or `kernel`, which needs root.
        names: of the links, all different.
        out_dir: existing folder for the logs, whose columns are at_ms and rate_kbps.
        leads_out: whether the server is started without `server_command`, so that links have to lead out to it.

    Raises:
        ValueError: if two links share a name.
        UsageError: if there is no such shaper, or this process may not use it.
        RunError: if the shaper cannot start, or failed meanwhile.
    """
    if shaper not in SHAPERS:
        raise UsageError(f"shaper={echo(shaper)}: must be one of {', '.join(SHAPERS)}")
    if len(set(names)) != len(names):
        raise ValueError(f"links={list(names)}: names must differ")
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield RunningShaper(process, names, out_dir, shaper, leads_out)
        finally:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
            try:
                process.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
    if process.returncode:
        raise RunError("the shaper of the links failed; its message stands above")


@contextlib.contextmanager
def start_links(
    links: Sequence[LinkConfig],
    out_dir: Path,
    zero_ms: float | None = None,
    shaper: str = SHAPERS[0],
) -> Iterator[RunningShaper]:
    """Runs links to a server that runs already, here or elsewhere; arguments and errors as above."""
    names = [link.name for link in links]
    with open_shaper(shaper, names, out_dir, leads_out=True) as running:
        running.start(links, zero_ms)
        yield running
