"""Where frames come from: a port, and its adapters for files, cameras, pictures and drawn scenes."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from ..core.addresses import mask_address
from ..core.checks import echo, require_positive
from ..core.errors import RunError, UsageError
from ..vision.preprocessing import Image
from ..vision.scenes import Scene

_log = logging.getLogger(__name__)

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_URL_PREFIXES = ("rtsp://", "rtsps://", "http://", "https://")
_OPEN_TIMEOUT_MS = 5000
_READ_TIMEOUT_MS = 5000
_MAX_CAMERA = 255


class FrameSource(Protocol):
    """Gives pictures, one after the other.

    All calls come from one thread at a time, never from the event loop's.

    Attributes:
        is_live: pictures come at the source's own pace and `read` waits for a new one. Otherwise they
            can be had in advance, and again by opening the source anew.
    """

    is_live: bool

    def read(self, index: int) -> Image | None:
        """Returns a picture [height, width, 3], blue, green, red; None when there are no more.

        Args:
            index: number of the frame in the stream; rises, gaps are skipped. Live sources give the
                newest picture whatever the index.

        Raises:
            RunError: if the source fails.
        """
        ...

    def close(self) -> None:
        """Lets go of what the source holds; may be called twice."""
        ...


@runtime_checkable
class EncodingSource(FrameSource, Protocol):
    """A source that encodes its pictures itself, perhaps in advance."""

    def encode(self, image: Image, side_px: int, quality: int) -> bytes:
        """Does what `vision.preprocessing.encode_frame` does, of a picture that it gave."""
        ...


class ArraySource:
    """Pictures in memory, round and round."""

    is_live = False

    def __init__(self, images: Sequence[Image], num_frames: int | None = None) -> None:
        """Takes the pictures.

        Args:
            images: at least one, [height, width, 3] each.
            num_frames: where the stream ends; None for never.

        Raises:
            ValueError: if there is no picture.
        """
        if not images:
            raise ValueError("images=[]: must hold at least one picture")
        self._images = images
        self._num_frames = math.inf if num_frames is None else num_frames

    def read(self, index: int) -> Image | None:
        """Returns the picture whose turn it is."""
        return self._images[index % len(self._images)] if index < self._num_frames else None

    def close(self) -> None:
        """Does nothing."""


class SceneSource:
    """A drawn scene, with known truth; never ends. Frame k is `Scene(seed, fps=fps).frame(k)`."""

    is_live = False

    def __init__(self, seed: int, fps: float) -> None:
        """Draws the still part of a test scene, which takes a moment.

        Raises:
            ValueError: if the seed or rate is out of range.
        """
        self.scene = Scene(seed, "test", fps=fps)

    def read(self, index: int) -> Image | None:
        """Draws a frame."""
        return self.scene.frame(index).image

    def close(self) -> None:
        """Does nothing."""


class FolderSource:
    """The pictures of a folder, by name, one a frame."""

    is_live = False

    def __init__(self, folder: Path) -> None:
        """Lists the folder.

        Raises:
            UsageError: if it holds no picture.
        """
        self._paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
        if not self._paths:
            raise UsageError(f"{folder}: holds no picture ({', '.join(PICTURE_SUFFIXES)})")

    def read(self, index: int) -> Image | None:
        """Reads a picture.

        Raises:
            RunError: if a file is no picture.
        """
        if index >= len(self._paths):
            return None
        image = cv2.imread(str(self._paths[index]), cv2.IMREAD_COLOR)
        if image is None:
            raise RunError(f"{self._paths[index]}: is no picture that can be read")
        return np.asarray(image, np.uint8)

    def close(self) -> None:
        """Does nothing."""


class VideoSource:
    """A video file, played in its own time: frames are left out or repeated to fit the stream's rate."""

    is_live = False

    def __init__(self, path: Path, fps: float) -> None:
        """Opens the file.

        Raises:
            UsageError: if it is no video that can be read.
        """
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise UsageError(f"{path}: is no video that can be read")
        file_fps = self._capture.get(cv2.CAP_PROP_FPS)
        has_rate = math.isfinite(file_fps) and 0 < file_fps <= 1000  # noqa: PLR2004
        self._file_frames_per_frame = file_fps / fps if has_rate else 1.0
        self._num_read = 0
        self._image: Image | None = None

    def read(self, index: int) -> Image | None:
        """Reads the picture that is due at the time of that frame."""
        wanted = int(index * self._file_frames_per_frame + 1e-6)
        while self._num_read < wanted:
            if not self._capture.grab():
                return None
            self._num_read += 1
        if self._num_read == wanted or self._image is None:
            is_read, image = self._capture.read()
            if not is_read:
                return None
            self._num_read += 1
            self._image = np.asarray(image, np.uint8)
        return self._image

    def close(self) -> None:
        """Closes the file."""
        self._capture.release()


class CameraSource:
    """A camera of this machine, or a network stream. Waits for each picture; never gives an old one.

    Pictures that nobody asks for are thrown away by the driver or here, unread.
    """

    is_live = True

    def __init__(self, address: int | str) -> None:
        """Opens the camera.

        Args:
            address: number of a camera of this machine, or a URL.

        Raises:
            RunError: if it does not answer.
        """
        self._address = address
        if isinstance(address, int):
            self._capture = cv2.VideoCapture(address)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT_MS]
            limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_TIMEOUT_MS]
            self._capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            raise RunError(f"camera {mask_address(str(address))}: cannot be opened")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def read(self, index: int) -> Image | None:
        """Waits for a picture; a camera that gives none any more ends the stream."""
        is_read, image = self._capture.read()
        if not is_read:
            _log.warning("camera %s: no more pictures", mask_address(str(self._address)))
            return None
        return np.asarray(image, np.uint8)

    def close(self) -> None:
        """Lets the camera go."""
        self._capture.release()


def open_source(text: str | os.PathLike[str], fps: float) -> FrameSource:
    """Opens the source that a line of text names; may take seconds.

    Args:
        text: `scene:SEED`, `camera:NUMBER`, an RTSP or HTTP URL, a folder of pictures, or a video file.
        fps: frame rate of the stream.

    Raises:
        UsageError: if there is no such source.
        RunError: if it cannot be opened.
    """
    require_positive("fps", fps)
    text = os.fspath(text)
    kind, _, rest = text.partition(":")
    if kind in ("scene", "camera"):
        if not (rest.isascii() and rest.isdigit()) or len(rest) > 9:  # noqa: PLR2004
            raise UsageError(f"source={echo(mask_address(text))}: must be {kind}:NUMBER")
        if kind == "scene":
            return SceneSource(int(rest), fps)
        if int(rest) > _MAX_CAMERA:
            raise UsageError(
                f"source={echo(mask_address(text))}: a camera's number is at most {_MAX_CAMERA}"
            )
        return CameraSource(int(rest))
    if text.startswith(_URL_PREFIXES):
        return CameraSource(text)
    path = Path(text)
    try:
        if text and path.is_dir():
            return FolderSource(path)
        if path.is_file():
            return VideoSource(path, fps)
    except (OSError, ValueError) as error:
        raise UsageError(f"source={echo(mask_address(text))}: {error}") from None
    raise UsageError(
        f"source={echo(mask_address(text))}: is no file, folder, scene:SEED, camera:NUMBER or rtsp:// URL"
    )


def is_live_source(text: str) -> bool:
    """Whether text for `open_source` names a camera, whose pictures cannot be had again."""
    return text.startswith(("camera:", *_URL_PREFIXES))
