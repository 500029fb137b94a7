"""Decodes JPEGs, and takes whatever libjpeg only warns of for what it is: a spoiled picture.

libjpeg goes on after a bad code or a scan that ends early, and leaves the rest grey. OpenCV does not pass its warnings
on; they go to standard error alone. So that leads into memory while pictures are decoded. Threads share it: a picture
during which a warning came is decoded once more, alone, and what is said then is said of it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from .fits import Image

STANDARD_ERROR = 2
UNDECODABLE = "jpeg: cannot be decoded"
REDUCTIONS = (1, 2, 4, 8)
_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
WARNINGS = (
    b"Corrupt JPEG data",
    b"Premature end of JPEG",
    b"Invalid SOS parameters",
    b"Inconsistent progression",
)
"""How those of libjpeg begin."""


class UndecodableImage(ValueError):  # noqa: N818 - named for what it is
    """The bytes are no picture that can be decoded."""


class _Ear:
    """Hears what is said on standard error while somebody listens, and passes it on when nobody does any more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_listening = 0
        self._is_one_alone = False
        self._real = self._memory = -1

    @contextmanager
    def listening(self, *, alone: bool = False) -> Iterator[list[bytes]]:
        """Gives a list that afterwards holds what was said meanwhile, by whomever.

        Args:
            alone: whether nobody else may listen at the same time.
        """
        said: list[bytes] = []
        with self._changed:
            self._changed.wait_for(lambda: not self._is_one_alone)
            self._is_one_alone = alone
            self._changed.wait_for(lambda: not (alone and self._num_listening))
            if not self._num_listening:
                self._begin()
            self._num_listening += 1
            start = os.fstat(self._memory).st_size
        try:
            yield said
        finally:
            with self._changed:
                size = os.fstat(self._memory).st_size
                if size > start:
                    said.append(os.pread(self._memory, size - start, start))
                self._num_listening -= 1
                if not self._num_listening:
                    self._end()
                if alone:
                    self._is_one_alone = False
                self._changed.notify_all()

    def _begin(self) -> None:
        self._memory = os.memfd_create("standard-error", os.MFD_CLOEXEC)
        self._real = os.dup(STANDARD_ERROR)
        os.dup2(self._memory, STANDARD_ERROR)

    def _end(self) -> None:
        os.dup2(self._real, STANDARD_ERROR)
        size = os.fstat(self._memory).st_size
        for line in os.pread(self._memory, size, 0).splitlines(keepends=True):
            if not line.startswith(WARNINGS):  # whoever decodes says so himself
                os.write(STANDARD_ERROR, line)
        os.close(self._real)
        os.close(self._memory)


_EAR = _Ear()


def decode_strictly(jpeg: bytes | memoryview, reduction: int = 1) -> Image:
    """Returns the picture [height, width, 3] of a JPEG; any rotation noted in it is ignored.

    Args:
        jpeg: All of it.
        reduction: 1, 2, 4 or 8; the sides are divided by that while decoding, which saves most of the time.

    Raises:
        UndecodableImage: If it is no picture, or libjpeg complains of it.
    """
    encoded = np.frombuffer(jpeg, np.uint8)
    for alone in (False, True):
        with _EAR.listening(alone=alone) as said:
            image = _decode(encoded, reduction)
        if not any(warning in one for one in said for warning in WARNINGS):
            return image
    raise UndecodableImage(UNDECODABLE)


def _decode(encoded: np.ndarray, reduction: int) -> Image:
    try:
        image = cv2.imdecode(encoded, _FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:  # an empty buffer too; its text names files of the library
        raise UndecodableImage(UNDECODABLE) from error
    if image is None:
        raise UndecodableImage(UNDECODABLE)
    return np.asarray(image, np.uint8)
