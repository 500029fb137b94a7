"""The frames that wait at a device, and which of them is decoded next."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ....core.stream import DEFAULT_TENANT
from ...batching.port import QueuedFrame

SPEAK_EVERY_MS = 100.0  # of frames that wait past their deadlines


class WaitingFrames:
    """Frames in order of arrival; apart from them, those that are to run alone.

    Attributes:
        decoding: the frame that each decoder is at; it may have left the queue meanwhile.
    """

    def __init__(self, *, needs_decoding: bool, is_by_tenant: bool = False) -> None:
        """Starts empty; `is_by_tenant` has decoders look ahead for each tenant, in turn."""
        self.decoding: dict[int, int] = {}
        self._is_by_tenant = is_by_tenant
        self._needs_decoding = needs_decoding
        self._frames: dict[int, QueuedFrame] = {}
        self._alone: dict[int, QueuedFrame] = {}
        self._sides_px: dict[int, int] = {}  # of decoded frames
        self._told_ms = -math.inf

    def __len__(self) -> int:
        """Frames that can be batched."""
        return len(self._frames)

    def add(
        self,
        key: int,
        deadline_ms: float,
        now_ms: float,
        *,
        is_alone: bool,
        tenant: str = DEFAULT_TENANT,
    ) -> None:
        """Queues a frame."""
        frames = self._alone if is_alone else self._frames
        frames[key] = QueuedFrame(key, now_ms, deadline_ms, not self._needs_decoding, tenant)

    def view(self) -> list[QueuedFrame]:
        """Those that can be batched, in order of arrival."""
        return list(self._frames.values())

    @property
    def first_alone(self) -> QueuedFrame | None:
        """The first frame that is to run alone; None if there is none."""
        return next(iter(self._alone.values())) if self._alone else None

    @property
    def first_deadline_ms(self) -> float:
        """The earliest of all; infinite if none waits."""
        waiting = (*self._frames.values(), *self._alone.values())
        return min([frame.deadline_ms for frame in waiting], default=math.inf)

    def overdue(self, now_ms: float) -> tuple[tuple[int, ...], float]:
        """Returns frames whose deadlines are past, now and then, and when to ask again at the latest."""
        next_ms = min([frame.deadline_ms for frame in self._frames.values()], default=math.inf)
        if next_ms >= now_ms:
            return (), next_ms
        if now_ms < self._told_ms + SPEAK_EVERY_MS:
            return (), self._told_ms + SPEAK_EVERY_MS
        self._told_ms = now_ms
        overdue = [key for key, frame in self._frames.items() if frame.deadline_ms < now_ms]
        return tuple(overdue), now_ms + SPEAK_EVERY_MS

    def remove(self, key: int) -> QueuedFrame | None:
        """Removes and returns a frame; None if it does not wait."""
        self._sides_px.pop(key, None)
        return self._frames.pop(key, None) or self._alone.pop(key, None)

    def take(self, keys: Sequence[int]) -> tuple[QueuedFrame, ...]:
        """Removes frames and returns them in the order of `keys`.

        Raises:
            KeyError: if one cannot be batched.
        """
        if self._sides_px:
            for key in keys:
                self._sides_px.pop(key, None)
        return tuple([self._frames.pop(key) for key in keys])

    def decode(self, decoder: int, look_ahead: int, hopeless_ms: float) -> int | None:
        """Gives a decoder the frame with the earliest deadline that is not decoded; None if none is due.

        By tenant, that is one of the tenant that has fewest decoded.

        Args:
            decoder: that is free.
            look_ahead: a frame is due if fewer than that many decoded ones, of its tenant, come before it.
            hopeless_ms: frames with deadlines before that are left to the batcher to drop.
        """
        at_work = set(self.decoding.values())
        waiting = [
            frame
            for frame in self._frames.values()
            if not frame.is_ready and frame.deadline_ms >= hopeless_ms and frame.key not in at_work
        ]
        if not waiting:
            return None
        decoded = [one for one in self._frames.values() if one.is_ready or one.key in at_work]
        num_decoded = Counter(one.tenant for one in decoded) if self._is_by_tenant else Counter()
        first = min(waiting, key=lambda one: (num_decoded[one.tenant], one.deadline_ms))
        num_before = sum(
            one.deadline_ms <= first.deadline_ms
            for one in decoded
            if not self._is_by_tenant or one.tenant == first.tenant
        )
        if num_before >= look_ahead:
            return None
        self.decoding[decoder] = first.key
        return first.key

    def decoded(self, decoder: int, side_px: int) -> bool:
        """Takes a decoder's frame back, decoded for a side, or without a picture: then it waits no longer.

        Returns:
            Whether it still waited.
        """
        key = self.decoding.pop(decoder)
        if not side_px:
            return self.remove(key) is not None
        frame = self._frames.get(key)
        if frame is not None:
            self._sides_px[key] = side_px
            self._frames[key] = replace(frame, is_ready=True)
        return frame is not None

    def require_side(self, side_px: int) -> None:
        """Has frames decoded again that are ready for another side: the variant has changed."""
        for key in [key for key, side in self._sides_px.items() if side != side_px]:
            del self._sides_px[key]
            self._frames[key] = replace(self._frames[key], is_ready=False)
