"""Which streams may have killed a device. What kills is found by running it alone; nobody else is blamed for it.

When a device is lost, the frames that it was working at are suspects, and so are their streams. From
then on the frames of such a stream run alone, one at a time, until enough of them went well: one, and more
after each crash. A stream is condemned when a device crashes while that stream's frame is alone at work; where
the device was killed from outside, which proves little, when that happens again before a frame of the
stream has run well. So a stream all of whose frames crash devices costs two of them, and whoever kills
devices, again and again, costs their streams no more than a frame that runs alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

FORGET_MS = 60_000.0
COME_BACK_MS = 5000.0
"""How long an executor that died should take at most to come back."""
GOOD_RATIO, MOST_GOOD = 8, 64
MOST_KILLS = 2


class AtWork(NamedTuple):
    """A frame that a device was working at when it was lost.

    Attributes:
        was_alone: whether nothing else was decoded or run beside it.
    """

    stream_id: str
    was_alone: bool


@dataclass(slots=True)
class _Suspect:
    lost_ms: float
    num_good_wanted: int = 1
    num_crashes: int = 0
    num_kills: int = 0  # while alone, since a frame ran well
    is_under_way: bool = False
    is_condemned: bool = False


class Suspicion:
    """What one endpoint holds against its streams; each suspicion is forgotten after a minute."""

    def __init__(self) -> None:
        self._suspects: dict[str, _Suspect] = {}
        self._died_ms: dict[str, float] = {}  # when a device was lost last
        self._unexplained: dict[str, Sequence[AtWork]] = {}  # what lost devices were at

    @property
    def is_empty(self) -> bool:
        """Whether nobody is suspected of anything, as is the rule."""
        return not self._suspects

    def is_suspect(self, stream_id: str) -> bool:
        """Whether the stream's frames must run alone."""
        suspect = self._suspects.get(stream_id)
        return suspect is not None and suspect.num_good_wanted > 0

    def is_condemned(self, stream_id: str) -> bool:
        """Whether no frame of the stream may run."""
        suspect = self._suspects.get(stream_id)
        return suspect is not None and suspect.is_condemned

    def may_start(
        self, stream_id: str, now_ms: float, *, has_run: bool = True, is_last_device: bool = False
    ) -> bool:
        """Whether a frame of the stream may be sent to a device now.

        Args:
            stream_id: of the stream.
            now_ms: the time.
            has_run: whether a frame of it ever ran well; one that none did of is not tried on the
                last device that is left, until the lost one should have come back.
            is_last_device: whether that is the case.
        """
        suspect = self._suspects.get(stream_id)
        if suspect is None:
            return True
        if suspect.is_condemned or suspect.num_good_wanted == 0:
            return not suspect.is_condemned
        is_spared = is_last_device and not has_run and now_ms - suspect.lost_ms < COME_BACK_MS
        return not (suspect.is_under_way or is_spared)

    def started(self, stream_id: str) -> None:
        """A frame of a suspect was sent to a device."""
        self._suspects[stream_id].is_under_way = True

    def ended(self, stream_id: str, *, ran_well: bool) -> None:
        """A frame that was sent alone has come back, or is not at a device any more."""
        suspect = self._suspects.get(stream_id)
        if suspect is None:
            return
        suspect.is_under_way = False
        if ran_well:
            suspect.num_good_wanted = max(0, suspect.num_good_wanted - 1)
            suspect.num_kills = 0

    def has_died(self, device_id: str, now_ms: float) -> bool:
        """Whether a device was lost of late: it may be broken, and proves nothing against whoever runs there."""
        return now_ms - self._died_ms.get(device_id, -math.inf) < FORGET_MS

    def lost(self, device_id: str, at_work: Sequence[AtWork], now_ms: float) -> None:
        """A device hangs or has died, for whatever reason, at work on these frames.

        Where it has died, what was alone counts as under way until `died` tells more.
        """
        self._forget(now_ms)
        self._died_ms[device_id], self._unexplained[device_id] = now_ms, at_work
        for frame in at_work:
            suspect = self._suspects.setdefault(frame.stream_id, _Suspect(now_ms))
            suspect.lost_ms = now_ms
            suspect.num_good_wanted = max(1, suspect.num_good_wanted)

    def died(self, device_id: str, *, is_crash: bool) -> tuple[list[str], list[str]]:
        """Takes in what a lost device died of; returns the streams that it tried, and those that are condemned.

        Args:
            device_id: which one.
            is_crash: whether it ended by itself; else it was killed, by whomever.
        """
        tried, condemned = set(), set()
        for frame in set(self._unexplained.pop(device_id, ())):
            if frame.was_alone:
                tried.add(frame.stream_id)
            suspect = self._suspects.get(frame.stream_id)
            if suspect is None:
                continue
            if is_crash:
                wanted = min(MOST_GOOD, GOOD_RATIO**suspect.num_crashes)
                suspect.num_good_wanted = max(wanted, suspect.num_good_wanted)
                suspect.num_crashes += 1
            if frame.was_alone:
                suspect.is_under_way = False
                suspect.num_kills += 1
                if is_crash or suspect.num_kills >= MOST_KILLS:
                    suspect.is_condemned = True
                    condemned.add(frame.stream_id)
        return sorted(tried - condemned), sorted(condemned)

    def _forget(self, now_ms: float) -> None:
        old = [
            stream_id
            for stream_id, suspect in self._suspects.items()
            if now_ms - suspect.lost_ms > FORGET_MS and not suspect.is_under_way
        ]
        for stream_id in old:
            del self._suspects[stream_id]
