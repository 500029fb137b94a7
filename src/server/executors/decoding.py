"""Decodes waiting frames in threads beside the batch loop, in deadline order."""

from __future__ import annotations

import logging
import threading
import time
from typing import TypeAlias

import cv2

from ...core.clock import MonotonicClock
from ...core.verdict import Reason
from ...devices.executors.port import Executor
from ...protos.internal_pb2 import FrameResults
from ...vision.preprocessing import decode_frame
from ..wire.frame_memory import StaleSlotError
from . import answers
from .workload import WaitingFrame, Workload

Fault: TypeAlias = tuple[Reason, str]
"""Why a frame has no input, and what is said of it."""

_log = logging.getLogger(__name__)


def decode(frame: WaitingFrame, side_px: int, executor: Executor) -> Fault | None:
    """Gives a frame its input: of the picture that its endpoint checked, and no other that has come into its slot since.

    Whatever a library fails with is the frame's fault, which is returned.
    """
    start_s = time.monotonic()
    sent = frame.descriptor
    try:
        jpeg = frame.source.memory.read(sent.slot, sent.slot_generation, sent.jpeg_bytes)
        frame.input = executor.prepare(decode_frame(jpeg, side_px, executor.fit))
    except StaleSlotError:
        return Reason.TOO_LATE, "its endpoint has given it up"
    except Exception as error:  # noqa: BLE001 - a decoder fails in many ways, each with its frame
        _log.warning("a frame of %d bytes cannot be decoded: %s", sent.jpeg_bytes, error)
        return Reason.BAD_FRAME, "jpeg: cannot be decoded"
    finally:
        frame.decode_ms += 1000 * (time.monotonic() - start_s)
    return None


def _give_up(frame: WaitingFrame, fault: Fault) -> None:
    reason, detail = fault
    answers.give_up([frame], [reason], detail, FrameResults(), MonotonicClock().now_ms())


def decode_alone(frame: WaitingFrame, side_px: int, executor: Executor) -> bool:
    """Gives a frame its input, here and now; or gives it up and returns False."""
    fault = decode(frame, side_px, executor)
    if fault is not None:
        _give_up(frame, fault)
    return fault is None


class DecoderPool:
    """Threads that decode what the core names, and prepare it for the device, while that runs a batch."""

    def __init__(self, work: Workload, executor: Executor, num_threads: int) -> None:
        """Starts the threads; they leave when the workload is closed."""
        cv2.setNumThreads(1)  # parallel over frames, not within one
        self._work = work
        self._executor = executor
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
            fault = decode(frame, side_px, self._executor)
            frame.source.bench.decode(decoder, 0)
            self._finish(decoder, frame, side_px, fault)

    def _choose(self, decoder: int) -> tuple[WaitingFrame, int] | None:
        work = self._work
        with work.decoding_due:
            while not work.is_closed:
                key = work.core.decode(decoder)
                if key is not None:
                    frame = work.frames[key]
                    frame.source.bench.decode(decoder, frame.descriptor.ticket)
                    return frame, work.core.side_px
                work.decoding_due.wait()
        return None

    def _finish(self, decoder: int, frame: WaitingFrame, side_px: int, fault: Fault | None) -> None:
        """Notes an input; without one the frame is given up, if it still waits."""
        work = self._work
        with work.changed:
            key = work.core.frames.decoding[decoder]
            is_waiting = work.core.decoded(decoder, 0 if fault else side_px)
            if fault and is_waiting:
                work.take([key])
            work.changed.notify()
        if fault and is_waiting:
            _give_up(frame, fault)
