"""Plans two devices anew for the streams they share, exactly.

All pairs of modes are judged at once: what the two could carry together bounds a pair's value, and
the few pairs whose bound beats the present value are packed, best bound first, with a bit set of
the loads that the streams who fit both can make.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..instance import Bools, Floats, Instance, Ints

MIN_GAIN = 1e-9
MANY_PAIRS = 1000  # of modes; of so many it pays to drop some first
MAX_PACKINGS = 40  # bounds tried in one call; nearly always one of the first is reached


@dataclass(frozen=True, slots=True)
class Group:
    """Devices with the modes and streams they get.

    Attributes:
        value: of the frames of all of them: weight x value of the mode.
        modes: per device.
        members: per device, its streams.
    """

    value: float
    modes: tuple[int, ...]
    members: tuple[list[int], ...]


class Regrouper:
    """Finds the best way to serve given streams with given devices of an instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._loads = np.where(instance.fits, instance.weights[:, None], 0).astype(np.float64)
        self._modes_of = [
            np.flatnonzero(instance.mode_type == number) for number in range(instance.num_types)
        ]
        self._is_of_type = [instance.mode_type == number for number in range(instance.num_types)]
        self._ends_lane = instance.starts_lane[1:]
        self._weights: list[int] = instance.weights.tolist()

    def pair(
        self, first_type: int, second_type: int, streams: Sequence[int], value: float
    ) -> Group | None:
        """Returns the best group of two devices that serves all the streams.

        Args:
            first_type: type number of one device.
            second_type: of the other.
            streams: at least one.
            value: to be beaten; `Instance.worthless` if anything is better than now.

        Returns:
            None if there is nothing better.
        """
        instance = self.instance
        total = sum(self._weights[stream] for stream in streams)
        rows = self._loads.take(streams, axis=0)
        sums = rows.sum(axis=0)
        highs = np.minimum(instance.capacities, sums)
        modes1 = self._useful(first_type, sums)
        modes2 = modes1 if second_type == first_type else self._useful(second_type, sums)
        if len(modes1) * len(modes2) > MANY_PAIRS:
            all1, all2 = modes1, modes2
            modes1 = self._promising(all1, all2, highs, total, value)
            modes2 = modes1
            if second_type != first_type:
                modes2 = self._promising(all2, all1, highs, total, value)
        loads1 = rows.take(modes1, axis=1)
        loads2 = loads1 if second_type == first_type else rows.take(modes2, axis=1)
        most1, most2 = sums[modes1], sums[modes2]
        both = loads1.T @ (loads2 > 0)
        value1, value2 = instance.values[modes1], instance.values[modes2]
        high = highs[modes1][:, None]
        only1 = most1[:, None] - both
        low = np.maximum(only1, (total - instance.capacities[modes2])[None, :])
        only2 = most2[None, :] - both
        possible = (
            (only1 + most2[None, :] >= total)
            & (low <= high)
            & (only2 <= instance.capacities[modes2][None, :])
        )
        if second_type == first_type:
            possible &= value1[:, None] >= value2[None, :]
        numbers1, numbers2 = np.nonzero(possible)
        if not len(numbers1):
            return None
        gains = value1[numbers1] - value2[numbers2]
        fills = np.where(gains >= 0, high[numbers1, 0], low[numbers1, numbers2])
        bounds = value2[numbers2] * total + gains * fills
        tried = np.flatnonzero(bounds > value + MIN_GAIN)
        best: tuple[int, int, list[int], list[int]] | None = None
        for number in tried[np.argsort(-bounds[tried])][:MAX_PACKINGS].tolist():
            if bounds[number] <= value + MIN_GAIN:
                break
            row, column = int(numbers1[number]), int(numbers2[number])
            in1, in2 = loads1[:, row] > 0, loads2[:, column] > 0
            members = self._split(
                streams,
                in1,
                in2,
                math.ceil(low[row, column]),
                int(high[row, 0]),
                is_high_better=gains[number] >= 0,
            )
            if members is None:
                continue
            load = sum(self._weights[stream] for stream in members[0])
            reached = float(value2[column] * total + gains[number] * load)
            if reached > value + MIN_GAIN:
                value = reached
                best = row, column, *members
        if best is None:
            return None
        row, column, members1, members2 = best
        return Group(value, (int(modes1[row]), int(modes2[column])), (members1, members2))

    def _promising(
        self, modes: Ints, others: Ints, highs: Floats, total: int, value: float
    ) -> Ints:
        """Returns the modes that one device of a pair may need to beat a value, as far as loads tell.

        Args:
            modes: of its type.
            others: modes of the other device.
            highs: (all modes,) what a device carries in them at most.
            total: what both have to carry.
            value: to be beaten.
        """
        values = self.instance.values
        order = others[highs[others].argsort()]
        room = highs[order]
        best = np.maximum.accumulate(values[order[::-1]])[::-1]  # of these, or roomier
        place = room.searchsorted(total - highs[modes])
        good = place < len(room)
        modes = modes[good]
        partner = best[place[good]]
        gains = values[modes] - partner
        fills = np.where(gains >= 0, highs[modes], total - room[-1])
        return modes[partner * total + gains * fills > value + MIN_GAIN]

    def columns(self, device_type: int, streams: Sequence[int]) -> tuple[Ints, Floats, Floats]:
        """Returns the modes worth a look for these streams: for equal streams, the largest batch.

        Where the device can serve none of them that is one mode, for nobody.

        Returns:
            Modes; (streams, modes) weight where the stream fits, else 0; (modes,) its sums.
        """
        rows = self._loads.take(streams, axis=0)
        sums = rows.sum(axis=0)
        modes = self._useful(device_type, sums)
        return modes, rows.take(modes, axis=1), sums[modes]

    def _useful(self, device_type: int, sums: Floats) -> Ints:
        """The same modes, from (all modes,) what the streams that fit weigh together."""
        useful = (sums > 0) & self._is_of_type[device_type]
        # Who fits a batch fits the one before it too: equal sums are equal streams.
        useful[:-1] &= self._ends_lane | (sums[:-1] != sums[1:])
        modes = useful.nonzero()[0]
        return modes if len(modes) else self._modes_of[device_type][:1]  # the device stays idle

    def _split(
        self,
        streams: Sequence[int],
        in1: Bools,
        in2: Bools,
        low: int,
        high: int,
        *,
        is_high_better: bool,
    ) -> tuple[list[int], list[int]] | None:
        """Splits streams over two modes with the first one's load in [low, high], extreme if it can."""
        members1, members2, free = [], [], []
        for stream, fits1, fits2 in zip(streams, in1.tolist(), in2.tolist(), strict=True):
            if fits1 and fits2:
                free.append(stream)
            elif fits1:
                members1.append(stream)
            else:
                members2.append(stream)
        fixed = sum(self._weights[stream] for stream in members1)
        reachable = [1]
        bits = 1
        for stream in free:
            bits |= bits << self._weights[stream]
            reachable.append(bits)
        low, high = max(low - fixed, 0), high - fixed
        if is_high_better:
            load = (bits & ((1 << (high + 1)) - 1)).bit_length() - 1
            if load < low:
                return None
        else:
            above = bits >> low
            load = low + (above & -above).bit_length() - 1
            if not above or load > high:
                return None
        for number in range(len(free) - 1, -1, -1):
            if (reachable[number] >> load) & 1:
                members2.append(free[number])
            else:
                members1.append(free[number])
                load -= self._weights[free[number]]
        return members1, members2
