"""Decodes waiting frames in threads beside the batch loop, in deadline order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2

from ...core.clock import MonotonicClock
from ...core.verdict import Reason
from ...devices.executors.port import Input, Picture
from ...protos.internal_pb2 import FrameResults
from ...vision.preprocessing import decode_frame
from ..wire.frame_memory import StaleSlotError
from . import answers
from .workload import WaitingFrame, Workload

Prepare: TypeAlias = Callable[[Picture], Input]
"""What an executor does to a picture before it runs."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a frame; where it has no input, why."""

    decode_ms: float
    input: Input = None
    reason: Reason | None = None
    detail: str = ""


def decode(frame: WaitingFrame, side_px: int, prepare: Prepare) -> Decoded:
    """Decodes the picture that its endpoint checked, and no other that has come into its slot since.

    Whatever a library fails with is the frame's fault.
    """
    start_s = time.monotonic()
    sent, memory = frame.descriptor, frame.source.memory
    made: Input = None
    reason, detail = None, ""
    try:
        jpeg = memory.read(sent.slot, sent.slot_generation, sent.jpeg_bytes)
        made = prepare(decode_frame(jpeg, side_px))
    except StaleSlotError:
        reason, detail = Reason.TOO_LATE, "its endpoint has given it up"
    except Exception as error:  # noqa: BLE001 - a decoder fails in many ways, each with its frame
        _log.warning("a frame of %d bytes cannot be decoded: %s", sent.jpeg_bytes, error)
        reason, detail = Reason.BAD_FRAME, "jpeg: cannot be decoded"
    return Decoded(1000 * (time.monotonic() - start_s), made, reason, detail)


def give_up(frame: WaitingFrame, reason: Reason, detail: str) -> None:
    """Answers for a frame that has no input."""
    answers.give_up([frame], [reason], detail, FrameResults(), MonotonicClock().now_ms())


def decode_alone(frame: WaitingFrame, side_px: int, prepare: Prepare) -> bool:
    """Gives a frame its input, here and now; or gives it up and returns False."""
    decoded = decode(frame, side_px, prepare)
    frame.input, frame.decode_ms = decoded.input, decoded.decode_ms
    if decoded.reason is not None:
        give_up(frame, decoded.reason, decoded.detail)
    return decoded.reason is None


class DecoderPool:
    """Threads that decode what the core names, and prepare it for the device, while that runs a batch."""

    def __init__(self, work: Workload, prepare: Prepare, num_threads: int) -> None:
        """Starts the threads; they leave when the workload is closed."""
        cv2.setNumThreads(1)  # parallel over frames, not within one
        self._work = work
        self._prepare = prepare
        self._threads = [
            threading.Thread(target=self._serve, args=(k,), name=f"decoder-{k}", daemon=True)
            for k in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Waits until the threads have left."""
        for thread in self._threads:
            thread.join()

    def _serve(self, decoder: int) -> None:
        while (chosen := self._choose(decoder)) is not None:
            frame, side_px = chosen
            decoded = decode(frame, side_px, self._prepare)
            frame.source.bench.decode(decoder, 0)
            self._finish(decoder, frame, side_px, decoded)

    def _choose(self, decoder: int) -> tuple[WaitingFrame, int] | None:
        work = self._work
        with work.decoding_due:
            while not work.is_closed:
                chosen = work.core.decode(decoder)
                if chosen is not None:
                    frame = work.frames[chosen.key]
                    frame.source.bench.decode(decoder, frame.descriptor.ticket)
                    return frame, chosen.side_px
                work.decoding_due.wait()
        return None

    def _finish(self, decoder: int, frame: WaitingFrame, side_px: int, decoded: Decoded) -> None:
        """Notes an input; without one the frame is given up."""
        work, reason = self._work, decoded.reason
        with work.changed:
            key = work.core.frames.decoding[decoder]
            frame.input = decoded.input
            frame.decode_ms += decoded.decode_ms
            is_waiting = work.core.decoded(decoder, side_px if reason is None else 0)
            if is_waiting and reason is not None:
                work.take([key])
            work.changed.notify()
        if is_waiting and reason is not None:
            give_up(frame, reason, decoded.detail)
