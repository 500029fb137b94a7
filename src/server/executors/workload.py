"""What the threads of an executor share: the waiting frames, and what decoding aims at."""

from __future__ import annotations

import math
import threading

from .frame_queue import FrameQueue, WaitingFrame


class Workload:
    """The queue with its lock. Every attribute is read and written under the lock alone.

    Attributes:
        changed: the lock; notified when the batch loop has something new to decide.
        switched: the same lock; notified when the batch loop has taken another variant.
        decoding_due: the same lock; notified when there may be a frame to decode.
        queue: the waiting frames.
        side_px: of the active variant; frames are decoded for it.
        look_ahead: how many frames are decoded ahead.
        hopeless_ms: frames with deadlines before that cannot make it while the running batch lasts.
        decoding: the frame that each decoder thread is at, where it is at one.
        is_reserved: a frame is to be alone: no decoder thread begins another.
        is_closed: every thread leaves.
    """

    def __init__(self, *, needs_pictures: bool) -> None:
        lock = threading.Lock()
        self.changed = threading.Condition(lock)
        self.switched = threading.Condition(lock)
        self.decoding_due = threading.Condition(lock)
        self.queue = FrameQueue(needs_pictures=needs_pictures)
        self.side_px = 0
        self.look_ahead = 1
        self.hopeless_ms = -math.inf
        self.decoding: dict[int, WaitingFrame] = {}
        self.is_reserved = False
        self.is_closed = False

    def close(self) -> None:
        """Has every thread leave."""
        with self.changed:
            self.is_closed = True
            self.changed.notify_all()
            self.switched.notify_all()
            self.decoding_due.notify_all()
