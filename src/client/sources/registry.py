"""How text names a source."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ...core.addresses import mask_address
from ...core.checks import echo, require_positive
from ...core.errors import RunError, UsageError
from .addresses import (
    CAMERA_SCHEMES,
    WEB_SCHEMES,
    checked_address,
    path_of,
    scheme_of,
    shown,
)
from .camera import CameraSource
from .containers import explain, open_address, open_file
from .pictures import PICTURE_SUFFIXES, FolderSource
from .port import FrameSource
from .scenes import SceneSource
from .video import VideoSource

KINDS = (
    "scene:SEED, camera:NUMBER or /dev/video..., an address (rtsp, rtsps, rtmp, http, https, udp, srt), "
    "a folder of pictures, a picture or a video file"
)
_MAX_CAMERA = 255
_MAX_DIGITS = 9
_DEVICES = ("/dev/video", "/dev/v4l/")


def open_source(text: str | os.PathLike[str], fps: float) -> FrameSource:
    """Opens the source that a line of text names; may take seconds.

    Args:
        text: `scene:SEED`, `camera:NUMBER`, a video device, an address, a folder of pictures, a picture or a video file.
        fps: frame rate of the stream.

    Raises:
        UsageError: if there is no such source.
        RunError: if it cannot be opened.
    """
    require_positive("fps", fps)
    text = os.fsdecode(os.fspath(text))
    for is_meant, open_it in _WAYS:
        if is_meant(text):
            return open_it(text, fps)
    return _open_path(text, Path(text), fps)


def is_live_source(text: str) -> bool:
    """Whether text for `open_source` names a camera; what is behind a web address is known when it is open."""
    is_address = scheme_of(text) not in (None, "file", *WEB_SCHEMES)
    return is_address or text.startswith(("camera:", *_DEVICES))


def _open_scene(text: str, fps: float) -> FrameSource:
    return SceneSource(_number(text), fps)


def _open_camera(text: str, fps: float) -> FrameSource:
    if (number := _number(text)) > _MAX_CAMERA:
        raise UsageError(f"source={echo(text)}: a camera's number is at most {_MAX_CAMERA}")
    return _open_device(f"/dev/video{number}", fps)


def _open_device(text: str, fps: float) -> FrameSource:
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


def _open_file_address(text: str, fps: float) -> FrameSource:
    return _open_path(text, path_of(text), fps)


def _open_path(text: str, path: Path, fps: float) -> FrameSource:
    try:
        if text and path.is_dir():
            return FolderSource(path)
        if path.is_file():
            if path.suffix.lower() in PICTURE_SUFFIXES:
                return FolderSource(path)
            return VideoSource(open_file(path), shown(path), fps)
        if text and path.is_char_device():
            return _open_device(text, fps)
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


_WAYS: tuple[tuple[Callable[[str], bool], Callable[[str, float], FrameSource]], ...] = (
    (lambda text: text.startswith("scene:"), _open_scene),
    (lambda text: text.startswith("camera:"), _open_camera),
    (lambda text: scheme_of(text) == "file", _open_file_address),
    (lambda text: scheme_of(text) is not None, _open_stream),
    (lambda text: text.startswith(_DEVICES), _open_device),
)
