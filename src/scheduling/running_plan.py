"""The plan as devices carry it out: one that still loads a variant, or cannot, runs another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.profile import BatchLatency
from .plan_view import PlanView, RunningVariant


class RunningPlan:
    """Puts what results say was run in place of what was planned.

    Attributes:
        view: the plan in force, as it is carried out.
    """

    def __init__(self, latency: Callable[[str, int], BatchLatency]) -> None:
        """Takes the profiles: latency of a device and a variant."""
        self.view = PlanView()
        self._latency = latency
        self._ran: dict[str, int] = {}
        self._plan = self.view

    def ran(self, device_id: str, variant: int) -> None:
        """A batch of that variant has run on a device."""
        if self._ran.get(device_id) != variant:
            self._ran[device_id] = variant
            self.take(self._plan)

    def take(self, plan: PlanView) -> None:
        """Takes the plan in force."""
        self._plan = plan
        devices = {name: self._truly(running) for name, running in plan.devices.items()}
        self.view = replace(plan, devices=devices)

    def _truly(self, planned: RunningVariant) -> RunningVariant:
        ran = self._ran.get(planned.device_id, planned.variant)
        if ran == planned.variant:
            return planned
        return replace(planned, variant=ran, latency=self._latency(planned.device_id, ran))
