"""Cameras: of this machine, and of the network."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import av

from ...core.clock import Clock, MonotonicClock
from ...core.errors import RunError
from ...vision.fits import Image
from .camera_clock import CameraClock
from .containers import READ_TIMEOUT_S, Container, decode_jpeg, explain, picture_of
from .port import NoPicture, Picture
from .telling import Spoiled

_log = logging.getLogger(__name__)
GIVE_UP_AFTER_S = 60.0
_STUCK_AFTER_S = 2 * READ_TIMEOUT_S  # a driver that does not keep the time limit
_TOO_OLD_MS = 5000.0

FIRST_WAIT_MS = 250.0
LONGEST_WAIT_MS = 5000.0


@dataclass(slots=True)
class Reopening:
    """Waits longer from time to time, until there is a picture again or the limit is reached.

    Attributes:
        lost_ms: since when it is; None while it is not.
    """

    give_up_after_ms: float
    lost_ms: float | None = None
    num_tries: int = 0

    def on_loss(self, now_ms: float) -> float | None:
        """Returns how long to wait before opening it (once more); None to give it up."""
        if self.lost_ms is None:
            self.lost_ms = now_ms
        left_ms = self.lost_ms + self.give_up_after_ms - now_ms
        if left_ms <= 0:
            return None
        wait_ms = min(FIRST_WAIT_MS * 2.0 ** min(self.num_tries, 16), LONGEST_WAIT_MS, left_ms)
        self.num_tries += 1
        return wait_ms

    def on_picture(self, now_ms: float) -> float | None:
        """Returns how long it was lost; None if it was not."""
        if self.lost_ms is None:
            return None
        lost_for_ms = now_ms - self.lost_ms
        self.lost_ms, self.num_tries = None, 0
        return lost_for_ms


class CameraSource:
    """A live source, read without pause by a thread of its own, which keeps the newest picture alone.

    Pictures bear the time of the camera's own clock, read on ours, where it tells one; else the time at which they
    arrived. A camera that vanishes, falls silent or lags is opened again, at growing intervals, and given up after a while.
    """

    is_live = True
    pictures_stay = True

    def __init__(
        self,
        name: str,
        open_container: Callable[[], Container],
        container: Container | None = None,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        clock: Clock | None = None,
    ) -> None:
        """Opens the camera; RunError if it does not answer."""
        self._name = name
        self._open = open_container
        self._clock = MonotonicClock() if clock is None else clock
        self._reopening = Reopening(give_up_after_s * 1000)
        self._spoiled = Spoiled(name, "pictures")
        self._changed = threading.Condition()  # guards what follows
        self._newest: Picture | None = None
        self._is_lost = False
        self._failure: RunError | None = None
        self._is_closed = threading.Event()
        if container is None:
            try:
                container = open_container()
            except (OSError, ValueError) as error:
                raise RunError(f"{name}: cannot be opened: {explain(error)}") from None
        self._thread = threading.Thread(
            target=self._keep_reading, args=(container,), name=f"read {name}", daemon=True
        )
        self._thread.start()

    def read(self, index: int) -> Picture | None:
        """Waits for a picture that is newer than the last one.

        Raises:
            NoPicture: while the camera is lost.
            RunError: if it was given up.
        """
        with self._changed:
            self._changed.wait_for(self._has_news, _STUCK_AFTER_S)
            if self._is_closed.is_set():
                return None
            newest, self._newest = self._newest, None
            if newest is not None:
                return newest
            if self._failure is not None:
                raise self._failure
            raise NoPicture(
                f"{self._name}: is lost" if self._is_lost else f"{self._name}: is silent"
            )

    def close(self) -> None:
        """Lets the camera go, as soon as its thread is free to."""
        self._is_closed.set()
        with self._changed:
            self._newest = None
            self._changed.notify_all()

    def _has_news(self) -> bool:
        is_over = self._failure is not None or self._is_closed.is_set()
        return self._newest is not None or self._is_lost or is_over

    def _keep_reading(self, container: Container | None) -> None:
        """Reads until the source is closed, or the camera given up."""
        while container is not None:
            problem = self._read_all(container)
            container = None
            while container is None and not self._is_closed.is_set():
                wait_ms = self._lose(problem)
                if wait_ms is None or self._is_closed.wait(wait_ms / 1000):
                    break
                try:
                    container = self._open()
                except Exception as error:  # noqa: BLE001 the thread must not die unheard
                    problem = explain(error)
        self._spoiled.sum_up()

    def _lose(self, problem: str) -> float | None:
        """Notes that the camera is lost; returns how long to wait before it is opened; None to give it up."""
        is_news = self._reopening.lost_ms is None
        wait_ms = self._reopening.on_loss(self._clock.now_ms())
        if is_news:
            _log.warning("%s: lost (%s); it will be opened again", self._name, problem)
        with self._changed:
            self._newest = None  # from before
            self._is_lost = True
            if wait_ms is None:
                lost_s = self._reopening.give_up_after_ms / 1000
                self._failure = RunError(f"{self._name}: lost for {lost_s:g} s: {problem}")
            self._changed.notify_all()
        return wait_ms

    def _read_all(self, container: Container) -> str:
        """Reads pictures until there are no more; returns why."""
        clock = CameraClock()
        is_jpeg = container.video.codec_context.codec.canonical_name == "mjpeg"
        arrived_before_ms: float | None = None
        waited_since_ms = self._clock.now_ms()
        try:
            for packet in container.packets():
                arrived_ms = self._clock.now_ms()
                if self._is_closed.is_set():
                    return "closed"
                if arrived_ms - waited_since_ms > READ_TIMEOUT_S * 1000:
                    # FFmpeg gives what it held back, and would wait as long again.
                    return f"it was silent for {READ_TIMEOUT_S:g} s"
                for camera_ms, picture in self._pictures_of(packet, is_jpeg):
                    # One that is late by one arrived when the one before it came out.
                    came_ms = arrived_before_ms if container.is_late_by_one else arrived_ms
                    if came_ms is None:
                        continue
                    time_ms = camera_ms if container.has_times else None
                    captured_ms = clock.captured_ms(time_ms, came_ms)
                    if came_ms - captured_ms > _TOO_OLD_MS:
                        return f"its pictures come {_TOO_OLD_MS / 1000:g} s late"
                    if clock.is_settled:
                        self._take(Picture(captured_ms, picture))
                arrived_before_ms = arrived_ms
                waited_since_ms = self._clock.now_ms()
        except Exception as error:  # noqa: BLE001 the thread must not die unheard
            return explain(error)
        finally:
            container.close()
        return "it ended the connection"

    def _pictures_of(
        self, packet: av.Packet[Any], is_jpeg: bool
    ) -> list[tuple[float | None, Callable[[], Image]]]:
        """The pictures that a packet completes, with the camera's times (ms)."""
        if is_jpeg:  # each stands alone, so only those that are wanted need to be decoded
            if not packet.size:
                return []
            return [(_ms(packet), partial(self._decode_jpeg, bytes(packet)))]
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            self._spoiled.note(explain(error))
            return []
        return [(_ms(frame), partial(picture_of, frame)) for frame in frames]

    def _decode_jpeg(self, data: bytes) -> Image:
        try:
            return decode_jpeg(data)
        except NoPicture as error:
            self._spoiled.note(str(error))
            raise

    def _take(self, picture: Picture) -> None:
        """Takes a new picture in place of the one before."""
        lost_for_ms = self._reopening.on_picture(self._clock.now_ms())
        if lost_for_ms is not None:
            _log.warning("%s: is back after %.1f s", self._name, lost_for_ms / 1000)
        with self._changed:
            self._newest = picture
            self._is_lost = False
            self._changed.notify_all()


def _ms(timed: av.Packet[Any] | av.VideoFrame) -> float | None:
    if timed.pts is None or timed.time_base is None:
        return None
    return float(timed.pts * timed.time_base * 1000)
