"""A profile in less than a minute, where none fits: `serve` and `demo` begin with it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ..core.errors import UsageError
from ..devices.config import DeviceConfig, DeviceKind
from ..scheduling.serving_options import DEFAULT_MAX_BATCH_SIZE
from ..server.zoo import fingerprint_of
from ..zoos import Method, OpenedZoo, find_profile, machine_profile_path
from .batch_runner import open_runner
from .campaign import Campaign, carry_out
from .fastest import fastest_runtimes
from .measuring import Amount

# Frames: a core gains nothing of more, and would not be through in time; a GPU is measured as far as is planned.
BATCH_SIZES = {DeviceKind.CPU: (1, 4), DeviceKind.CUDA: (1, 4, DEFAULT_MAX_BATCH_SIZE)}
AMOUNT = Amount(num_samples=30, limit_ms=35_000.0, visit_ms=200.0)


def ensure_profile(zoo: OpenedZoo, device: DeviceConfig, console: Console) -> Path:
    """Returns the latency profile that fits a device; measures a quick one if there is none.

    Pins this process to the device's cores where it measures, so call it in a process of its own.

    Raises:
        UsageError: if a table of the zoo is broken.
        RunError: if a variant cannot be loaded.
    """
    fingerprint = fingerprint_of(device, zoo)
    path = find_profile(zoo, device.device_type, fingerprint)
    if path is not None:
        return path
    if fingerprint is None:
        raise UsageError(
            f"device={device.device_id}: zoo {zoo.name} has no profile {device.device_type}"
        )
    out = machine_profile_path(zoo.name, device.device_type, fingerprint)
    console.print(
        f"no latency profile of zoo {zoo.name} fits {device.device_type} of this machine; "
        f"measuring a quick one, once, in less than a minute"
    )
    sizes = BATCH_SIZES[device.kind]
    campaign = Campaign(
        zoo=zoo,
        runtimes=fastest_runtimes(zoo, device),
        device_type=device.device_type,
        fingerprint=fingerprint,
        batch_sizes=sizes,
        max_batch_size=max(sizes),
        amount=AMOUNT,
        seed=0,
        method=Method.QUICK,
    )
    runner = open_runner(device, campaign.opened, zoo.variants, max(sizes))
    samples = out.with_name(f"quick-samples-{device.device_type}.csv")
    samples.unlink(missing_ok=True)
    carry_out(campaign, runner, samples, out, console)
    console.print(f"wrote {out}")
    return out
