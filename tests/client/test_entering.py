from __future__ import annotations

import asyncio
import concurrent.futures

import numpy as np
import pytest

from moonjelly.client.entering import call_guarded, describe, encoded, entered
from moonjelly.core.errors import RunError

SOUND = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)


@pytest.mark.parametrize(
    ("image", "what"),
    [
        (SOUND / 255, r"float64 \[48, 64, 3\]"),
        (SOUND.astype(np.float32), r"float32 \[48, 64, 3\]"),
        (SOUND.astype(np.uint16), r"uint16 \[48, 64, 3\]"),
        (SOUND > 9, r"bool \[48, 64, 3\]"),
        (SOUND.astype(np.int8), r"int8 \[48, 64, 3\]"),
        (SOUND.astype(object), r"object \[48, 64, 3\]"),
        (SOUND[..., 0], r"uint8 \[48, 64\]"),
        (SOUND[..., :1], r"uint8 \[48, 64, 1\]"),
        (np.zeros((48, 64, 4), np.uint8), r"uint8 \[48, 64, 4\]"),
        (np.zeros((3, 48, 64), np.uint8), r"uint8 \[3, 48, 64\]"),
        (SOUND[None], r"uint8 \[1, 48, 64, 3\]"),
        (np.uint8(7), "'uint8'"),
    ],
)
def test_a_picture_of_another_kind_is_refused_by_its_type_and_the_rule(image, what):
    rule = r"must be (uint8 \[height, width, 3\], blue, green, red|a numpy array)"
    with pytest.raises(RunError, match=rf"^picture of {what}: {rule}$"):
        entered(image, may_change=True)


@pytest.mark.parametrize("shape", [(0, 64, 3), (48, 0, 3), (1, 20_000, 3)])
def test_an_empty_or_huge_picture_is_refused(shape):
    with pytest.raises(RunError, match=f"{shape[1]} x {shape[0]} pixels: each side must be 1 to"):
        entered(np.broadcast_to(np.uint8(1), shape), may_change=True)


@pytest.mark.parametrize("image", [None, [[0]], b"jpeg", "a", asyncio.sleep])
def test_what_is_no_array_is_refused(image):
    with pytest.raises(RunError, match="must be a numpy array"):
        entered(image, may_change=True)


@pytest.mark.parametrize(
    "image",
    [
        SOUND[..., ::-1],
        SOUND[::2],
        SOUND[:, ::-1],
        SOUND.transpose(1, 0, 2),
        np.asfortranarray(SOUND),
    ],
)
@pytest.mark.parametrize("may_change", [True, False])
def test_a_view_of_a_picture_is_that_picture_laid_out_anew(image, may_change):
    come = entered(image, may_change)
    assert np.array_equal(come, image)
    assert come.flags.c_contiguous
    assert not np.shares_memory(come, SOUND)


def test_a_picture_that_may_change_is_copied_and_another_is_not():
    buffer = SOUND.copy()
    assert entered(buffer, may_change=False) is buffer
    kept = entered(buffer, may_change=True)
    buffer[:] = 0
    assert np.array_equal(kept, SOUND)
    kept[:] = 1  # whoever gets it may draw on it


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration])
def test_the_end_of_an_iterator_is_the_end(error):
    def end():
        raise error

    assert call_guarded(end) is None


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, concurrent.futures.CancelledError,
        asyncio.InvalidStateError,
    ],
)  # fmt: skip
def test_what_would_end_more_than_the_stream_is_an_error_of_the_source(error):
    def fail():
        raise error("x")

    with pytest.raises(RunError, match=f"^the source failed: {error.__name__}: x$"):
        call_guarded(fail)


@pytest.mark.parametrize("error", [ValueError, OSError, ZeroDivisionError, TimeoutError])
def test_other_errors_are_left_as_they_are(error):
    def fail(text):
        raise error(text)

    with pytest.raises(error, match="the lens"):
        call_guarded(fail, "the lens")


def test_an_error_is_described_in_one_line():
    assert describe(ValueError("a\nb")) == "the source failed: ValueError: a b"
    assert describe(ValueError()) == "the source failed: ValueError"
    assert describe(RunError("camera: lost")) == "camera: lost"


def test_an_encoded_picture_is_bytes():
    assert encoded(b"jpeg") == b"jpeg"
    for data in (None, "jpeg", SOUND, bytearray(b"jpeg")):
        with pytest.raises(RunError, match="must be bytes"):
            encoded(data)
    with pytest.raises(RunError, match="must be a JPEG"):
        encoded(b"")
