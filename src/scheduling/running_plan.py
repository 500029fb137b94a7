"""The plan as devices carry it out: one that still loads a variant, or cannot, runs another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.profile import BatchLatency
from .plan_view import PlanView, RunningVariant


class RunningPlan:
    """Puts what results say was run in place of what was planned."""

    def __init__(self, latency: Callable[[str, int], BatchLatency]) -> None:
        """Takes the profiles: latency of a device and a variant."""
        self._latency = latency
        self._ran: dict[str, int] = {}
        self._plan = self._view = PlanView()

    def ran(self, device_id: str, variant: int) -> None:
        """A batch of that variant has run on a device."""
        if self._ran.get(device_id) != variant:
            self._ran[device_id] = variant
            self._view = self._carried_out(self._plan)

    def view(self, plan: PlanView) -> PlanView:
        """The plan in force, as it is carried out."""
        if plan is not self._plan:
            self._plan, self._view = plan, self._carried_out(plan)
        return self._view

    def _carried_out(self, plan: PlanView) -> PlanView:
        devices = {name: self._truly(running) for name, running in plan.devices.items()}
        return replace(plan, devices=devices)

    def _truly(self, planned: RunningVariant) -> RunningVariant:
        ran = self._ran.get(planned.device_id, planned.variant)
        if ran == planned.variant:
            return planned
        return replace(planned, variant=ran, latency=self._latency(planned.device_id, ran))
