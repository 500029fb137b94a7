"""What may be wrong with a frame that a client sends: what it says of itself, and its picture."""

from __future__ import annotations

import math

import google_crc32c

from ...core.codes import Code
from ...protos.serving_pb2 import Frame
from ...scheduling.cores.endpoint.drop_notes import DropNote, bad
from ...vision.jpeg import BadImageError, ImageRule, check_jpeg
from .device_side import ArrivedFrame
from .registration import link_problem

MOST_TIMES_SERVED = 4


def check_fields(message: Frame, num_bytes: int, most_bytes: int) -> DropNote | None:
    """What is wrong with what a frame of so many bytes says of itself."""
    if not 0 <= message.age_ms < math.inf:
        return bad(f"age_ms={message.age_ms:g}: must be a number of at least 0")
    problem = link_problem(message.link)
    if problem:
        return bad(problem)
    if num_bytes == 0:
        return bad("jpeg is empty")
    if num_bytes > most_bytes:
        return bad(
            f"jpeg of {num_bytes} bytes: must be at most {most_bytes}", Code.RESOURCE_EXHAUSTED
        )
    if message.jpeg_bytes != num_bytes:
        return bad(f"jpeg_bytes={message.jpeg_bytes}: jpeg holds {num_bytes}")
    return None


def check_picture(frame: ArrivedFrame, message: Frame, served_px: int) -> DropNote | None:
    """What is wrong with its picture, where that is the largest side that is served; the frame knows its checksum then."""
    frame.crc32c = google_crc32c.value(frame.jpeg)
    if frame.crc32c != message.jpeg_crc32c:
        return bad("jpeg_crc32c: does not fit the bytes of jpeg")
    try:
        header = check_jpeg(frame.jpeg)
    except BadImageError as error:
        is_limit = error.rule is ImageRule.PIXELS
        return bad(f"jpeg: {error}", Code.RESOURCE_EXHAUSTED if is_limit else Code.INVALID_ARGUMENT)
    if (header.width_px, header.height_px) != (message.width_px, message.height_px):
        return bad(
            f"width_px={message.width_px}, height_px={message.height_px}: the jpeg is "
            f"{header.width_px} x {header.height_px}"
        )
    most_px = MOST_TIMES_SERVED * served_px
    if max(header.width_px, header.height_px) > most_px:
        return bad(
            f"width_px={message.width_px}, height_px={message.height_px}: must be at most {most_px}, "
            f"{MOST_TIMES_SERVED} times the largest side that is served",
            Code.RESOURCE_EXHAUSTED,
        )
    return None
