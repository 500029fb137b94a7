"""The power sensors of Jetson boards: the rail that feeds the module, else the sum of all; never both."""

from __future__ import annotations

import math
from pathlib import Path

from .meters import IntegratedMeter
from .port import MeterFacts
from .sysfs import SYS, read_count, read_setting

TOTAL_RAILS = ("VDD_IN", "POM_5V_IN")  # of most boards; of the Nano
NO_RAILS = ("NC", "sum of shunt voltages")  # not connected; no power
WINDOW_MS = 100.0  # about


def ina3221_meter(root: Path = SYS) -> IntegratedMeter | None:
    """A meter whose scope says whether one rail or a sum tells the module's power; None where there is none."""
    rails: dict[str, tuple[float, list[Path]]] = {}  # W a unit of the product of these files
    drivers = root / "bus/i2c/drivers"
    for label in sorted(drivers.glob("ina3221/*/hwmon/hwmon*/in*_label")):
        voltage = label.with_name(label.name.replace("label", "input"))
        current = voltage.with_name(voltage.name.replace("in", "curr", 1))
        rails[read_setting(label)] = 1e-6, [voltage, current]
    for label in sorted(drivers.glob("ina3221x/*/iio:device*/rail_name_*")):
        power = label.with_name(label.name.replace("rail_name_", "in_power") + "_input")
        rails[read_setting(label)] = 1e-3, [power]
    total = [rails[name] for name in TOTAL_RAILS if name in rails][:1]
    parts = total or [files for name, files in rails.items() if name not in NO_RAILS]
    if not parts:
        return None
    facts = MeterFacts("ina3221", "module" if total else "rails", WINDOW_MS)
    return IntegratedMeter(
        facts, lambda: sum(unit * math.prod(map(read_count, files)) for unit, files in parts)
    )
