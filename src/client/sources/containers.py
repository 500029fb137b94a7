"""Recordings and network streams, opened with PyAV (FFmpeg); the rest of the package knows none of its traps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.container
import av.video
import cv2
import numpy as np

from ...vision.fits import Image
from ...vision.picture_header import MAX_PIXELS, check_sides, check_size
from .port import NoPicture

OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
_RTSP = {"rtsp_flags": "prefer_tcp", "probesize": "65536", "analyzeduration": "500000"}
_JPEG_START = b"\xff\xd8"
_SEGMENTED = ("hls", "dash")
_PARSED_BY_RTSP = ("h264", "hevc")
_THREADS = 2
_USUAL_S = 0.04


class _Opened:
    """A file without its name: names may be no text, and may look like addresses or patterns to FFmpeg."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


@dataclass(frozen=True, slots=True)
class Container:
    """An open recording or network stream, and the video in it.

    Attributes:
        file: what it is read from; None for an address.
    """

    container: av.container.InputContainer
    video: av.video.VideoStream
    file: BinaryIO | None = None

    @property
    def has_times(self) -> bool:
        """Whether its pictures bear times that tell when they came to be; segments come many pictures at once."""
        is_segmented = self.container.format.name in _SEGMENTED
        return not (is_segmented or self._has_flag(av.format.Flags.no_timestamps))

    @property
    def may_jump(self) -> bool:
        """Whether times of this format may begin anew in the middle."""
        return self._has_flag(av.format.Flags.ts_discont)

    @property
    def usual_s(self) -> float:
        """How long a picture is shown, as far as the container says."""
        rate = self.video.average_rate or self.video.guessed_rate
        return float(1 / rate) if rate else _USUAL_S

    @property
    def length_s(self) -> float:
        """How long the video is; 0 if that is not known, as sound may be longer."""
        if self.video.duration and self.video.time_base:
            return float(self.video.duration * self.video.time_base)
        is_alone = len(self.container.streams) == 1
        return (self.container.duration or 0) / av.time_base if is_alone else 0.0

    @property
    def is_recording(self) -> bool:
        """Whether it has an end: its length is known, or it is a single picture."""
        has_length = self.container.duration is not None and self.container.duration > 0
        return has_length or self.container.format.name.endswith("_pipe")

    @property
    def is_late_by_one(self) -> bool:
        """Whether a picture comes out only when the next one has begun to arrive.

        FFmpeg knows the end of such a picture by the beginning of the next.
        """
        return (
            self.container.format.name == "rtsp"
            and self.video.codec_context.codec.canonical_name in _PARSED_BY_RTSP
        )

    def _has_flag(self, flag: Any) -> bool:  # noqa: ANN401 an enumeration, whatever its stubs say
        return bool(self.container.format.flags & flag.value)

    def packets(self) -> Iterator[av.Packet[Any]]:
        """Encoded pictures, as they come; the last one is empty."""
        return self.container.demux(self.video)

    def close(self) -> None:
        """Closes everything."""
        self.container.close()
        if self.file is not None:
            self.file.close()


def open_file(path: Path) -> Container:
    """Opens a recording; OSError if it cannot be read, ValueError if it holds no video."""
    if not path.stat().st_size:
        raise ValueError("is empty")
    file = path.open("rb")
    try:
        container = _open(_Opened(file))
        return Container(container, _video_of(container), file)
    except BaseException:
        file.close()
        raise


def open_address(address: str, format_name: str | None = None) -> Container:
    """Opens a network stream, or a device if the format is that of devices; takes `OPEN_TIMEOUT_S` at most.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it holds no video.
    """
    options = _RTSP if address.startswith(("rtsp://", "rtsps://")) else {}
    try:
        container = _open(address, format_name, options)
    except ValueError:
        if not address.startswith(("http://", "https://")):
            raise
        return _open_jpegs(address)
    return Container(container, _video_of(container))


def _open_jpegs(address: str) -> Container:
    """Opens a camera that sends JPEGs, whatever it puts between them; some leave the first boundary out."""
    container = _open(address, "mjpeg")
    opened = Container(container, _video_of(container))
    if not opened.video.codec_context.width:
        opened.close()
        raise ValueError("holds no video")
    return opened


def picture_of(frame: av.VideoFrame) -> Image:
    """A decoded picture as a detector's user sees it: upright, blue, green, red.

    Raises:
        NoPicture: if it cannot be turned into one.
    """
    try:
        check_sides(frame.width, frame.height)
        image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    except (av.FFmpegError, ValueError) as error:
        raise NoPicture(explain(error)) from None
    num_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, num_turns)) if num_turns else image


def decode_jpeg(data: bytes) -> Image:
    """Decodes a picture of a camera that sends JPEGs; the standard Huffman tables may be left out, junk may come first.

    Raises:
        NoPicture: if it is none, or was cut short.
    """
    data = data[max(0, data.find(_JPEG_START)) :]
    try:
        check_size(data)
        image = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except (ValueError, cv2.error) as error:
        raise NoPicture(f"a JPEG of {len(data)} bytes cannot be decoded: {error}") from None
    if image is None:
        raise NoPicture(f"a JPEG of {len(data)} bytes cannot be decoded")
    return np.asarray(image, np.uint8)


def explain(error: Exception) -> str:
    """An error in words, without the address that FFmpeg puts into its own."""
    if isinstance(error, av.error.ExitError):
        return f"no answer within {OPEN_TIMEOUT_S:g} s"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return "the installed PyAV lacks this protocol"
    if not isinstance(error, (av.FFmpegError, OSError, ValueError)):
        return f"{type(error).__name__}: {error}"
    words = getattr(error, "strerror", None) or (
        "" if isinstance(error, av.FFmpegError) else str(error)
    )
    return " ".join(str(words).split()) or type(error).__name__


def _open(
    what: str | _Opened, format_name: str | None = None, options: dict[str, str] | None = None
) -> av.container.InputContainer:
    try:
        return av.open(
            what,
            "r",
            format=format_name,
            options=options,
            metadata_errors="replace",
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        )
    except av.FFmpegError as error:
        kind = ValueError if isinstance(error, av.error.InvalidDataError) else OSError
        raise kind(explain(error)) from None


def _video_of(container: av.container.InputContainer) -> av.video.VideoStream:
    """Prepares the video in a container, or closes it; covers of songs are none."""
    cover = av.stream.Disposition.attached_pic
    choices = [one for one in container.streams.video if not one.disposition & cover]
    best = container.streams.best("video")
    try:
        return _prepared(best if best in choices else next(iter(choices), None))
    except BaseException:
        container.close()
        raise


def _prepared(video: Any) -> av.video.VideoStream:  # noqa: ANN401 its stubs deny what occurs
    if video is None:
        raise ValueError("holds no video")
    context = video.codec_context
    if context is None:
        raise ValueError("holds a video of an unknown kind")
    if context.width or context.height:
        check_sides(context.width, context.height)
    context.thread_count = _THREADS
    context.thread_type = "SLICE"  # threads by frames would hold pictures back
    context.options = {"max_pixels": str(MAX_PIXELS)}
    if context.codec.canonical_name == "mjpeg":  # half a JPEG is none
        context.options = context.options | {"err_detect": "explode"}
    if context.name == "libdav1d":
        context.flags |= av.codec.context.Flags.low_delay
    prepared: av.video.VideoStream = video
    return prepared
