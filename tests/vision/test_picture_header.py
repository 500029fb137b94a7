from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.vision.picture_header import MAX_SIDE_PX, check_size

SUFFIXES = (".png", ".jpg", ".bmp", ".webp")


def encoded(suffix, width, height, *options):
    is_encoded, data = cv2.imencode(
        suffix, np.full((height, width, 3), 90, np.uint8), list(options)
    )
    assert is_encoded
    return data.tobytes()


def png_header(width, height):
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(width=st.integers(1, 300), height=st.integers(1, 300))
def test_the_size_is_the_decoders(suffix, width, height):
    assert check_size(encoded(suffix, width, height)) == (width, height)


def test_lossless_and_extended_webp_and_progressive_jpeg_are_read():
    assert check_size(encoded(".webp", 33, 21, cv2.IMWRITE_WEBP_QUALITY, 101)) == (33, 21)
    assert check_size(encoded(".jpg", 33, 21, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) == (33, 21)
    sizes = struct.pack("<I", 4095)[:3] + struct.pack("<I", 70_000)[:3]
    extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + sizes
    with pytest.raises(ValueError, match="4096 x 70001"):
        check_size(extended)


@pytest.mark.parametrize(
    ("width", "height"), [(40_000, 30_000), (1, MAX_SIDE_PX + 1), (16_000, 16_000)]
)
def test_a_picture_that_is_too_large_is_refused_by_its_header(width, height):
    with pytest.raises(ValueError, match=f"{width} x {height} pixels: "):
        check_size(png_header(width, height))


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"GIF89a", b"\xff\xd8", b"BM", png_header(0, 5)]
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(ValueError, match=r"header|is no BMP|pixels"):
        check_size(data)


@given(
    data=st.binary(max_size=200),
    start=st.sampled_from([*(encoded(suffix, 9, 7) for suffix in SUFFIXES), b""]),
)
def test_any_bytes_have_a_size_or_are_refused(data, start):
    for cut in (start[: len(data)], start + data, start[:30] + data):
        try:
            width, height = check_size(cut)
        except ValueError:
            continue
        assert 1 <= width <= MAX_SIDE_PX
        assert 1 <= height <= MAX_SIDE_PX
