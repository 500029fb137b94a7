"""What a change of the plan in force costs, in the coin of its gain, so that plans change only for a gain.

While a device loads a variant its streams wait, and a stream that moves leaves frames behind. That loss
is charged as a share of what the device, or the stream, then serves: the share of the time for which
a plan is likely to be the best one that the loading takes. A device that serves nobody loads for free.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.plan import Plan
from ...core.problem import Problem

DEFAULT_COST_RATIO = 0.01
MOVE_SHARE = 0.1  # of what a load costs, per frame/s


@dataclass(frozen=True, slots=True)
class SwitchingCost:
    """Charges for changes.

    Attributes:
        ratio: what it costs a device that serves somebody to load a variant, relative to the fps x
            accuracy that it then serves; 0 if changes are free.
    """

    ratio: float = DEFAULT_COST_RATIO

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"switching_cost_ratio={self.ratio:g}: must be within 0..1")

    def of(self, loaded_value: float, moved_value: float) -> float:
        """Returns the cost of a change.

        Args:
            loaded_value: fps x accuracy of what devices serve that load a variant and were not idle.
            moved_value: the same of the streams that change their device.
        """
        return self.ratio * (loaded_value + MOVE_SHARE * moved_value)

    def is_worth_it(self, problem: Problem, kept: Plan, new: Plan, in_force: Plan) -> bool:
        """Whether a plan serves more than what is in force, carried over, or gains more than it costs.

        Args:
            problem: what to plan for.
            kept: the plan in force as it can still be used.
            new: what a planner suggests.
            in_force: the plan in force.
        """
        before, after = _Served(problem, kept), _Served(problem, new)
        if len(after.values) != len(before.values):
            return len(after.values) > len(before.values)
        gain = after.value - before.value
        return gain > after.cost(self, in_force) - before.cost(self, in_force)


class _Served:
    """The streams that a plan serves, the fps x accuracy of each, and what all of it is worth."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        self._plan = plan
        self._variants = {device.device_id: device.mode.variant for device in plan.devices}
        types = {device.device_id: device.device_type for device in problem.devices}
        worth = {
            one.device_id: problem.frame_value(problem.tables[types[one.device_id]].cost(one.mode))
            for one in plan.devices
        }
        self.values = {
            stream.stream_id: stream.fps * problem.variants[self._variants[place]].accuracy
            for stream in problem.streams
            if (place := plan.placement.get(stream.stream_id)) is not None
        }
        self.value = sum(
            stream.fps * worth[place]
            for stream in problem.streams
            if (place := plan.placement.get(stream.stream_id)) is not None
        )

    def cost(self, switching: SwitchingCost, in_force: Plan) -> float:
        """What it costs to get here from the plan in force."""
        running = {device.device_id: device.mode.variant for device in in_force.devices}
        busy = {place for place in in_force.placement.values() if place is not None}
        loading = {
            place for place in busy if self._variants.get(place) not in (None, running.get(place))
        }
        loaded = moved = 0.0
        for stream_id, value in self.values.items():
            place = self._plan.placement[stream_id]
            before = in_force.placement.get(stream_id)
            if place in loading:
                loaded += value
            if before not in (None, place):
                moved += value
        return switching.of(loaded, moved)
