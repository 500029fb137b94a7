"""JPEGs that are cut, spliced and bent, against the gate and against the decoder behind it."""

from __future__ import annotations

import random
import struct

import cv2
import numpy as np
from hypothesis import strategies as st

from moonjelly.vision.jpeg import MAX_PIXELS, BadImageError, check_jpeg
from moonjelly.vision.preprocessing import decode_frame
from moonjelly.vision.strict_decoding import UNDECODABLE, UndecodableImage

SIDE_PX = 32


def encoded(channels: int, *flags: int) -> bytes:
    rng = np.random.default_rng(7)
    shape = (48, 64, channels) if channels > 1 else (48, 64)
    return cv2.imencode(".jpg", rng.integers(0, 255, shape, np.uint8), list(flags))[1].tobytes()


def parts_of(data: bytes) -> list[bytes]:
    """The segments of a JPEG; the data of a scan goes with its header."""
    starts = [0, 2]
    while data[starts[-1] + 1] != 0xDA:
        at = starts[-1]
        starts.append(at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0])
    at = starts[-1]
    while (at := data.find(b"\xff", at + 2)) >= 0:
        if data[at + 1] not in (0, *range(0xD0, 0xD8)):
            starts.append(at)
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


PICTURES = (
    encoded(3),
    encoded(1),
    encoded(3, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    encoded(1, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    encoded(3, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    encoded(3, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)
PARTS = [parts_of(picture) for picture in PICTURES]
EVERY_PART = sorted({part for parts in PARTS for part in parts})


MARKERS = (0xC0, 0xC2, 0xC4, 0xDA, 0xDA, 0xDB, 0xDD, 0xE1)
MOST_CHANGES = 4


def mutated(number: int) -> bytes:
    """Picture `number`: its segments were exchanged, doubled, left out, cut and bent.

    One draw of hypothesis an example, since a hundred would take most of the time.
    """
    rng = random.Random(number)
    parts = list(rng.choice(PARTS))
    for _ in range(rng.randint(1, MOST_CHANGES)):
        at = rng.randrange(1, len(parts)) if len(parts) > 1 else 0
        what = rng.choice(("splice", "insert", "omit", "resize", "bend"))
        if what == "splice":
            parts.insert(at, rng.choice(EVERY_PART))
        elif what == "insert":
            marker = bytes([0xFF, rng.choice(MARKERS)])
            parts.insert(at, resized(rng, marker + b"\x00\x00" + rng.randbytes(rng.randrange(40))))
        elif what == "omit":
            del parts[at]
        elif what == "resize":
            parts[at] = resized(rng, parts[at])
        else:
            parts[at] = bent(rng, parts[at])
        if rng.random() < 0.1:  # ends right there
            del parts[at + 1 :]
        parts = parts or [b"\xff\xd8"]
    data = b"".join(parts)
    return data[: rng.randrange(len(data))] if rng.random() < 0.2 else data


def resized(rng: random.Random, part: bytes) -> bytes:
    """The segment with another length, cut to it or not."""
    length = rng.choice((rng.randrange(4), rng.randrange(20), max(0, len(part) - 2), 65_535))
    other = part[:2] + struct.pack(">H", length) + part[4:]
    return other[: 2 + max(2, length)] if rng.random() < 0.5 else other


def bent(rng: random.Random, part: bytes) -> bytes:
    """The segment with a byte changed among its first."""
    at = rng.randrange(min(24, len(part)))
    value = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return part[:at] + bytes([value]) + part[at + 1 :]


def test_what_the_gate_lets_pass_the_decoder_survives(fuzz, capfd) -> None:
    num_passed = 0

    def check(data: bytes) -> None:
        nonlocal num_passed
        try:
            header = check_jpeg(data)
        except BadImageError:
            return
        num_passed += 1
        assert header.width_px * header.height_px <= MAX_PIXELS
        try:
            assert decode_frame(data, SIDE_PX).picture.shape == (SIDE_PX, SIDE_PX, 3)
        except UndecodableImage as error:
            assert str(error) == UNDECODABLE
            return
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        assert picture.shape == (header.height_px, header.width_px, 3)

    fuzz(check, st.integers(0, 2**64 - 1).map(mutated), examples=300)
    capfd.readouterr()  # libjpeg's warnings
    assert num_passed > 0
