"""A process of the server: `python -m moonjelly.server.child ROLE NUMBER --control-fd N`.

The supervisor is at the other end of `N`. It sends the configuration, then envelopes; the role says
`Ready` when it serves. How a child ends:

* exit status 0: drained, as told.
* 2 (`UsageError`) or 1 (`RunError`) after a `ChildStatus` with a `detail`: it could not start, for a reason that a
  person can mend, such as an address in use. Where this happens at the start of the server, `moonjelly serve` prints
  the detail and exits with the same status.
* `EXIT_ORPHANED`: the supervisor is gone.
* `EXIT_DEVICE_LOST`: the device failed in a way that only a new process can mend.
* anything else: it crashed, and is restarted.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import faulthandler
import importlib
import logging
import os
import resource
import select
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NoReturn

from ..core.errors import MoonjellyError
from ..protos.internal_pb2 import ChildStatus, Envelope
from .channel import Channel, ChannelClosedError
from .config import ServerConfig

EXIT_ORPHANED = 4
EXIT_DEVICE_LOST = 5

ROLES = {
    "endpoint": ".endpoint.process",
    "scheduler": ".scheduler.process",
    "executor": ".executors.process",
}

_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChildContext:
    """What a role starts with.

    Attributes:
        role: `endpoint`, `scheduler` or `executor`.
        number: counts within the role, from 0.
        config: the server's options, with every device.
        control: to the supervisor; the role reads it. Its end is watched elsewhere.
    """

    role: str
    number: int
    config: ServerConfig
    control: Channel

    @property
    def name(self) -> str:
        """What peers call this process, for example `executor-0`."""
        return f"{self.role}-{self.number}"


def main(argv: list[str] | None = None) -> int:
    """Runs one role to its end and returns the exit status."""
    parser = argparse.ArgumentParser(prog="moonjelly.server.child", allow_abbrev=False)
    parser.add_argument("role", choices=sorted(ROLES))
    parser.add_argument("number", type=int)
    parser.add_argument("--control-fd", type=int, required=True)
    arguments = parser.parse_args(argv)
    _settle()
    control = Channel.from_descriptor(arguments.control_fd)
    threading.Thread(
        target=_leave_with_supervisor, args=(control.fileno(),), name="guard", daemon=True
    ).start()
    try:
        config = _receive_config(control)
    except ChannelClosedError:
        return EXIT_ORPHANED
    context = ChildContext(arguments.role, arguments.number, config, control)
    logging.basicConfig(
        stream=sys.stderr,
        level=config.log_level.upper(),
        format=f"%(asctime)s {context.name} %(levelname)s %(name)s: %(message)s",
    )
    _keep_to_cores(context)
    return _run(context)


def _run(context: ChildContext) -> int:
    run: Callable[[ChildContext], Coroutine[Any, Any, None] | None]
    try:
        run = importlib.import_module(ROLES[context.role], __package__).run
        outcome = run(context)
        if outcome is not None:
            asyncio.run(outcome)
    except MoonjellyError as error:
        status = ChildStatus(peer=context.name, is_alive=False, detail=str(error))
        context.control.send_within(Envelope(child_status=status), timeout_s=1)
        return error.exit_status
    return 0


def _settle() -> None:
    """Makes this process one that ends with its parent, and leaves no picture of its memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor tells, in its order
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # frames are personal data
    faulthandler.enable()


def _keep_to_cores(context: ChildContext) -> None:
    """An executor keeps to the cores of its device, everybody else off those of all devices."""
    if context.role == "executor":
        cores = set(context.config.devices[context.number].cores)
    else:
        taken = {core for device in context.config.devices for core in device.cores}
        cores = os.sched_getaffinity(0) - taken
    if cores:  # else there is nothing to choose from
        os.sched_setaffinity(0, cores)


def _receive_config(control: Channel) -> ServerConfig:
    poll = select.poll()
    poll.register(control.fileno(), select.POLLIN)
    poll.poll()
    received = control.receive_bytes()
    if received is None:
        raise ChannelClosedError
    return ServerConfig.from_json(bytes(received[0]).decode())


def _leave_with_supervisor(descriptor: int) -> NoReturn:
    """Waits until the supervisor's end is closed. Covers a death before the signal was asked for."""
    poll = select.poll()
    poll.register(descriptor, 0)  # hang-up alone
    poll.poll()
    os._exit(EXIT_ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
