"""What a zoo's networks find in pictures, kept by content in this user's cache, so that none is looked at twice."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import queue
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ..core.answers import Detections
from ..core.errors import RunError
from ..vision.fits import Image
from ..vision.preprocessing import decode_frame, fit_picture
from ..zoos import OpenedZoo
from ..zoos.places import own_path
from .detecting import PictureRunner

VERSION = 1  # to be raised whenever the same network would find something else in the same picture
AT_ONCE = 32  # raw pictures are of 3 MB and more
_TABLE = "CREATE TABLE IF NOT EXISTS found (key BLOB PRIMARY KEY, boxes BLOB) WITHOUT ROWID"
_BUSY_S = 60.0
_KEY_BYTES = 16
_COLUMNS = 6
Rows = npt.NDArray[np.float32]
"""Corners of a box, its score and its class in each, [n, 6]."""


class Asked(NamedTuple):
    """A picture, and the variant that looks at it.

    Attributes:
        variant: its name.
        picture: a JPEG as a client sends it, or a picture [height, width, 3], blue, green, red, that no link has harmed.
    """

    variant: str
    picture: bytes | Image


class RememberedDetections:
    """The networks of a zoo that detects, on all cores of this process, one picture at a time each."""

    def __init__(self, zoo: OpenedZoo) -> None:
        """Loads nothing: a network is loaded when the first picture is not known."""
        self._zoo = zoo
        self._num_workers = len(os.sched_getaffinity(0))
        self._runners: queue.SimpleQueue[dict[str, PictureRunner]] = queue.SimpleQueue()
        for _ in range(self._num_workers):
            self._runners.put({})

    def find(self, asked: Iterable[Asked]) -> Iterator[Detections]:
        """Says what is in each picture; what was found so far stays known whenever it ends.

        Raises:
            RunError: if a network cannot be loaded, or the cache cannot be read or written.
        """
        name = f"{self._zoo.name}-{self._zoo.digest}-{VERSION}.sqlite"
        path = own_path("detections", Path(name))
        rest = iter(asked)
        try:
            with (
                contextlib.closing(sqlite3.connect(path, timeout=_BUSY_S)) as store,
                _workers(self._num_workers) as pool,
            ):
                store.execute(_TABLE)
                while some := list(itertools.islice(rest, AT_ONCE)):
                    keys = [_key(one) for one in some]
                    found = {key: boxes for key in keys if (boxes := _read(store, key)) is not None}
                    new = {
                        key: one for key, one in zip(keys, some, strict=True) if key not in found
                    }
                    for key, boxes in zip(new, pool.map(self._look, new.values()), strict=True):
                        found[key] = boxes
                        store.execute("REPLACE INTO found VALUES (?, ?)", (key, boxes.tobytes()))
                    store.commit()
                    yield from (_detections(found[key]) for key in keys)
        except sqlite3.Error as error:
            raise RunError(f"{path}: cannot be used: {error}; it may be removed") from None

    def _look(self, asked: Asked) -> Rows:
        runners = self._runners.get()
        try:
            if asked.variant not in runners:
                runners[asked.variant] = PictureRunner(self._zoo, asked.variant)
            look, picture = runners[asked.variant], asked.picture
            if isinstance(picture, bytes):
                fitted = decode_frame(picture, look.side_px, look.fit)
            else:
                fitted = fit_picture(picture, look.side_px, look.fit)
            found = cast("Detections", look(fitted))
        finally:
            self._runners.put(runners)
        return np.column_stack((found.boxes, found.scores, found.class_ids)).astype(np.float32)


@contextlib.contextmanager
def _workers(number: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that look at no further picture once the block has ended, as by Ctrl-C."""
    pool = ThreadPoolExecutor(number, "detect")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _key(asked: Asked) -> bytes:
    picture = asked.picture
    if isinstance(picture, bytes):
        kind, content = "jpeg", picture
    else:
        kind, content = f"pixels {picture.shape}", picture.tobytes()
    digest = hashlib.blake2b(f"{asked.variant} {kind} ".encode(), digest_size=_KEY_BYTES)
    digest.update(content)
    return digest.digest()


def _read(store: sqlite3.Connection, key: bytes) -> Rows | None:
    row = store.execute("SELECT boxes FROM found WHERE key = ?", (key,)).fetchone()
    return None if row is None else np.frombuffer(row[0], np.float32).reshape(-1, _COLUMNS)


def _detections(rows: Rows) -> Detections:
    boxes, scores, class_ids = np.split(rows, (4, 5), axis=1)
    return Detections(boxes, scores[:, 0], class_ids[:, 0].astype(np.int32))
