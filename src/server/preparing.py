"""What has to be so before a zoo is served.

`python -m moonjelly.server.preparing ZOO FOLDER` does it beside a server that goes on, whose options are in the folder. It
copies the zoo there, has what is new pass the gate and be measured, and prints how the copy is called; nothing where all
is as it is served already. Where something is wrong it prints that, and its exit status is not 0.
"""

from __future__ import annotations

import ctypes
import dataclasses
import shlex
import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from ..core.budget_rules import budget_rule
from ..core.errors import MoonjellyError, RunError, UsageError
from ..core.zoo import Network
from ..devices.config import DeviceKind
from ..devices.discovery import device_text
from ..zoos import OpenedZoo, copy_zoo, open_zoo
from .config import ServerConfig
from .zoo import ServedZoo, find_device_profile, load_served_zoo

OPTIONS_FILE = "options.json"

_PR_SET_PDEATHSIG = 1


def prepare(config: ServerConfig) -> ServedZoo:
    """Has latencies measured that are missing; what is wrong or broken is told before anything starts.

    Raises:
        UsageError: naming option, value and rule, or a table of the zoo.
        RunError: if a device cannot be measured.
    """
    replayed = tuple(one for one in config.devices if one.kind is DeviceKind.REPLAYED)
    zoo = load_served_zoo(dataclasses.replace(config, devices=replayed))
    try:
        budget_rule(config.budget_rule, zoo.variants)
    except ValueError as error:
        raise UsageError(str(error)) from None
    measure_missing(config)
    return load_served_zoo(config)


def measure_missing(config: ServerConfig) -> None:
    """Has the profiler make quick profiles where none fits, in a process that may pin itself to the device.

    Raises:
        RunError: if that fails.
    """
    zoo = open_zoo(config.zoo)
    for device in config.devices:
        if device.kind is DeviceKind.REPLAYED or find_device_profile(zoo, device) is not None:
            continue  # only a real device can be measured
        command = [sys.executable, "-m", "moonjelly", "profile", "--quick"]
        command += ["--zoo", config.zoo, "--device", device_text(device)]
        status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
        if status:
            raise RunError(f"no latency profile: status {status} of `{shlex.join(command[1:])}`")


def prepare_copy(served: ServerConfig, zoo: str, folder: Path) -> str:
    """Copies a changed zoo that is ready into a folder; returns how the copy is called, or nothing if all is as before.

    Raises:
        UsageError: if it does not fit the options, or a network of it cannot be believed.
        RunError: if it cannot be measured or copied.
    """
    config, opened = dataclasses.replace(served, zoo=zoo), open_zoo(zoo)
    if any(device.kind is not DeviceKind.REPLAYED for device in served.devices):
        _pass_gate(opened, open_zoo(served.zoo).zoo.networks)
    prepare(config)
    copy = dataclasses.replace(served, zoo=copy_zoo(open_zoo(zoo), folder))
    prepared = load_served_zoo(copy)
    if prepared.opened.zoo != opened.zoo:
        raise RunError(f"zoo {zoo}: has changed while it was looked at; send SIGHUP again")
    is_same = _what_counts(prepared) == _what_counts(load_served_zoo(served))
    return "" if is_same else copy.zoo


def _pass_gate(zoo: OpenedZoo, believed: Collection[Network]) -> None:
    from ..devices.detecting import SessionOpener  # noqa: PLC0415 - loads libraries
    from ..devices.gate import pass_gate  # noqa: PLC0415

    open_session = SessionOpener(zoo)
    for variant in zoo.zoo.variants:
        if variant.network not in believed:
            pass_gate(variant.name, open_session(variant.name), zoo.zoo.fit)


def _what_counts(served: ServedZoo) -> tuple[object, ...]:
    return served.opened.zoo, served.variants, served.profiles, served.qualities, served.runtimes


def main() -> int:
    """Prepares a copy and returns the exit status."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    zoo, folder = sys.argv[1], Path(sys.argv[2])
    served = ServerConfig.from_json((folder / OPTIONS_FILE).read_text(encoding="utf-8"))
    try:
        sys.stdout.write(prepare_copy(served, zoo, folder))
    except MoonjellyError as error:
        sys.stdout.write(str(error))
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
