"""How text names a source."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...core.addresses import mask_address
from ...core.checks import echo, require_positive
from ...core.errors import RunError, UsageError
from ...vision.picture_files import PICTURE_SUFFIXES
from .camera import CameraSource
from .containers import explain, open_address, open_file
from .made import SceneSource
from .pictures import FolderSource
from .port import FrameSource
from .telling import shown
from .video import VideoSource

CAMERA_SCHEMES = ("rtp", "srt", "tcp", "udp")
WEB_SCHEMES = ("http", "https")
_EITHER_SCHEMES = (*WEB_SCHEMES, "rtmp", "rtmps", "rtsp", "rtsps")  # a camera or a recording
KINDS = (
    "scene:SEED, camera:NUMBER or /dev/video..., an address (rtsp, rtsps, rtmp, http, https, udp, srt), "
    "a folder of pictures, a picture or a video file"
)
_MAX_CAMERA = 255
_MAX_DIGITS = 9
_DEVICES = ("/dev/video", "/dev/v4l/")


def open_source(text: str | os.PathLike[str], fps: float) -> FrameSource:
    """Opens the source that a line of text names (see `KINDS`); may take seconds.

    Raises:
        UsageError: if there is no such source.
        RunError: if it cannot be opened.
    """
    require_positive("fps", fps)
    text = os.fsdecode(os.fspath(text))
    scheme = scheme_of(text)
    if text.startswith("scene:"):
        return SceneSource(_number(text), fps)
    if text.startswith("camera:"):
        if (number := _number(text)) > _MAX_CAMERA:
            raise UsageError(f"source={echo(text)}: a camera's number is at most {_MAX_CAMERA}")
        return _open_device(f"/dev/video{number}")
    if scheme == "file":
        return _open_path(text, path_of(text), fps)
    if scheme is not None:
        return _open_stream(text, fps)
    return _open_device(text) if text.startswith(_DEVICES) else _open_path(text, Path(text), fps)


def is_live_source(text: str) -> bool:
    """Whether text for `open_source` names a camera; what is behind a web address is known when it is open."""
    is_address = scheme_of(text) not in (None, "file", *WEB_SCHEMES)
    return is_address or text.startswith(("camera:", *_DEVICES))


def _open_device(text: str) -> FrameSource:
    return CameraSource(f"camera {shown(text)}", partial(open_address, text, "v4l2"))


def _open_stream(text: str, fps: float) -> FrameSource:
    """Opens what is behind an address: a recording if its length is known, else a camera."""
    address = checked_address(text)
    name = mask_address(address)
    try:
        container = open_address(address)
    except (OSError, ValueError) as error:
        raise RunError(f"{name}: cannot be opened: {explain(error)}") from None
    if container.is_recording and scheme_of(address) not in CAMERA_SCHEMES:
        return VideoSource(container, name, fps)
    return CameraSource(f"camera {name}", partial(open_address, address), container)


def _open_path(text: str, path: Path, fps: float) -> FrameSource:
    try:
        if text and path.is_dir():
            return FolderSource(path)
        if path.is_file():
            if path.suffix.lower() in PICTURE_SUFFIXES:
                return FolderSource(path)
            return VideoSource(open_file(path), shown(path), fps)
        if text and path.is_char_device():
            return _open_device(text)
    except OSError as error:
        raise UsageError(f"source={echo(text)}: {explain(error)}") from None
    except ValueError as error:
        raise UsageError(f"{shown(path)}: is no video that can be read: {explain(error)}") from None
    raise UsageError(f"source={echo(text)}: is no {KINDS}")


def _number(text: str) -> int:
    kind, _, rest = text.partition(":")
    if not (rest.isascii() and rest.isdigit()) or len(rest) > _MAX_DIGITS:
        raise UsageError(f"source={echo(text)}: must be {kind}:NUMBER")
    return int(rest)


def scheme_of(text: str) -> str | None:
    """The scheme of an address, in small letters; None if that is no address that we know."""
    scheme, colon, _ = text.partition("://")
    is_known = colon and scheme.lower() in (*CAMERA_SCHEMES, *_EITHER_SCHEMES, "file")
    return scheme.lower() if is_known else None


def checked_address(text: str) -> str:
    """Returns an address as decoders take it: its scheme in small letters.

    Raises:
        UsageError: if no address looks like that.
    """
    scheme, _, rest = text.partition("://")
    if not rest or not (text.isascii() or text.isprintable()) or any(c <= " " for c in text):
        raise UsageError(f"source={echo(text)}: must be an address without blanks")
    return f"{scheme.lower()}://{rest}"


def path_of(text: str) -> Path:
    """The path that a `file://` address names; UsageError if it names another machine."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise UsageError(f"source={echo(text)}: must be file:///PATH") from None
    if parts.netloc.lower() not in ("", "localhost"):
        raise UsageError(f"source={echo(text)}: must be file:///PATH, of this machine")
    path = text[len("file://") + len(parts.netloc) :]
    return Path(unquote(path, errors="surrogateescape"))
