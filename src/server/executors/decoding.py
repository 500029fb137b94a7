"""Decodes waiting frames in threads beside the batch loop, in deadline order."""

from __future__ import annotations

import threading
import time

import cv2

from ...core.clock import MonotonicClock
from ...core.verdict import Reason
from ...protos.internal_pb2 import FrameResults
from ...vision.preprocessing import decode_frame
from ..frame_memory import StaleSlotError
from . import answers
from .frame_queue import WaitingFrame
from .port import Picture
from .workload import Workload


class DecoderPool:
    """Threads that decode what `FrameQueue.next_to_decode` names."""

    def __init__(self, work: Workload, num_threads: int) -> None:
        """Starts the threads; they leave when the workload is closed."""
        cv2.setNumThreads(1)  # parallel over frames, not within one
        self._work = work
        self._threads = [
            threading.Thread(target=self._serve, name=f"decoder-{k}", daemon=True)
            for k in range(num_threads)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Waits until the threads have left."""
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (chosen := self._choose()) is not None:
            self._decode(*chosen)

    def _choose(self) -> tuple[WaitingFrame, int] | None:
        work = self._work
        with work.decoding_due:
            while not work.is_closed:
                frame = work.queue.next_to_decode(work.look_ahead, work.hopeless_ms)
                if frame is not None:
                    frame.is_decoding = True
                    return frame, work.side_px
                work.decoding_due.wait()
        return None

    def _decode(self, frame: WaitingFrame, side_px: int) -> None:
        """Decodes one frame; gives it up if it is no picture, or if its slot has a new frame."""
        start_s = time.monotonic()
        sent = frame.descriptor
        memory = frame.source.memory
        problem = ""
        picture: Picture | None = None
        try:
            jpeg = memory.read(sent.slot, sent.slot_generation, sent.jpeg_bytes)
            picture = decode_frame(jpeg, side_px)
            if not memory.is_current(sent.slot, sent.slot_generation):
                picture = None  # of another frame, in part
        except StaleSlotError:
            pass  # the endpoint gave the frame up
        except ValueError as error:
            problem = str(error)
        decode_ms = 1000 * (time.monotonic() - start_s)
        work = self._work
        with work.changed:
            is_waiting = work.queue.holds(frame)
            if is_waiting and picture is not None:
                work.queue.set_decoded(frame, picture, decode_ms)
                work.queue.require_side(work.side_px)
            elif is_waiting:
                work.queue.take([frame.queued.key])
            work.changed.notify()
        if is_waiting and problem:
            now_ms = MonotonicClock().now_ms()
            result = answers.dropped(frame, Reason.BAD_FRAME, problem, now_ms)
            answers.send([frame], [result], FrameResults())
