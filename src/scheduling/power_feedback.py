"""Holds a cap of power by what meters say: plans count with tables, from which devices depart."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

DEPARTURE_RATIO = 1.15  # that devices are reckoned with to depart from their tables, once one has
FALL_PER_S = 0.01  # of the ratio, while nothing confirms it
JUST_ABOVE = 1.001
STALE_MS = 1500.0  # what was read of a device before says nothing of all together
WINDOW_MS = 500.0  # over which power is meant: a planning period
FOLLOW_MS = 200.0  # until devices follow a plan: clocks change, batches end


class MeteredPower:
    """The power of one device (W), of what its meter has counted over the last `window_ms`: batches run and do not within that."""

    def __init__(self, window_ms: float) -> None:
        """Nothing was read yet."""
        self._window_ms = window_ms
        self._readings: deque[tuple[float, float]] = deque()  # when, and what

    def read(self, total_mj: float, now_ms: float) -> float | None:
        """Takes a reading; returns the mean power, None where there was nothing to read for as long as that."""
        readings = self._readings
        if readings and not (now_ms > readings[-1][0] and total_mj >= readings[-1][1]):
            if now_ms > readings[-1][0]:
                readings.clear()  # another meter
                readings.append((now_ms, total_mj))
            return None
        readings.append((now_ms, total_mj))
        while len(readings) > 2 and readings[1][0] <= now_ms - self._window_ms:  # noqa: PLR2004
            readings.popleft()
        lasts_ms = now_ms - readings[0][0]
        return (total_mj - readings[0][1]) / lasts_ms if lasts_ms >= self._window_ms else None


class CapFeedback:
    """Tells planners a cap that is below the true one by as much as devices draw more than planned.

    How much that is follows the highest reading at once, and falls slowly from `DEPARTURE_RATIO`, with which meters begin. Once the true cap was
    exceeded it is that again, and what was drawn too much is paid back for a while: so a device that departs from its table by no more
    than that exceeds the cap until the next plan has settled, and no longer.

    Attributes:
        cap_w: the true one.
        ratio: what devices draw over what was planned; at least 1.
        idle_w: what they draw while nothing runs, by their tables; no plan can draw less.
    """

    def __init__(self, cap_w: float, window_ms: float = WINDOW_MS) -> None:
        """Believes the tables until meters are expected; power is read as a mean over `window_ms`."""
        self.cap_w = cap_w
        self.ratio = 1.0
        self.idle_w = 0.0
        self._window_ms = window_ms
        self._plans: deque[tuple[float, float]] = deque()  # from when on, and what they draw
        self._read_ms = self._pays_until_ms = -math.inf

    def expect_meters(self) -> None:
        """Devices will be metered: until then they are not believed."""
        self.ratio = DEPARTURE_RATIO

    @property
    def corrected_w(self) -> float:
        """What plans may draw by their tables: with an idle power that is nearly the cap, next to nothing above it."""
        pays_back = DEPARTURE_RATIO if self._read_ms < self._pays_until_ms else 1.0
        return min(self.cap_w, max(self.cap_w / self.ratio / pays_back, self.idle_w * JUST_ABOVE))

    def planned(self, power_w: float, now_ms: float) -> None:
        """A plan is in force that draws so much by its tables."""
        self._plans.append((now_ms, power_w))

    def read(self, power_w: float, now_ms: float) -> bool:
        """Takes what is drawn; returns whether plans must draw less, at once."""
        passed_ms = min(now_ms - self._read_ms, self._window_ms)
        self._read_ms = now_ms
        self.ratio = max(1.0, self.ratio - FALL_PER_S * passed_ms / 1000)
        plans, begin_ms = self._plans, now_ms - self._window_ms - FOLLOW_MS
        while len(plans) > 1 and plans[1][0] <= begin_ms:
            plans.popleft()
        expected_w = max((planned_w for _, planned_w in plans), default=0.0)
        if expected_w > 0:
            self.ratio = max(self.ratio, power_w / expected_w)
        if power_w <= self.cap_w:
            return False
        self.ratio = max(self.ratio, DEPARTURE_RATIO)
        self._pays_until_ms = now_ms + self._window_ms
        return bool(plans) and plans[-1][1] > self.corrected_w


class PowerFeedback:
    """The caps of a server's devices, and of all together, with what each of them draws and was planned to."""

    def __init__(
        self,
        fleet_w: float | None = None,
        device_w: Mapping[str, float] | None = None,
        window_ms: float = WINDOW_MS,
    ) -> None:
        """Takes the caps, of all devices together, if there is one, and of some by id; and over which time power is meant."""
        self._window_ms = window_ms
        self._fleet = None if fleet_w is None else CapFeedback(fleet_w, window_ms)
        self._devices = {
            name: CapFeedback(cap_w, window_ms) for name, cap_w in (device_w or {}).items()
        }
        self._meters: dict[str, MeteredPower] = {}
        self._drawn_w: dict[str, tuple[float, float]] = {}  # by device, and when
        self._planned: frozenset[str] = frozenset()

    def expect_meters(self) -> None:
        """Devices will be metered: until then they are not believed."""
        for one in (self._fleet, *self._devices.values()):
            if one is not None:
                one.expect_meters()

    @property
    def fleet_w(self) -> float | None:
        """What plans may draw in all; None where that has no cap."""
        return None if self._fleet is None else self._fleet.corrected_w

    @property
    def device_w(self) -> Mapping[str, float]:
        """What plans may have those devices draw that have caps."""
        return {name: one.corrected_w for name, one in self._devices.items()}

    def planned(self, power_w: Mapping[str, tuple[float, float]], now_ms: float) -> None:
        """A plan is in force, by which devices draw so much while idle, and so much above that."""
        self._planned = frozenset(power_w)
        totals_w = {name: math.fsum(parts) for name, parts in power_w.items()}
        for name in self._devices.keys() & totals_w.keys():
            self._devices[name].idle_w = power_w[name][0]
            self._devices[name].planned(totals_w[name], now_ms)
        if self._fleet is not None:
            self._fleet.idle_w = math.fsum(idle_w for idle_w, _ in power_w.values())
            self._fleet.planned(math.fsum(totals_w.values()), now_ms)

    def read(self, device_id: str, total_mj: float, now_ms: float) -> bool:
        """Takes what a device's meter has counted; returns whether plans must draw less, at once."""
        drawn_w = self._meters.setdefault(device_id, MeteredPower(self._window_ms)).read(
            total_mj, now_ms
        )
        if drawn_w is None:
            return False
        self._drawn_w[device_id] = drawn_w, now_ms
        own = self._devices.get(device_id)
        is_over = own is not None and own.read(drawn_w, now_ms)
        fresh_w = [
            drawn_w
            for name, (drawn_w, at_ms) in self._drawn_w.items()
            if name in self._planned and now_ms - at_ms <= STALE_MS
        ]
        if self._fleet is not None and fresh_w and len(fresh_w) == len(self._planned):
            is_over = self._fleet.read(math.fsum(fresh_w), now_ms) or is_over
        return is_over

    def lost(self, device_id: str) -> None:
        """A device is gone; its meter may begin anew."""
        self._meters.pop(device_id, None)
        self._drawn_w.pop(device_id, None)
