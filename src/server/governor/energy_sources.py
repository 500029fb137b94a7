"""Where the joules of each device come from: told when a server starts, and whether that takes a governor."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from ...core.clock import MonotonicClock
from ...devices.config import DeviceConfig, DeviceKind
from ...energy.meters import CheckedMeter
from ...energy.port import Quality
from ..zoo import ServedZoo
from .claim_file import claim_path
from .finding import find_powers

_log = logging.getLogger(__name__)


class EnergySources(NamedTuple):
    """What is known before anything runs."""

    text: str  # in words: what joules are, where they are any
    needs_governor: bool


def find_energy(zoo: ServedZoo, devices: Sequence[DeviceConfig]) -> EnergySources:
    """Looks at the machine and the profiles; says once why clocks of a profile cannot be set."""
    texts: dict[str, str] = {}
    claim = claim_path()
    needs_governor = claim is not None and claim.exists()
    now_ms = MonotonicClock().now_ms()
    for device, found in zip(devices, find_powers(devices, now_ms), strict=True):
        file = zoo.files[device.device_id]
        needs_governor = needs_governor or bool(found.meter or found.clocks)
        is_modelled = bool(file.has_energy and file.idle_w)
        if found.meter is not None:
            checked = ", once it is checked" if isinstance(found.meter, CheckedMeter) else ""
            name = f"{found.meter.facts.name}{checked}"
            texts[device.device_id] = f"{Quality.MEASURED} ({name})"
        elif is_modelled:
            texts[device.device_id] = Quality.MODELLED
        else:
            texts[device.device_id] = Quality.UNAVAILABLE
            reason = "its profile has no idle_w" if file.has_energy else found.meter_problem
            _log.info("%s: energy is unavailable: %s", device.device_id, reason)
        is_replayed = device.kind is DeviceKind.REPLAYED
        if file.clocks_mhz and found.clocks is None and not is_replayed:
            _log.warning("%s: clocks cannot be set: %s", device.device_id, found.clocks_problem)
    kinds = set(texts.values())
    if len(kinds) == 1:
        return EnergySources(kinds.pop(), needs_governor)
    every = ", ".join(f"{device_id} {text}" for device_id, text in texts.items())
    return EnergySources(every, needs_governor)
