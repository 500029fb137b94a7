"""Caps of power, as somebody asks for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from ....core.checks import echo
from ....core.limits import Range
from ....core.mode import ModeTable
from ....core.problem import Problem

CAP_W = Range(1e-3, 1e9)


@dataclass(frozen=True, slots=True)
class PowerCaps:
    """The most that devices may draw, idle power included.

    Attributes:
        fleet_w: all of them together; None for no such cap.
        device_w: some of them, by id.
    """

    fleet_w: float | None = None
    device_w: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `W` of all devices, or `DEVICE=W,...` of some.

        Raises:
            ValueError: naming option, value and rule.
        """
        if "=" not in text:
            return cls(_watts(text, text))
        device_w: dict[str, float] = {}
        for part in text.split(","):
            device_id, _, watts = part.partition("=")
            if not device_id or device_id in device_w:
                raise ValueError(f"power_cap_w={echo(text)}: must name each device once")
            device_w[device_id] = _watts(watts, text)
        return cls(None, device_w)

    def applied(self, problem: Problem) -> Problem:
        """Returns the problem with capped devices of types of their own, which carry no more than their caps allow.

        Raises:
            ValueError: if a device draws as much while nothing runs.
        """
        tables = {one.device_id: problem.tables[one.device_type] for one in problem.devices}
        self.check(tables)
        if not self.device_w:
            return problem
        devices, by_type = [], dict(problem.tables)
        names: dict[tuple[str, float], str] = {}
        for device in problem.devices:
            cap_w = self.device_w.get(device.device_id)
            if cap_w is None:
                devices.append(device)
                continue
            kind = names.setdefault((device.device_type, cap_w), f"capped-{len(names)}")
            by_type[kind] = tables[device.device_id].capped(cap_w)
            devices.append(replace(device, device_type=kind))
        return replace(problem, devices=tuple(devices), tables=by_type)

    def check(self, tables: Mapping[str, ModeTable]) -> None:
        """Raises ValueError if devices, by id, draw as much as their cap while nothing runs."""
        for device_id, table in tables.items():
            cap_w, idle_w = self.device_w.get(device_id, math.inf), table.idle_w or 0.0
            if cap_w <= idle_w:
                raise ValueError(
                    f"power_cap_w={device_id}={cap_w:g}: must be above the {idle_w:g} W that the device draws while nothing runs"
                )
        idle_w = math.fsum(table.idle_w or 0.0 for table in tables.values())
        if self.fleet_w is not None and self.fleet_w <= idle_w:
            raise ValueError(
                f"power_cap_w={self.fleet_w:g}: must be above the {idle_w:g} W that the devices draw while nothing runs"
            )


def _watts(text: str, every: str) -> float:
    try:
        return CAP_W.require("power_cap_w", float(text))
    except ValueError:
        raise ValueError(
            f"power_cap_w={echo(every)}: must be W, or DEVICE=W,..., each {CAP_W}"
        ) from None
