"""Pictures in files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .fits import Image
from .picture_header import check_size

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_MAX_FILE_BYTES = 256 * 2**20


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder by name; hidden files, folders and broken links are none. OSError if it cannot be listed."""
    return sorted(filter(_is_picture, folder.iterdir()))


def _is_picture(path: Path) -> bool:
    is_named_so = path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    return is_named_so and path.is_file()


def read_picture(path: Path) -> Image:
    """Reads a picture, BGR [height, width, 3].

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no picture, or too large.
    """
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise ValueError(f"must be at most {_MAX_FILE_BYTES} bytes")
    data = path.read_bytes()
    check_size(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise ValueError("it cannot be decoded")
    return np.asarray(image, np.uint8)
