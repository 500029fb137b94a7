"""Videos that the cameras of experiments look at: numbered pictures, made and encoded once, and kept in this user's cache."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ..core.errors import RunError
from ..core.zoo import Fit
from ..vision.accuracy import FrameTruth
from ..vision.fits import Image, Size
from ..vision.preprocessing import encode_frame
from ..zoos.places import own_path
from .cameras import LiveCamera
from .making import Facts, PictureMaker, maker_of

VERSION: Final = 1  # to be raised whenever the same video would be kept otherwise
KEPT_QUALITY: Final = 90  # of the pictures themselves
UNUSED_S: Final = 30 * 86_400.0
_AT_ONCE: Final = 32  # raw pictures are of 3 MB
_BUSY_S: Final = 60.0
_TRUTH_COLUMNS: Final = 6
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS pictures (number INTEGER PRIMARY KEY, jpeg BLOB, truth BLOB);
CREATE TABLE IF NOT EXISTS encoded (number INTEGER, side_px INTEGER, quality INTEGER, fit TEXT, jpeg BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS which ON encoded (fit, quality, side_px, number);
"""
OnPicture = Callable[[int, int], object]
"""Is told how many pictures are done, and of how many."""


class Video:
    """Numbered pictures, each kept as a JPEG when it was first asked for; safe to use from several threads.

    Attributes:
        facts: what it is.
    """

    def __init__(self, maker: PictureMaker) -> None:
        """Makes no picture yet; RunError if the cache cannot be used."""
        self.facts: Facts = maker.facts
        self._maker = maker
        self._lock = threading.Lock()
        kept = "".join(c if c.isalnum() else "-" for c in maker.facts.name)[:60]
        name = f"{kept}-{maker.facts.digest[:16]}-{VERSION}.sqlite"
        self._path = own_path("videos", Path(name))
        with self._opened() as store:
            store.executescript(_TABLES)
        _keep_used(self._path)

    def picture(self, number: int) -> Image:
        """A picture as it is kept.

        Raises:
            RunError: if it cannot be made or kept.
        """
        return _decoded(self._kept(number)[0])

    def truth(self, number: int) -> FrameTruth | None:
        """What there is to see in a picture, if that is known; errors as above."""
        beside = self._maker.truth_beside(number)
        rows = self._kept(number)[1] if beside is None and self.facts.class_names else None
        return beside if rows is None else _truth(rows, self.facts.size_px)

    def encoded(self, number: int, side_px: int, quality: int, fit: Fit) -> bytes:
        """A picture as a client encodes it; errors as above."""
        found = self._one(
            "SELECT jpeg FROM encoded WHERE fit = ? AND quality = ? AND side_px = ? AND number = ?",
            (fit.value, quality, side_px, number),
        )
        if found is not None:
            return bytes(found[0])
        return encode_frame(self.picture(number), side_px, quality, fit)

    def encode_ahead(
        self,
        numbers: Iterable[int],
        sides_px: Sequence[int],
        quality: int,
        fit: Fit,
        on_picture: OnPicture = lambda _done, _of: None,
    ) -> None:
        """Makes pictures and encodes them at some sides, on all cores; what is done stays done whenever it ends.

        A picture takes about 40 ms of a core and 0.6 MB with the 16 sides of 128 to 608 px. Errors as above.
        """
        lacking = self._lacking(sorted(set(numbers)), sides_px, quality, fit)
        rest, done = iter(lacking.items()), 0
        with _workers() as pool:
            while some := list(itertools.islice(rest, _AT_ONCE)):
                jpegs = [self._kept(number)[0] for number, _ in some]
                rows = pool.map(lambda jpeg, one: _encoded(jpeg, one[1], quality, fit), jpegs, some)
                with self._opened() as store:
                    store.executemany(
                        "REPLACE INTO encoded VALUES (?, ?, ?, ?, ?)",
                        (
                            (number, side_px, quality, fit.value, jpeg)
                            for (number, sides), made in zip(some, rows, strict=True)
                            for side_px, jpeg in zip(sides, made, strict=True)
                        ),
                    )
                done += len(some)
                on_picture(done, len(lacking))

    def encoded_bytes(
        self, sides_px: Iterable[int], quality: int, fit: Fit
    ) -> dict[tuple[int, int], int]:
        """Number and side to the size of what is encoded in advance; errors as above."""
        found: dict[tuple[int, int], int] = {}
        with self._opened() as store:
            for side_px in sides_px:
                rows = store.execute(
                    "SELECT number, length(jpeg) FROM encoded WHERE fit = ? AND quality = ? AND side_px = ?",
                    (fit.value, quality, side_px),
                )
                found.update({(number, side_px): size for number, size in rows})
        return found

    def _lacking(
        self, numbers: Sequence[int], sides_px: Sequence[int], quality: int, fit: Fit
    ) -> dict[int, list[int]]:
        """Number to the sides at which that picture is not encoded yet."""
        with self._opened() as store:
            known = set(
                store.execute(
                    "SELECT number, side_px FROM encoded WHERE fit = ? AND quality = ?",
                    (fit.value, quality),
                )
            )
        lacking = {
            number: [side_px for side_px in sides_px if (number, side_px) not in known]
            for number in numbers
        }
        return {number: sides for number, sides in lacking.items() if sides}

    def _kept(self, number: int) -> tuple[bytes, bytes | None]:
        """A picture's JPEG and truth, made now if they were not."""
        found = self._one("SELECT jpeg, truth FROM pictures WHERE number = ?", (number,))
        if found is None:
            with self._lock:
                image, truth = self._maker.make(number)
            jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, KEPT_QUALITY])[1]
            found = (jpeg.tobytes(), None if truth is None else _rows(truth))
            with self._opened() as store:
                store.execute("REPLACE INTO pictures VALUES (?, ?, ?)", (number, *found))
        return found

    def _one(self, query: str, values: Sequence[object]) -> tuple[bytes, bytes | None] | None:
        with self._opened() as store:
            found: tuple[bytes, bytes | None] | None = store.execute(query, values).fetchone()
        return found

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The cache, opened each time, which takes 0.1 ms: so nothing stays open, whoever forgets a video."""
        try:
            with contextlib.closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as store, store:
                yield store
        except sqlite3.Error as error:
            raise RunError(f"{self._path}: cannot be used: {error}; it may be removed") from None


class VideoCamera:
    """What a camera sees of a video, from a place in it on, round and round; an `EncodingSource`.

    Pictures are encoded from the cache, so those that it gives have the size alone; `Video.picture` has the rest.
    """

    is_live = False
    reads_at_once = True
    pictures_stay = True

    def __init__(self, video: Video, fps: float, start_s: float = 0.0) -> None:
        """Starts so many seconds after the video's first picture."""
        self.video = video
        self._ratio = video.facts.fps / fps
        self._first = round(start_s * video.facts.fps)
        width, height = video.facts.size_px
        self._blank = bytes(3 * width * height)
        self._numbers: dict[int, int] = {}  # of pictures that were given; an id is used again

    def number_at(self, index: int) -> int:
        """Which of the video's pictures a frame shows."""
        passed = int(index * self._ratio + 1e-6)
        return (self._first + passed) % self.video.facts.num_pictures

    def numbers(self, num_frames: int) -> list[int]:
        """Which pictures the first frames show."""
        return [self.number_at(index) for index in range(num_frames)]

    def read(self, index: int) -> Image:
        """A picture of the frame's size, for `encode` to know it by."""
        width, height = self.video.facts.size_px
        image: Image = np.ndarray((height, width, 3), np.uint8, self._blank)
        self._numbers[id(image)] = self.number_at(index)
        return image

    def encode(self, image: Image, side_px: int, quality: int, fit: Fit) -> bytes:
        """Encodes a picture that it gave, or looks up how that was encoded; KeyError if it is no such picture."""
        return self.video.encoded(self._numbers[id(image)], side_px, quality, fit)

    def truth_at(self, index: int) -> FrameTruth | None:
        """What there is to see in a frame, if that is known."""
        return self.video.truth(self.number_at(index))

    def close(self) -> None:
        """Does nothing: others look at the video."""


