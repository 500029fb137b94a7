"""`moonjelly profile`: measures every variant of a zoo on one device of this machine."""

from __future__ import annotations

import argparse
import logging
import re
from pathlib import Path

import psutil
from rich.console import Console

from ..core.checks import echo
from ..core.errors import UsageError
from ..devices.config import DeviceConfig
from ..devices.discovery import check_cores, find_devices, parse_devices
from ..server.zoo import fingerprint_of, zoo_for
from ..zoos import (
    AUTO,
    MAX_BATCH_SIZE,
    Method,
    machine_profile_path,
    number_gpus_by_place,
    open_zoo,
)
from .batch_runner import open_runner
from .campaign import Campaign, carry_out
from .fastest import fastest_runtimes
from .measuring import Amount
from .quick import ensure_profile

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
        default="auto",
        metavar="DEVICE",
        help="cpu:CORES with cores as in 1 or 2-3,6, or cuda:GPU (default: what is found)",
    )
    parser.add_argument(
        "--batch-sizes",
        type=_batch_sizes,
        default=tuple(range(1, 9)),
        metavar="SIZES",
        help="as in 1..8 or 1,2,4; sizes left out are put on the line between (default: 1..8)",
    )
    parser.add_argument(
        "--samples",
        type=_positive,
        default=DEFAULT_SAMPLES,
        metavar="N",
        help="of each variant and batch size (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the order (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the table (default: this machine's own, in the cache)",
    )
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="measure anew: forget the samples of an earlier run, do not continue it",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only if no profile fits: measure one in less than a minute",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measures and writes the table; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    number_gpus_by_place()
    console = Console(stderr=True, soft_wrap=True)
    device = _device(arguments.device)
    zoo = open_zoo(zoo_for(arguments.zoo, [device]))
    if arguments.quick:
        path = ensure_profile(zoo, device, console)
        console.print(f"latency profile: {path}")
        return 0
    fingerprint = fingerprint_of(device, zoo)
    if fingerprint is None:
        raise UsageError(f"device={arguments.device}: a replayed device cannot be measured")
    own = machine_profile_path(zoo.name, device.device_type, fingerprint)
    samples = own.with_name(f"samples-{device.device_type}.csv")
    if arguments.refresh:
        samples.unlink(missing_ok=True)
    _warn_if_busy(device, console)
    campaign = Campaign(
        zoo=zoo,
        runtimes=fastest_runtimes(zoo, device),
        device_type=device.device_type,
        fingerprint=fingerprint,
        batch_sizes=arguments.batch_sizes,
        max_batch_size=max(arguments.batch_sizes),
        amount=Amount(arguments.samples),
        seed=arguments.seed,
        method=Method.MEASURED,
    )
    console.print(
        f"measuring {len(zoo.variants)} variants of {zoo.name} at {len(arguments.batch_sizes)} batch "
        f"sizes on {device.device_type}, {arguments.samples} samples each; samples go to {samples}; "
        f"after an interruption the same command continues",
    )
    runner = open_runner(device, campaign.opened, zoo.variants, campaign.max_batch_size)
    carry_out(campaign, runner, samples, arguments.out or own, console)
    console.print(f"wrote {arguments.out or own}")
    return 0


def _device(text: str) -> DeviceConfig:
    try:
        devices = parse_devices([text]) or find_devices()
        check_cores(devices)
    except ValueError as error:
        raise UsageError(f"device: {error}") from None
    return devices[0]


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
