"""The parts of an endpoint's core, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ....core.profile import BatchLatency
from ....core.variant import Variant
from ...plan_view import PlanView
from ...running_plan import RunningPlan
from ...streams.adviser import Adviser
from .dispatcher import Bench, Dispatcher
from .ending import FrameEnds
from .instructions import Instruction
from .losses import DeviceLosses
from .registrar import Registrar
from .sessions import Sessions
from .stimuli import EndpointRules
from .upkeep import Upkeep


class EndpointParts:
    """Puts them together.

    Attributes:
        sessions: who is registered.
    """

    def __init__(
        self,
        rules: EndpointRules,
        variants: Sequence[Variant],
        latency: Callable[[str, int], BatchLatency],
        bench: Bench,
        now_ms: float,
    ) -> None:
        """Starts with nothing there.

        Args:
            rules: what it holds to.
            variants: least accurate first.
            latency: the profile of a device and a variant.
            bench: tells the tickets that a device is working at, or was when it died.
            now_ms: when it starts.
        """
        out: list[Instruction] = []
        self._out = out
        self._kbits: dict[
            int, float
        ] = {}  # of each side; where variants share it, of the larger frames
        for one in variants:
            known = self._kbits.get(one.input_side_px, 0.0)
            self._kbits[one.input_side_px] = max(known, one.frame_kbits)
        self._index = {variant.name: number for number, variant in enumerate(variants)}
        self._running = RunningPlan(latency)
        self._ends = FrameEnds(self._running, Adviser(variants, rules.budget_rule), out)
        self._dispatcher = Dispatcher(self._running, bench, rules.frame_slots, self._ends, out)
        self._fleet = self._dispatcher.fleet
        self.sessions = Sessions(self._dispatcher, out)
        self._losses = DeviceLosses(self._dispatcher, self._running, out, self.sessions.condemn)
        self._registrar = Registrar(rules, self.sessions, self._running, out)
        self._upkeep = Upkeep(
            rules,
            self.sessions,
            self._registrar,
            self._losses,
            self._ends,
            self._running,
            out,
            now_ms,
        )

    @property
    def device_ids(self) -> list[str]:
        """The devices that are there."""
        return list(self._fleet.devices)

    @property
    def silent_devices(self) -> list[str]:
        """Those of them that are as good as lost."""
        return self._fleet.silent

    @property
    def can_run(self) -> bool:
        """Whether frames can be taken, and a device is there that speaks."""
        return self._dispatcher.has_memory and self._fleet.num_speaking > 0

    @property
    def num_held(self) -> int:
        """Frames that are at devices, or wait to be sent there."""
        return self._dispatcher.num_held

    @property
    def num_free_slots(self) -> int:
        """Slots of the frame memory that no frame is in."""
        return self._dispatcher.num_free

    @property
    def plan(self) -> PlanView:
        """The plan in force, as it is carried out."""
        return self._running.view

    def _done(self) -> list[Instruction]:
        """All that is to be done."""
        if self.sessions.report_at_ms < self._upkeep.wake_ms:
            self._upkeep.set_alarm()
        if not self._out:
            return []
        out = self._out.copy()
        self._out.clear()
        return out

    def _settled(self) -> list[Instruction]:
        """Likewise, where the next tick may be due at another time than before."""
        self._upkeep.set_alarm()
        return self._done()
