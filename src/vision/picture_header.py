"""How large an encoded picture says it is, before anything is allocated for it.

A file of 40 kB can hold a picture of 40,000 x 30,000 pixels, and decoders reserve memory for all of them.
"""

from __future__ import annotations

import struct

from .jpeg import FRAME_HEADERS, segment

MAX_SIDE_PX = 16_384
MAX_PIXELS = 64_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_MAX_SEGMENTS = 1024


def check_size(data: bytes) -> tuple[int, int]:
    """Returns width and height (px) that a BMP, JPEG, PNG or WebP file names.

    Raises:
        ValueError: if it is none of them, ends within its header, or is too large.
    """
    try:
        width_px, height_px = _size(data)
    except (IndexError, struct.error):
        raise ValueError("ends within its header") from None
    return check_sides(width_px, height_px)


def check_sides(width_px: int, height_px: int) -> tuple[int, int]:
    """Returns the sides of a picture that may be decoded.

    Raises:
        ValueError: naming the limit.
    """
    if not (1 <= width_px <= MAX_SIDE_PX and 1 <= height_px <= MAX_SIDE_PX):
        raise ValueError(f"{width_px} x {height_px} pixels: each side must be 1 to {MAX_SIDE_PX}")
    if width_px * height_px > MAX_PIXELS:
        raise ValueError(f"{width_px} x {height_px} pixels: must be at most {MAX_PIXELS} in all")
    return width_px, height_px


def _size(data: bytes) -> tuple[int, int]:
    if data[:8] == _PNG:
        if data[12:16] != b"IHDR":
            raise ValueError("is a PNG without a header")
        width_px, height_px = struct.unpack_from(">II", data, 16)
        return width_px, height_px
    if data[:2] == b"\xff\xd8":
        return _jpeg_size(data)
    if data[:2] == b"BM":
        return _bmp_size(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    raise ValueError("is no BMP, JPEG, PNG or WebP")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    position = 2
    for _ in range(_MAX_SEGMENTS):
        marker, start, length = segment(data, position)
        if marker in FRAME_HEADERS:
            height_px, width_px = struct.unpack_from(">HH", data, start + 3)
            return width_px, height_px
        position = start + length
    raise ValueError(f"has more than {_MAX_SEGMENTS} segments before its frame header")


def _bmp_size(data: bytes) -> tuple[int, int]:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == 12:  # noqa: PLR2004 the oldest kind
        width_px, height_px = struct.unpack_from("<HH", data, 18)
        return width_px, height_px
    width_px, height_px = struct.unpack_from("<ii", data, 18)
    return width_px, abs(height_px)  # negative: from the top down


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8 ":
        width_px, height_px = struct.unpack_from("<HH", data, 26)
        return width_px & 0x3FFF, height_px & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        width_less_1, height_less_1 = (
            low | high << 16 for low, high in struct.iter_unpack("<HB", _slice(data, 24, 6))
        )
        return width_less_1 + 1, height_less_1 + 1
    raise ValueError("is a WebP of an unknown kind")


def _slice(data: bytes, start: int, length: int) -> bytes:
    if len(data) < start + length:
        raise IndexError
    return data[start : start + length]
