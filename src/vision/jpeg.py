"""The gate for encoded frames: judges a JPEG by its headers, without decoding it.

A picture of 65 kB can decode to 50 MB, and decoders accept far more than frames of a camera. So
nothing reaches a decoder that did not pass here. Format: ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

MIN_SIDE_PX = 16
MAX_SIDE_PX = 4096
MAX_PIXELS = 8_900_000
MAX_SCANS = 16  # each of a progressive picture costs a pass over all its pixels
MAX_TRAILING_BYTES = 65_536  # after the end marker

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # not stuffing, restart or fill
_START_OF_FRAME = {0xC0: False, 0xC1: False, 0xC2: True}  # Huffman alone; value: progressive
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DHT, _SOS, _DQT, _END = 0xC4, 0xDA, 0xDB, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a segment, senseless up here
_MAX_SEGMENTS = 128
_MAX_DQT_BYTES = 2 + 4 * 129
_MAX_DHT_BYTES = 2 + 8 * (17 + 256)
_MAX_SAMPLING = 4
_MAX_BLOCKS = 10
_GREY, _COLOUR = 1, 3


class ImageRule(StrEnum):
    """The rules of the gate."""

    NOT_JPEG = "not_jpeg"
    SIDE = "side"
    PIXELS = "pixels"
    CODING = "coding"
    COMPONENTS = "components"
    SCANS = "scans"
    SEGMENTS = "segments"
    TABLES = "tables"
    NO_END = "no_end"
    TRAILING = "trailing"


class BadImageError(ValueError):
    """The bytes are no picture that is let through.

    Attributes:
        rule: the rule that they break.
    """

    def __init__(self, rule: ImageRule, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the headers say; any rotation noted in EXIF data is ignored.

    Attributes:
        num_components: 1 for grey, 3 for colour.
    """

    width_px: int
    height_px: int
    num_components: int
    is_progressive: bool


def check_jpeg(data: bytes) -> JpegHeader:
    """Lets one whole encoded JPEG pass, or says which rule it breaks.

    Raises:
        BadImageError: naming rule and limit.
    """
    if data[:2] != _SOI:
        raise BadImageError(ImageRule.NOT_JPEG, "does not start as a JPEG")
    header: JpegHeader | None = None
    has_huffman = has_quantisation = False
    position = 2
    for _ in range(_MAX_SEGMENTS):
        marker, start, length = segment(data, position)
        position = start + length
        if marker in _START_OF_FRAME:
            if header is not None:
                raise BadImageError(ImageRule.SEGMENTS, "has two frame headers")
            header = _frame_header(data, start, length, _START_OF_FRAME[marker])
        elif marker == _DHT:
            has_huffman = True
            if length > _MAX_DHT_BYTES:
                raise BadImageError(ImageRule.TABLES, f"Huffman tables of {length} bytes")
        elif marker == _DQT:
            has_quantisation = True
            if length > _MAX_DQT_BYTES:
                raise BadImageError(ImageRule.TABLES, f"quantisation tables of {length} bytes")
        elif marker == _SOS:
            if header is None:
                raise BadImageError(ImageRule.SEGMENTS, "has no frame header before its scan")
            # Webcams leave the standard Huffman tables out; decoders know them, but no progressive ones.
            if not has_quantisation or (header.is_progressive and not has_huffman):
                raise BadImageError(ImageRule.TABLES, "lacks Huffman or quantisation tables")
            num_in_scan = _scan_header(data, start, length, header)
            if header.is_progressive or num_in_scan < header.num_components:
                position = _end_of_scans(data, position, header)
            _check_end(data, position)
            return header
        elif marker in FRAME_HEADERS:
            raise BadImageError(
                ImageRule.CODING, "arithmetic, lossless or hierarchical coding is not taken"
            )
    raise BadImageError(
        ImageRule.SEGMENTS, f"has more than {_MAX_SEGMENTS} segments before its scan"
    )


def segment(data: bytes, position: int) -> tuple[int, int, int]:
    """Returns marker, start of the segment's length field, and length, of the segment there."""
    try:
        if data[position] != 0xFF:  # noqa: PLR2004
            raise BadImageError(ImageRule.SEGMENTS, f"no marker at byte {position}")
        marker = data[position + 1]
        if marker == 0xFF:  # noqa: PLR2004 fill bytes may come before a marker
            while marker == 0xFF:  # noqa: PLR2004
                position += 1
                marker = data[position + 1]
        start = position + 2
        length = data[start] << 8 | data[start + 1]
    except IndexError:
        raise BadImageError(ImageRule.NO_END, "ends within its headers") from None
    if marker in _ALONE or marker in (0, _END):
        raise BadImageError(ImageRule.SEGMENTS, f"marker {marker:#04x} at byte {start - 2}")
    if length < 2:  # noqa: PLR2004 the length counts itself
        raise BadImageError(ImageRule.SEGMENTS, f"segment of {length} bytes at byte {start}")
    if start + length > len(data):
        raise BadImageError(ImageRule.NO_END, "ends within its headers")
    return marker, start, length


