"""`moonjelly profile`: measures every variant of a zoo on the devices of this machine."""

from __future__ import annotations

import argparse
import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import psutil
from rich.console import Console

from ..core.checks import echo, require_not_negative
from ..core.clock import MonotonicClock
from ..core.errors import UsageError
from ..devices.config import DeviceConfig
from ..devices.discovery import check_cores, device_text, find_devices, parse_devices
from ..energy.port import require_available
from ..scheduling.serving_options import DEFAULT_MAX_BATCH_SIZE
from ..server.governor.finding import DevicePower, find_power
from ..server.zoo import fingerprint_of, zoo_for
from ..zoos import (
    AUTO,
    MAX_BATCH_SIZE,
    Fingerprint,
    Method,
    OpenedZoo,
    machine_profile_path,
    number_gpus_by_place,
    open_zoo,
)
from ..zoos.latency import MAX_CLOCK_MHZ
from .batch_runner import open_runner
from .campaign import Campaign, carry_out
from .clock_rows import check_clocks
from .fastest import fastest_runtimes
from .governed import GovernedDevice
from .measuring import Amount
from .quick import ensure_profile
from .windows import in_windows

ALL = "all"
BUSY_PERCENT = 20.0
DEFAULT_SAMPLES = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `moonjelly profile`."""
    parser.add_argument(
        "--zoo",
        default=AUTO,
        metavar="NAME|FOLDER",
        help="whose variants (default: %(default)s)",
    )
    parser.add_argument(
        "--device",
        nargs="+",
        action="extend",
        default=[],
        metavar="DEVICE",
        help="each cpu:CORES with cores as in 1 or 2-3,6, or cuda:GPU (default: all that are found)",
    )
    parser.add_argument(
        "--batch-sizes",
        type=_batch_sizes,
        default=tuple(range(1, DEFAULT_MAX_BATCH_SIZE + 1)),
        metavar="SIZES",
        help="as in 1..8 or 1,2,4; sizes left out are put on the line between (default: "
        f"1..{DEFAULT_MAX_BATCH_SIZE}, as many as serve plans)",
    )
    parser.add_argument(
        "--samples",
        type=_positive,
        default=DEFAULT_SAMPLES,
        metavar="N",
        help="of each variant and batch size (default: %(default)s)",
    )
    parser.add_argument(
        "--clocks",
        type=_clocks,
        default=(),
        metavar="all|MHZ,...",
        help="at each of these clocks of the device, the highest among them, with power where there is a meter; "
        "others are predicted (default: the device is left its own)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the order (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE|FOLDER",
        help="the table, or a folder for the tables of several kinds of devices (default: this machine's own, in the cache)",
    )
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="measure anew: forget the samples of an earlier run, do not continue it",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only where no profile fits: measure one in less than a minute",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measures and writes the tables; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    number_gpus_by_place()
    console = Console(stderr=True, soft_wrap=True)
    devices = _devices(arguments.device)
    arguments.zoo = zoo_for(arguments.zoo, devices)
    zoo = open_zoo(arguments.zoo)
    kinds = _one_of_each_kind(devices, zoo, console)
    if arguments.quick and arguments.clocks:
        raise UsageError("clocks: a quick profile has none; leave out --quick")
    for device in () if arguments.quick else kinds:  # before anything is measured
        _campaign(device, zoo, arguments)
    out: Path | None = arguments.out
    if out is not None and len({one.device_type for one in kinds}) > 1 and not out.is_dir():
        types = ", ".join(one.device_type for one in kinds)
        raise UsageError(f"out={echo(str(out))}: must be a folder, for the tables of {types}")
    if len(kinds) > 1:
        return _measure_in_turn(kinds, arguments, console)
    if arguments.quick:
        console.print(f"latency profile: {ensure_profile(zoo, kinds[0], console)}")
    else:
        _measure(kinds[0], zoo, arguments, console)
    return 0


def _devices(texts: Sequence[str]) -> tuple[DeviceConfig, ...]:
    try:
        devices = parse_devices(texts) or find_devices()
        check_cores(devices)
    except ValueError as error:
        raise UsageError(f"device: {error}") from None
    for device in devices:
        if devices.count(device) > 1:
            raise UsageError(f"device: {device_text(device)} is named twice")
    return devices


def _one_of_each_kind(
    devices: Sequence[DeviceConfig], zoo: OpenedZoo, console: Console
) -> list[DeviceConfig]:
    """The first of all devices that share a profile; the others are told."""
    kinds: dict[tuple[str, Fingerprint | None], DeviceConfig] = {}
    for device in devices:
        first = kinds.setdefault((device.device_type, fingerprint_of(device, zoo)), device)
        if first is not device:
            console.print(
                f"{device_text(device)} is like {device_text(first)}: one profile for both"
            )
    return list(kinds.values())


def _fingerprint(device: DeviceConfig, zoo: OpenedZoo) -> Fingerprint:
    fingerprint = fingerprint_of(device, zoo)
    if fingerprint is None:
        raise UsageError(f"device={device_text(device)}: a replayed device cannot be measured")
    return fingerprint


def _measure_in_turn(
    devices: Sequence[DeviceConfig], arguments: argparse.Namespace, console: Console
) -> int:
    """One after the other, as they would disturb each other, and each in a process that may pin itself; returns the exit status."""
    command = [sys.executable, "-m", "moonjelly", "profile", "--zoo", arguments.zoo]
    command += ["--batch-sizes", ",".join(map(str, arguments.batch_sizes))]
    command += ["--samples", str(arguments.samples), "--seed", str(arguments.seed)]
    command += [] if arguments.out is None else ["--out", str(arguments.out)]
    command += ["--clocks", ",".join(map(str, arguments.clocks))] if arguments.clocks else []
    command += [f"--{name}" for name in ("refresh", "quick") if getattr(arguments, name)]
    for number, device in enumerate(devices, 1):
        console.print(f"device {number} of {len(devices)}: {device_text(device)}")
        status = subprocess.run([*command, "--device", device_text(device)], check=False).returncode
        if status:
            return status
    return 0


def _campaign(
    device: DeviceConfig, zoo: OpenedZoo, arguments: argparse.Namespace
) -> tuple[Campaign, DevicePower]:
    """What is to be measured, and what is there to do it with if clocks are asked for; UsageError if they cannot be set."""
    campaign = Campaign(
        zoo=zoo,
        device_type=device.device_type,
        fingerprint=_fingerprint(device, zoo),
        batch_sizes=arguments.batch_sizes,
        max_batch_size=max(arguments.batch_sizes),
        amount=Amount(arguments.samples),
        seed=arguments.seed,
        method=Method.MEASURED,
    )
    if not arguments.clocks:
        return campaign, DevicePower()
    found = find_power(device, MonotonicClock().now_ms())
    if found.clocks is None:
        raise UsageError(f"clocks: {device_text(device)}: {found.clocks_problem}")
    listed_mhz = found.clocks.available_mhz()
    if not listed_mhz:
        raise UsageError(f"clocks: {device_text(device)}: lists none that can be set")
    asked_mhz = (
        listed_mhz if arguments.clocks == (ALL,) else sorted(set(map(round, arguments.clocks)))
    )
    for mhz in asked_mhz:
        try:
            require_available(mhz, listed_mhz)
        except ValueError as error:
            raise UsageError(f"clocks: {device_text(device)}: {error}") from None
    campaign = replace(
        campaign,
        amount=in_windows(arguments.samples),
        clocks_mhz=tuple(asked_mhz),
        listed_mhz=listed_mhz,
    )
    check_clocks(asked_mhz, listed_mhz, campaign.cells, campaign.most_at_once)
    return campaign, found


def _measure(
    device: DeviceConfig, zoo: OpenedZoo, arguments: argparse.Namespace, console: Console
) -> None:
    campaign, found = _campaign(device, zoo, arguments)
    own = machine_profile_path(zoo.name, device.device_type, campaign.fingerprint)
    samples = own.with_name(f"samples-{device.device_type}.csv")
    out = arguments.out or own
    if out.is_dir():
        out /= own.name
    if arguments.refresh:
        samples.unlink(missing_ok=True)
    _warn_if_busy(device, console)
    at = f" and {len(campaign.clocks_mhz)} clocks" if campaign.clocks_mhz else ""
    console.print(
        f"measuring {len(zoo.variants)} variants of {zoo.name} at {len(arguments.batch_sizes)} batch "
        f"sizes{at} on {device.device_type}, {arguments.samples} samples each; samples go to {samples}; "
        f"after an interruption the same command continues",
    )
    with ExitStack() as undoing:
        governed: GovernedDevice | None = None
        if campaign.clocks_mhz:  # before this process is pinned
            facts = None if found.meter is None else found.meter.facts
            governed = undoing.enter_context(closing(GovernedDevice(device, facts)))
            if problem := governed.believe_meter() if facts else found.meter_problem:
                console.print(f"latency alone, without energy: {problem}")
        campaign = replace(campaign, runtimes=fastest_runtimes(zoo, device))
        runner = open_runner(device, campaign.opened, zoo.variants, campaign.max_batch_size)
        carry_out(campaign, runner, samples, out, console, governed=governed)
    console.print(f"wrote {out}")


def _warn_if_busy(device: DeviceConfig, console: Console) -> None:
    busy = psutil.cpu_percent(interval=0.5, percpu=True)
    most = max((busy[core] for core in device.cores if core < len(busy)), default=0.0)
    if most > BUSY_PERCENT:
        console.print(
            f"warning: other programs keep a core of {device.device_id} busy ({most:.0f} %); "
            f"the profile will be worse than the machine"
        )


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 10**6:
        raise argparse.ArgumentTypeError(f"{echo(text)}: must be a whole number from 1 to 1000000")
    return int(text)


def _clocks(text: str) -> tuple[float | str, ...]:
    if text == ALL:
        return (ALL,)
    try:
        return tuple(
            require_not_negative("clocks", float(one), MAX_CLOCK_MHZ) for one in text.split(",")
        )
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{echo(text)}: must be {ALL}, or clocks in MHz as in 305,1300.5"
        ) from None


def _batch_sizes(text: str) -> tuple[int, ...]:
    sizes: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?:\.\.([0-9]{1,4}))?", part)
        if match is None:
            raise argparse.ArgumentTypeError(f"{echo(text)}: must be like 1..8 or 1,2,4")
        sizes.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    if 1 not in sizes or min(sizes) < 1 or max(sizes) > MAX_BATCH_SIZE:
        raise argparse.ArgumentTypeError(
            f"{echo(text)}: must be from 1 to {MAX_BATCH_SIZE}, 1 among them"
        )
    return tuple(sorted(sizes))