def seen_by(camera: LiveCamera) -> VideoCamera:
    """What a camera sees; errors as of `open_video`."""
    return VideoCamera(open_video(camera.source), camera.fps, camera.source_start_s)


@functools.lru_cache(maxsize=8)
def open_video(source: str) -> Video:
    """The video of a source, the same one for all; errors as of `maker_of`."""
    return Video(maker_of(source))


def _keep_used(path: Path) -> None:
    """Notes that a video is used, and lets go of those beside it that nobody used for a month."""
    with contextlib.suppress(OSError):  # another process may do the same
        os.utime(path)
        for other in path.parent.glob("*.sqlite"):
            if time.time() - other.stat().st_mtime > UNUSED_S:
                other.unlink()


@contextlib.contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """Threads on all cores that begin nothing more once the block has ended, as by Ctrl-C."""
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)), "encode ahead")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _encoded(jpeg: bytes, sides_px: Sequence[int], quality: int, fit: Fit) -> list[bytes]:
    image = _decoded(jpeg)
    return [encode_frame(image, side_px, quality, fit) for side_px in sides_px]


def _decoded(jpeg: bytes) -> Image:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _rows(truth: FrameTruth) -> bytes:
    return (
        np.column_stack((truth.boxes, truth.class_ids, truth.is_ignored))
        .astype(np.float32)
        .tobytes()
    )


def _truth(rows: bytes, size_px: Size) -> FrameTruth:
    table = np.frombuffer(rows, np.float32).reshape(-1, _TRUTH_COLUMNS)
    return FrameTruth(table[:, :4], table[:, 4].astype(np.int32), table[:, 5] > 0, size_px)
