from __future__ import annotations

import io
import random
import struct
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.vision.jpeg import (
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    BadImageError,
    ImageRule,
    JpegHeader,
    check_jpeg,
)
from moonjelly.vision.preprocessing import decode_frame


def picture(width: int, height: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(1)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return rng.integers(0, 255, shape, dtype=np.uint8)


def encode(width: int = 64, height: int = 48, *flags: int, channels: int = 3) -> bytes:
    done, data = cv2.imencode(".jpg", picture(width, height, channels), list(flags))
    assert done
    return data.tobytes()


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def frame_header(
    width: int, height: int, *, marker: int = 0xC0, bits: int = 8, components: bytes = b""
) -> bytes:
    components = components or bytes([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])
    body = struct.pack(">BHHB", bits, height, width, len(components) // 3) + components
    return segment(marker, body)


BASE = encode()
SOF = BASE.index(b"\xff\xc0")
SOF_END = SOF + 2 + 17


def with_frame_header(header: bytes) -> bytes:
    return BASE[:SOF] + header + BASE[SOF_END:]


def drop_segments(data: bytes, marker: int) -> bytes:
    kept, position = data[:2], 2
    while data[position + 1] != 0xDA:
        length = 2 + struct.unpack(">H", data[position + 2 : position + 4])[0]
        if data[position + 1] != marker:
            kept += data[position : position + length]
        position += length
    return kept + data[position:]


PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


def test_a_normal_frame_passes_and_its_size_is_read() -> None:
    assert check_jpeg(BASE) == JpegHeader(64, 48, 3, is_progressive=False)


def test_a_progressive_frame_of_usual_scans_passes() -> None:
    assert check_jpeg(encode(64, 48, *PROGRESSIVE)) == JpegHeader(64, 48, 3, is_progressive=True)


def test_a_grey_frame_passes() -> None:
    assert check_jpeg(encode(channels=1)).num_components == 1


@pytest.mark.parametrize("side", [16, 4096])
def test_the_limits_of_a_side_are_inclusive(side: int) -> None:
    assert check_jpeg(with_frame_header(frame_header(side, 16))).width_px == side


def test_a_webcams_frame_without_the_standard_tables_passes_and_is_the_same_picture() -> None:
    bare = drop_segments(BASE, 0xC4)
    assert check_jpeg(bare) == JpegHeader(64, 48, 3, is_progressive=False)
    assert len(bare) < len(BASE)
    assert np.array_equal(decode_frame(bare, 64).picture, decode_frame(BASE, 64).picture)


def test_restart_markers_pass() -> None:
    data = encode(64, 48, cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
    assert b"\xff\xd0" in data
    assert check_jpeg(data).width_px == 64


def test_trailing_junk_of_64_kb_passes() -> None:
    assert check_jpeg(BASE + b"\x00" * 5_000).width_px == 64
    assert check_jpeg(BASE + b"\x00" * 65_536).width_px == 64


def test_fill_bytes_before_a_marker_pass() -> None:
    assert check_jpeg(BASE[:SOF] + b"\xff\xff" + BASE[SOF:]).width_px == 64


def test_the_first_picture_of_several_counts() -> None:
    assert check_jpeg(BASE + encode(640, 480)).width_px == 64


def test_a_thumbnail_within_a_segment_is_not_looked_at() -> None:
    bomb = with_frame_header(frame_header(65_535, 65_535))
    data = BASE[:2] + segment(0xE1, b"Exif\0\0" + bomb) + BASE[2:]
    assert check_jpeg(data).width_px == 64


def test_a_rotation_in_exif_data_does_not_swap_the_sides() -> None:
    orientation = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    data = BASE[:2] + segment(0xE1, orientation) + BASE[2:]
    assert (check_jpeg(data).width_px, check_jpeg(data).height_px) == (64, 48)


def other_format(extension: str) -> bytes:
    return cv2.imencode(extension, picture(64, 48))[1].tobytes()


BAD = {
    "empty": (b"", ImageRule.NOT_JPEG),
    "one byte": (b"\xff", ImageRule.NOT_JPEG),
    "only a start marker": (b"\xff\xd8", ImageRule.NO_END),
    "start and end marker": (b"\xff\xd8\xff\xd9", ImageRule.NO_END),
    "random bytes": (random.Random(3).randbytes(4096), ImageRule.NOT_JPEG),
    "zeros": (b"\x00" * 4096, ImageRule.NOT_JPEG),
    "text": (b"<html><body>no picture</body></html>", ImageRule.NOT_JPEG),
    "PNG": (other_format(".png"), ImageRule.NOT_JPEG),
    "GIF": (b"GIF89a" + b"\x00" * 64, ImageRule.NOT_JPEG),
    "WEBP": (other_format(".webp"), ImageRule.NOT_JPEG),
    "TIFF": (other_format(".tiff"), ImageRule.NOT_JPEG),
    "BMP": (other_format(".bmp"), ImageRule.NOT_JPEG),
    "JPEG 2000": (other_format(".jp2"), ImageRule.NOT_JPEG),
    "AVIF": (b"\x00\x00\x00 ftypavif" + b"\x00" * 64, ImageRule.NOT_JPEG),
    "EXR": (b"v/1\x01" + b"\x00" * 64, ImageRule.NOT_JPEG),
    "HDR": (b"#?RADIANCE\n" + b"\x00" * 64, ImageRule.NOT_JPEG),
    "PDF": (b"%PDF-1.7\n" + b"\x00" * 64, ImageRule.NOT_JPEG),
    "ZIP": (b"PK\x03\x04" + b"\x00" * 64, ImageRule.NOT_JPEG),
    "too much trailing junk": (BASE + b"\x00" * 70_000, ImageRule.TRAILING),
    "truncated at 10 %": (BASE[: len(BASE) // 10], ImageRule.NO_END),
    "truncated at 50 %": (BASE[: len(BASE) // 2], ImageRule.NO_END),
    "truncated at 90 %": (BASE[: len(BASE) * 9 // 10], ImageRule.NO_END),
    "truncated at 99 %": (BASE[: len(BASE) * 99 // 100], ImageRule.NO_END),
    "no end marker": (BASE[:-2], ImageRule.NO_END),
    "height 0": (with_frame_header(frame_header(64, 0)), ImageRule.SIDE),
    "width 0": (with_frame_header(frame_header(0, 64)), ImageRule.SIDE),
    "65535 x 65535": (with_frame_header(frame_header(65_535, 65_535)), ImageRule.SIDE),
    "side 4097": (with_frame_header(frame_header(4097, 64)), ImageRule.SIDE),
    "side 15": (with_frame_header(frame_header(15, 64)), ImageRule.SIDE),
    "1 x 1": (with_frame_header(frame_header(1, 1)), ImageRule.SIDE),
    "1 x 65535": (with_frame_header(frame_header(1, 65_535)), ImageRule.SIDE),
    "8.9 Mpx and a bit": (with_frame_header(frame_header(4096, 2173)), ImageRule.PIXELS),
    "bomb of 4096 x 4096": (with_frame_header(frame_header(4096, 4096)), ImageRule.PIXELS),
    "arithmetic coding": (with_frame_header(frame_header(64, 48, marker=0xC9)), ImageRule.CODING),
    "lossless": (with_frame_header(frame_header(64, 48, marker=0xC3)), ImageRule.CODING),
    "12 bits": (with_frame_header(frame_header(64, 48, bits=12)), ImageRule.CODING),
    "CMYK": (
        with_frame_header(frame_header(64, 48, components=bytes([1, 0x11, 0] * 4))),
        ImageRule.COMPONENTS,
    ),
    "two components": (
        with_frame_header(frame_header(64, 48, components=bytes([1, 0x11, 0] * 2))),
        ImageRule.COMPONENTS,
    ),
    "no component": (with_frame_header(segment(0xC0, b"\x08\0\x30\0\x40\0")), ImageRule.COMPONENTS),
    "sampling 5": (
        with_frame_header(frame_header(64, 48, components=bytes([1, 0x51, 0, 2, 17, 1, 3, 17, 1]))),
        ImageRule.COMPONENTS,
    ),
    "too many blocks": (
        with_frame_header(frame_header(64, 48, components=bytes([1, 0x44, 0, 2, 17, 1, 3, 17, 1]))),
        ImageRule.COMPONENTS,
    ),
    "progressive without Huffman tables": (
        drop_segments(encode(64, 48, *PROGRESSIVE), 0xC4),
        ImageRule.TABLES,
    ),
    "no quantisation table": (drop_segments(BASE, 0xDB), ImageRule.TABLES),
    "huge quantisation table": (BASE[:2] + segment(0xDB, b"\0" * 600) + BASE[2:], ImageRule.TABLES),
    "huge Huffman table": (BASE[:2] + segment(0xC4, b"\0" * 3000) + BASE[2:], ImageRule.TABLES),
    "two frame headers": (
        BASE[:SOF] + frame_header(64, 48) + BASE[SOF:],
        ImageRule.SEGMENTS,
    ),
    "no frame header": (drop_segments(BASE, 0xC0), ImageRule.SEGMENTS),
    "frame header of wrong length": (
        with_frame_header(segment(0xC0, b"\x08\0\x30\0\x40\x03\x01\x22\0")),
        ImageRule.SEGMENTS,
    ),
    "200 segments": (BASE[:2] + segment(0xE1, b"x") * 200 + BASE[2:], ImageRule.SEGMENTS),
    "segment shorter than its length field": (
        BASE[:2] + b"\xff\xe1\x00\x01" + BASE[2:],
        ImageRule.SEGMENTS,
    ),
    "segment beyond the end": (BASE[:2] + b"\xff\xe1\xff\xff" + BASE[2:99], ImageRule.NO_END),
    "no marker where one must be": (BASE[:2] + b"\x00" + BASE[2:], ImageRule.SEGMENTS),
    "restart marker among the headers": (BASE[:2] + b"\xff\xd0" + BASE[2:], ImageRule.SEGMENTS),
    "end among the headers": (BASE[:2] + b"\xff\xd9" + BASE[2:], ImageRule.SEGMENTS),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_refused_by_their_rule(name: str) -> None:
    data, rule = BAD[name]
    with pytest.raises(BadImageError) as caught:
        check_jpeg(data)
    assert caught.value.rule is rule


@pytest.mark.parametrize("num_scans", [17, 1000])
def test_too_many_scans_are_refused(num_scans: int) -> None:
    data = encode(64, 48, *PROGRESSIVE)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    with pytest.raises(BadImageError) as caught:
        check_jpeg(data[:-2] + scan * num_scans + data[-2:])
    assert caught.value.rule is ImageRule.SCANS


def test_many_tables_between_scans_are_refused() -> None:
    data = encode(64, 48, *PROGRESSIVE)
    tables = segment(0xC4, b"\0" * 20) * 200
    with pytest.raises(BadImageError) as caught:
        check_jpeg(data[:-2] + tables + data[-2:])
    assert caught.value.rule is ImageRule.SEGMENTS


GREY = encode(channels=1)
HEADERS = {"colour": BASE, "grey": GREY, "progressive": encode(64, 48, *PROGRESSIVE)}


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("length", [2, 3, 5, 6, 7, 14, 20])
def test_a_scan_header_of_a_wrong_length_is_refused(data: bytes, length: int) -> None:
    at = data.index(b"\xff\xda") + 2
    right = data[at] << 8 | data[at + 1]
    if length == right:
        length += 1
    with pytest.raises(BadImageError, match=f"scan header of {length} bytes"):
        check_jpeg(data[:at] + struct.pack(">H", length) + data[at + 2 :])


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS)
def test_a_picture_that_ends_right_behind_a_scan_header_of_two_bytes_is_refused(
    data: bytes,
) -> None:
    at = data.index(b"\xff\xda")
    with pytest.raises(BadImageError, match="scan header of 2 bytes"):
        check_jpeg(data[: at + 2] + b"\x00\x02")


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS)
def test_a_picture_cut_at_any_byte_is_refused(data: bytes) -> None:
    for end in range(len(data)):
        with pytest.raises(BadImageError):
            check_jpeg(data[:end])


@pytest.mark.parametrize("num_components", [0, 2, 3, 4, 255])
def test_a_scan_of_components_that_a_grey_picture_lacks_is_refused(num_components: int) -> None:
    at = GREY.index(b"\xff\xda")
    body = bytes([num_components]) + b"\x01\x00" * num_components + b"\x00\x3f\x00"
    with pytest.raises(BadImageError, match="components in a scan: must be 1 to 1"):
        check_jpeg(GREY[:at] + segment(0xDA, body) + GREY[at + 10 :])


def test_a_later_scan_header_is_checked_as_well() -> None:
    data = HEADERS["progressive"]
    at = data.rindex(b"\xff\xda")
    with pytest.raises(BadImageError, match="scan header of 2 bytes"):
        check_jpeg(data[:at] + b"\xff\xda\x00\x02" + data[-2:])


class _Counted(bytes):
    """Bytes that count how many of them are looked at one by one."""

    num_reads = 0

    def __getitem__(self, key):
        self.num_reads += 1
        return super().__getitem__(key)


@pytest.mark.parametrize(
    "inside",
    [
        b"\xff" * 300_000,
        segment(0xE0, b"x" * 60_000) * 20,
        segment(0xE0, b"") * 100_000,
        b"\xff\x00" * 200_000,
        b"\xff\xd9" + b"\x00" * 300_000,
    ],
    ids=["fill", "long segments", "short segments", "stuffing", "trailing"],
)
@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS)
def test_no_byte_is_looked_at_again_and_again(data: bytes, inside: bytes) -> None:
    for at in (2, data.index(b"\xff\xda"), len(data) - 2):
        counted = _Counted(data[:at] + inside + data[at:])
        with suppress(BadImageError):
            check_jpeg(counted)
        assert counted.num_reads <= len(counted) + 16 * 256


def test_a_polyglot_is_read_as_a_jpeg_alone() -> None:
    assert check_jpeg(BASE + b"PK\x03\x04" + b"\x00" * 100).width_px == 64


def test_what_passes_of_many_sizes_and_qualities_is_what_opencv_wrote() -> None:
    for width in (16, 17, 128, 608):
        for quality in (5, 50, 90, 100):
            data = encode(width, 32, cv2.IMWRITE_JPEG_QUALITY, quality)
            assert check_jpeg(data).width_px == width


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([BASE, encode(channels=1), encode(64, 48, *PROGRESSIVE)]),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=8)), min_size=1, max_size=6),
    st.integers(0, 4000),
)
def test_a_mutated_jpeg_passes_or_is_refused_and_never_more(
    data: bytes, patches: list[tuple[int, bytes]], cut: int
) -> None:
    buffer = io.BytesIO(data)
    for position, patch in patches:
        buffer.seek(position % len(data))
        buffer.write(patch)
    mutated = buffer.getvalue()[: len(data) - cut if cut < 20 else len(data)]
    try:
        header = check_jpeg(mutated)
    except BadImageError:
        return
    assert MIN_SIDE_PX <= header.width_px <= MAX_SIDE_PX
    assert MIN_SIDE_PX <= header.height_px <= MAX_SIDE_PX
    assert header.num_components in (1, 3)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_after_a_start_marker_pass_or_are_refused(tail: bytes) -> None:
    with suppress(BadImageError):
        assert check_jpeg(b"\xff\xd8" + tail).width_px >= MIN_SIDE_PX
