"""A process of the server: `python -m moonjelly.server.child ROLE NUMBER GENERATION --control-fd N`.

The generation rises with each start of that role and number. The supervisor is at the other end of `N`. It sends the configuration, then envelopes; the role says
`Ready` when it serves. How a child ends:

* exit status 0: drained, as told.
* 2 (`UsageError`) or 1 (`RunError`) after a `ChildStatus` with a `detail`: it could not start, for a reason that a
  person can mend, such as an address in use. Where this happens at the start of the server, `moonjelly serve` prints
  the detail and exits with the same status.
* `EXIT_ORPHANED`: the supervisor is gone.
* `EXIT_DEVICE_LOST`: the device failed in a way that only a new process can mend.
* anything else: it crashed, and is restarted. A task, a callback of the event loop or a thread that ends in error
  ends its process: a new one is better than half of one.

What the process logs goes to its standard output, which is the server's log. Its standard error is for C libraries
alone; the supervisor reads it, as what a client sends can make them talk without end.
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
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NoReturn

from ..core.errors import MoonjellyError
from ..files.process import allow_many_files
from ..protos.internal_pb2 import ChildStatus, Envelope
from .config import ServerConfig
from .log import set_up_log
from .supervisor.stop_signals import STOP_SIGNALS
from .wire.channel import Channel, ChannelClosedError

EXIT_CRASHED = 1
EXIT_ORPHANED = 4
EXIT_DEVICE_LOST = 5

GOVERNOR = "governor"  # ends by itself, once clocks are as they were before the server

ROLES = {
    "endpoint": ".endpoint.process",
    "scheduler": ".scheduler.process",
    "executor": ".executors.process",
    GOVERNOR: ".governor.process",
}

_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChildContext:
    """What a role starts with.

    Attributes:
        role: `endpoint`, `scheduler`, `executor` or `governor`.
        number: counts within the role, from 0.
        config: the server's options, with every device.
        control: to the supervisor; the role reads it. Its end is watched elsewhere.
        generation: rises with each start.
    """

    role: str
    number: int
    config: ServerConfig
    control: Channel
    generation: int = 1

    @property
    def name(self) -> str:
        """What peers call this process, for example `executor-0`."""
        return f"{self.role}-{self.number}"


def main(argv: list[str] | None = None) -> int:
    """Runs one role to its end and returns the exit status."""
    parser = argparse.ArgumentParser(prog="moonjelly.server.child", allow_abbrev=False)
    parser.add_argument("role", choices=sorted(ROLES))
    parser.add_argument("number", type=int)
    parser.add_argument("generation", type=int)
    parser.add_argument("--control-fd", type=int, required=True)
    arguments = parser.parse_args(argv)
    _settle()
    control = Channel.from_descriptor(arguments.control_fd)
    if arguments.role != GOVERNOR:
        _end_with_parent(control)
    try:
        config = _receive_config(control)
    except ChannelClosedError:
        return EXIT_ORPHANED
    context = ChildContext(arguments.role, arguments.number, config, control, arguments.generation)
    set_up_log(context.name, config.log_level)
    threading.excepthook = _on_thread_error
    _keep_to_cores(context)
    return _run(context)


def _run(context: ChildContext) -> int:
    run: Callable[[ChildContext], Coroutine[Any, Any, None] | None]
    try:
        run = importlib.import_module(ROLES[context.role], __package__).run
        outcome = run(context)
        if outcome is not None:
            asyncio.run(_run_on_loop(outcome))
    except MoonjellyError as error:
        status = ChildStatus(peer=context.name, is_alive=False, detail=str(error))
        context.control.send_within(Envelope(child_status=status), timeout_s=1)
        return error.exit_status
    except Exception:  # noqa: BLE001 whatever it is, it ends the process
        _log.critical("%s ends with an error", context.name, exc_info=True)
        return EXIT_CRASHED
    return 0


async def _run_on_loop(outcome: Coroutine[Any, Any, None]) -> None:
    asyncio.get_running_loop().set_exception_handler(_on_loop_error)
    await outcome


def _on_loop_error(loop: asyncio.AbstractEventLoop, facts: dict[str, Any]) -> None:
    """Ends the process if a callback or a task of ours has failed; a library's own is only logged."""
    loop.default_exception_handler(facts)
    error = facts.get("exception")
    if isinstance(error, Exception) and is_ours(error):
        _leave(EXIT_CRASHED)


def _on_thread_error(failure: threading.ExceptHookArgs) -> None:
    _log.critical("%s ends with an error", failure.thread, exc_info=failure.exc_value)
    _leave(EXIT_CRASHED)


def is_ours(error: BaseException) -> bool:
    """Whether an error came out of this package, or went through it."""
    ours = __package__.partition(".")[0]  # not __name__, which is `__main__` here
    return any(
        frame.f_globals.get("__name__", "").partition(".")[0] == ours
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _leave(status: int) -> NoReturn:
    """Ends the process now: a thread of a library that still runs must not keep half of it alive."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def _settle() -> None:
    """Makes this process one that leaves no picture of its memory."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the supervisor tells, in its order
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # frames are personal data
    allow_many_files()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it says a line for each malformed request
    sys.stderr = sys.stdout
    faulthandler.enable(sys.stdout)


def _end_with_parent(control: Channel) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threading.Thread(
        target=_leave_with_supervisor, args=(control.fileno(),), name="guard", daemon=True
    ).start()


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
    _leave(main())
