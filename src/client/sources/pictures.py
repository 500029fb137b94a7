"""Pictures in files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ...core.errors import RunError, UsageError
from ...vision.picture_header import check_size
from ...vision.preprocessing import Image
from .port import NoPicture
from .telling import Spoiled, shown

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_MAX_FILE_BYTES = 256 * 2**20


class FolderSource:
    """The pictures of a folder, by name, one a frame; or a single picture.

    Hidden files, folders and broken links are no pictures. A file that cannot be decoded costs its frame.
    """

    is_live = False
    pictures_stay = True

    def __init__(self, path: Path) -> None:
        """Lists the folder; UsageError if it holds no picture, OSError if it cannot be listed."""
        self._name = shown(path)
        self._paths = [path] if path.is_file() else sorted(filter(_is_picture, path.iterdir()))
        if not self._paths:
            raise UsageError(f"{self._name}: holds no picture ({', '.join(PICTURE_SUFFIXES)})")
        self._spoiled = Spoiled(self._name, "pictures")
        self._num_read = 0

    def read(self, index: int) -> Image | None:
        """Reads a picture.

        Raises:
            NoPicture: if the file is none that can be decoded.
            RunError: at the end, if none could be.
        """
        if index >= len(self._paths):
            if not self._num_read:
                raise RunError(f"{self._name}: no picture of it can be read")
            return None
        path = self._paths[index]
        try:
            image = _read(path)
        except (OSError, ValueError, cv2.error) as error:
            words = getattr(error, "strerror", None) or str(error)
            problem = f"{shown(path)}: is no picture that can be read: {words}"
            self._spoiled.note(problem)
            raise NoPicture(problem) from None
        self._num_read += 1
        return image

    def close(self) -> None:
        """Says how many pictures were left out."""
        self._spoiled.sum_up()


def _is_picture(path: Path) -> bool:
    is_named_so = path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    return is_named_so and path.is_file()


def _read(path: Path) -> Image:
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise ValueError(f"must be at most {_MAX_FILE_BYTES} bytes")
    data = path.read_bytes()
    check_size(data)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("it cannot be decoded")
    return np.asarray(image, np.uint8)
