"""Pictures in files."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import RunError, UsageError
from ...vision.fits import Image
from ...vision.picture_files import PICTURE_SUFFIXES, pictures_in, read_picture
from .port import NoPicture
from .telling import Spoiled, shown


class FolderSource:
    """The pictures of a folder, by name, one a frame; or a single picture.

    Hidden files, folders and broken links are no pictures. A file that cannot be decoded costs its frame.
    """

    is_live = False
    pictures_stay = True

    def __init__(self, path: Path) -> None:
        """Lists the folder; UsageError if it holds no picture, OSError if it cannot be listed."""
        self._name = shown(path)
        self._paths = [path] if path.is_file() else pictures_in(path)
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
            image = read_picture(path)
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            problem = f"{shown(path)}: is no picture that can be read: {words}"
            self._spoiled.note(problem)
            raise NoPicture(problem) from None
        self._num_read += 1
        return image

    def close(self) -> None:
        """Says how many pictures were left out."""
        self._spoiled.sum_up()