def _frame_header(data: bytes, start: int, length: int, is_progressive: bool) -> JpegHeader:
    num_components = data[start + 7] if length > 7 else 0  # noqa: PLR2004
    if length != 8 + 3 * num_components:
        raise BadImageError(ImageRule.SEGMENTS, f"frame header of {length} bytes")
    if data[start + 2] != 8:  # noqa: PLR2004
        raise BadImageError(ImageRule.CODING, f"{data[start + 2]} bits a sample: must be 8")
    height_px = data[start + 3] << 8 | data[start + 4]
    width_px = data[start + 5] << 8 | data[start + 6]
    least, most = MIN_SIDE_PX, MAX_SIDE_PX
    if not (least <= width_px <= most and least <= height_px <= most):
        raise BadImageError(
            ImageRule.SIDE, f"{width_px} x {height_px} pixels: each side must be {least} to {most}"
        )
    if width_px * height_px > MAX_PIXELS:
        raise BadImageError(
            ImageRule.PIXELS,
            f"{width_px} x {height_px} pixels: must be at most {MAX_PIXELS} in all",
        )
    if num_components not in (_GREY, _COLOUR):
        raise BadImageError(
            ImageRule.COMPONENTS, f"{num_components} components: must be 1 (grey) or 3 (colour)"
        )
    num_blocks = 0
    for at in range(start + 9, start + 9 + 3 * num_components, 3):
        across, down = data[at] >> 4, data[at] & 15
        if not (1 <= across <= _MAX_SAMPLING and 1 <= down <= _MAX_SAMPLING):
            raise BadImageError(ImageRule.COMPONENTS, f"sampling {across} x {down}: must be 1 to 4")
        num_blocks += across * down
    if num_components > 1 and num_blocks > _MAX_BLOCKS:
        raise BadImageError(
            ImageRule.COMPONENTS, f"{num_blocks} blocks in a unit: must be at most 10"
        )
    return JpegHeader(width_px, height_px, num_components, is_progressive)


def _scan_header(data: bytes, start: int, length: int, header: JpegHeader) -> int:
    """Returns how many components the scan that begins there holds."""
    num_components = data[start + 2] if length > 2 else 0  # noqa: PLR2004 the byte may be missing
    if length != 6 + 2 * num_components:
        raise BadImageError(ImageRule.SEGMENTS, f"scan header of {length} bytes")
    if not 1 <= num_components <= header.num_components:
        raise BadImageError(
            ImageRule.COMPONENTS,
            f"{num_components} components in a scan: must be 1 to {header.num_components}",
        )
    return num_components


def _end_of_scans(data: bytes, position: int, header: JpegHeader) -> int:
    """Returns where the end marker is, or should be; `position` is in the first scan."""
    num_scans = 1
    for _ in range(_MAX_SEGMENTS):
        found = _NEXT_MARKER.search(data, position)
        if found is None:
            return len(data)
        position = found.start()
        if data[position + 1] == _END:
            return position
        marker, start, length = segment(data, position)
        position = start + length
        if marker in FRAME_HEADERS:
            raise BadImageError(ImageRule.SEGMENTS, "has two frame headers")
        if marker == _SOS:
            _scan_header(data, start, length, header)
            num_scans += 1
            if num_scans > MAX_SCANS:
                raise BadImageError(ImageRule.SCANS, f"more than {MAX_SCANS} scans")
    raise BadImageError(
        ImageRule.SEGMENTS, f"has more than {_MAX_SEGMENTS} segments after its scan"
    )


def _check_end(data: bytes, position: int) -> None:
    """Looks from the back, where the end marker of a normal frame is: no need to read the scan."""
    earliest = len(data) - MAX_TRAILING_BYTES - len(_EOI)
    if data.rfind(_EOI, max(position, earliest)) >= 0:
        return
    if earliest > position and data.find(_EOI, position) >= 0:
        raise BadImageError(
            ImageRule.TRAILING, f"more than {MAX_TRAILING_BYTES} bytes follow the end marker"
        )
    raise BadImageError(ImageRule.NO_END, "has no end marker")
