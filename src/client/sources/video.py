"""Recordings: video files, here or behind a web address."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import av

from ...core.errors import RunError, UsageError
from ...vision.fits import Image
from .containers import Container, explain, picture_of
from .telling import Spoiled

_MAX_BROKEN_AT_ONCE = 1000
_MISSED_S = 1.0
_log = logging.getLogger(__name__)
_Timed = tuple[float, av.VideoFrame]

GRACE_S = 0.001  # containers round times, some to whole milliseconds
_LONGEST_JUMP_S = 10.0
_SLACK_S = 1.0


class FileTimes:
    """Turns the times that pictures of a recording bear into when each begins to be shown; rises, starts at 0."""

    def __init__(self, usual_s: float, length_s: float, may_jump: bool) -> None:
        """Starts.

        Args:
            usual_s: how long a picture is shown where the recording does not say.
            length_s: of the whole recording; infinite if that is not known. Later times are not believed.
            may_jump: times of this kind of recording may begin anew in the middle.
        """
        self._usual_s = usual_s
        self._length_s = length_s
        self._may_jump = may_jump
        self._shown_s = -math.inf
        self._ends_s = 0.0
        self._shift_s = 0.0

    @property
    def ends_s(self) -> float:
        """When the last picture so far ceases to be shown, if no other comes."""
        return self._ends_s

    def shown_s(self, time_s: float | None, duration_s: float | None) -> float:
        """Returns when the next picture begins to be shown."""
        due_s = self._ends_s
        if time_s is None or not math.isfinite(time_s):
            shown_s = due_s
        elif self._shown_s == -math.inf:
            self._shift_s = -time_s
            shown_s = 0.0
        else:
            shown_s = time_s + self._shift_s
            is_jump = self._may_jump and shown_s > due_s + _LONGEST_JUMP_S
            if shown_s <= self._shown_s or is_jump or shown_s > self._length_s + _SLACK_S:
                shown_s = due_s
                if self._may_jump:
                    self._shift_s = shown_s - time_s
        is_told = duration_s is not None and 0 < duration_s < math.inf
        self._shown_s = shown_s
        self._ends_s = shown_s + (duration_s if is_told and duration_s else self._usual_s)
        return shown_s


class VideoSource:
    """A recording, played in its own time: frame k shows the picture that is on at k / fps.

    Pictures are left out or repeated to fit the stream's rate. What cannot be decoded is left out, counted and told.
    """

    is_live = False
    pictures_stay = True

    def __init__(self, container: Container, name: str, fps: float) -> None:
        """Decodes the first picture; UsageError if no picture of it can be decoded."""
        self._container = container
        self._name = name
        self._fps = Fraction(fps)
        self._spoiled = Spoiled(name, "broken packets")
        length = container.container.duration
        self._times = FileTimes(
            usual_s=container.usual_s,
            length_s=length / av.time_base if length else math.inf,
            may_jump=container.may_jump,
        )
        self._frames = self._decode()
        self._image: Image | None = None
        self._number = -1
        self._ahead: _Timed | None = None
        self._on: _Timed | None = None
        try:
            self._ahead = next(self._frames, None)
        finally:
            if self._ahead is None:
                self.close()
        if self._ahead is None:
            raise UsageError(f"{name}: no picture of it can be decoded")

    @property
    def num_told(self) -> int:
        """How many pictures the recording says that it has; 0 if it does not."""
        return self._container.video.frames

    @property
    def usual_fps(self) -> float:
        """How many pictures a second the recording usually has."""
        return 1 / self._container.usual_s

    def read(self, index: int) -> Image | None:
        """Returns the picture that is on at the time of that frame; RunError if the recording cannot be read on."""
        if self.number_at(index) is None or self._on is None:
            return None
        if self._image is None:
            self._image = picture_of(self._on[1])
        return self._image

    def number_at(self, index: int) -> int | None:
        """Which of the recording's pictures that is, counted from 0; None after the last one. Errors as of `read`."""
        now_s = float(index / self._fps) + GRACE_S
        while self._ahead is not None and self._ahead[0] <= now_s:
            self._on, self._image = self._ahead, None
            self._number += 1
            self._ahead = next(self._frames, None)
        is_over = self._ahead is None and self._times.ends_s <= now_s
        return None if self._on is None or is_over else self._number

    def pictures(self) -> Iterator[Image]:
        """The recording's pictures, each once, of a source that was not read; NoPicture for one that cannot be shown."""
        while self._ahead is not None:
            yield picture_of(self._ahead[1])
            self._ahead = next(self._frames, None)

    def close(self) -> None:
        """Closes the file."""
        self._spoiled.sum_up()
        self._frames.close()
        self._container.close()

    def _decode(self) -> Generator[_Timed]:
        """Gives what can be decoded, with when it begins to be shown."""
        num_at_once = 0
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                self._spoiled.note(explain(error))
                num_at_once += 1
                if num_at_once == _MAX_BROKEN_AT_ONCE:
                    return
                continue
            for frame in frames:
                num_at_once = 0
                length_s = float(frame.duration * (frame.time_base or 0)) or None
                yield self._times.shown_s(frame.time, length_s), frame
        missing_s = self._container.length_s - self._times.ends_s
        if missing_s > _MISSED_S:
            _log.warning(
                "%s: its last %.1f s hold no picture that can be read", self._name, missing_s
            )

    def _packets(self) -> Iterator[av.Packet[Any]]:
        """Gives packets, beyond places that cannot be read."""
        for _ in range(_MAX_BROKEN_AT_ONCE):
            try:
                yield from self._container.packets()
            except av.error.InvalidDataError as error:
                self._spoiled.note(explain(error))
            except (av.FFmpegError, OSError) as error:
                raise RunError(f"{self._name}: cannot be read on: {explain(error)}") from None
            else:
                return
