"""Decodes waiting frames in threads beside the batch loop, in deadline order."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

import cv2

from ...core.clock import MonotonicClock
from ...core.verdict import Reason
from ...devices.executors.port import Picture
from ...protos.internal_pb2 import FrameResults
from ...vision.preprocessing import decode_frame
from ..wire.frame_memory import StaleSlotError
from . import answers
from .frame_queue import WaitingFrame
from .workload import Workload

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a frame; where there is no picture, why."""

    decode_ms: float
    picture: Picture | None = None
    reason: Reason = Reason.BAD_FRAME
    detail: str = ""


def decode(frame: WaitingFrame, side_px: int) -> Decoded:
    """Decodes the picture that its endpoint checked, and no other that has come into its slot since.

    Whatever a library fails with is the frame's fault.
    """
    start_s = time.monotonic()
    sent, memory = frame.descriptor, frame.source.memory
    picture: Picture | None = None
    reason, detail = Reason.BAD_FRAME, ""
    try:
        jpeg = memory.read(sent.slot, sent.slot_generation, sent.jpeg_bytes)
        picture = decode_frame(jpeg, side_px)
    except StaleSlotError:
        reason, detail = Reason.TOO_LATE, "its endpoint has given it up"
    except Exception as error:  # noqa: BLE001 - a decoder fails in many ways, each with its frame
        _log.warning("a frame of %d bytes cannot be decoded: %s", sent.jpeg_bytes, error)
        detail = "jpeg: cannot be decoded"
    return Decoded(1000 * (time.monotonic() - start_s), picture, reason, detail)


def give_up(frame: WaitingFrame, decoded: Decoded) -> None:
    """Answers for a frame that has no picture."""
    now_ms = MonotonicClock().now_ms()
    result = answers.dropped(frame, decoded.reason, decoded.detail, now_ms)
    answers.send([frame], [result], FrameResults())


def decode_alone(frame: WaitingFrame, side_px: int) -> bool:
    """Gives a frame its picture, here and now; or gives it up and returns False."""
    decoded = decode(frame, side_px)
    if decoded.picture is None:
        give_up(frame, decoded)
        return False
    frame.picture, frame.decode_ms = decoded.picture, decoded.decode_ms
    return True


class DecoderPool:
    """Threads that decode what `FrameQueue.next_to_decode` names."""

    def __init__(self, work: Workload, num_threads: int) -> None:
        """Starts the threads; they leave when the workload is closed."""
        cv2.setNumThreads(1)  # parallel over frames, not within one
        self._work = work
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
            decoded = decode(frame, side_px)
            frame.source.bench.decode(decoder, 0)
            self._finish(decoder, frame, decoded)

    def _choose(self, decoder: int) -> tuple[WaitingFrame, int] | None:
        work = self._work
        with work.decoding_due:
            while not work.is_closed:
                frame = None
                if not work.is_reserved:
                    frame = work.queue.next_to_decode(work.look_ahead, work.hopeless_ms)
                if frame is not None:
                    frame.is_decoding = True
                    work.decoding[decoder] = frame
                    frame.source.bench.decode(decoder, frame.descriptor.ticket)
                    return frame, work.side_px
                work.decoding_due.wait()
        return None

    def _finish(self, decoder: int, frame: WaitingFrame, decoded: Decoded) -> None:
        """Notes a picture; without one the frame is given up."""
        work = self._work
        with work.changed:
            del work.decoding[decoder]
            is_waiting = work.queue.holds(frame)
            if is_waiting and decoded.picture is not None:
                work.queue.set_decoded(frame, decoded.picture, decoded.decode_ms)
                work.queue.require_side(work.side_px)
            elif is_waiting:
                work.queue.take([frame.queued.key])
            work.changed.notify()
        if is_waiting and decoded.picture is None:
            give_up(frame, decoded)
