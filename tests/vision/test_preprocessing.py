from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.vision.preprocessing import decode_frame, encode_frame, reduction_of, resize
from moonjelly.vision.strict_decoding import UndecodableImage


def _picture(height: int = 72, width: int = 128) -> np.ndarray:
    """Left half blue, right half red, in BGR."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 250
    image[:, width // 2 :, 2] = 250
    return image


def test_a_decoded_frame_is_rgb_and_square() -> None:
    frame = decode_frame(encode_frame(_picture(), 64), 64).picture
    assert frame.shape == (64, 64, 3)
    assert frame.dtype == np.uint8
    red, blue = frame[..., 0], frame[..., 2]
    assert blue[32, 8] > 200
    assert red[32, 8] < 50
    assert red[32, 56] > 200
    assert blue[32, 56] < 50


def test_a_frame_of_another_size_is_resized() -> None:
    encoded = encode_frame(_picture(), 96)
    assert decode_frame(encoded, 64).picture.shape == (64, 64, 3)
    assert decode_frame(memoryview(encoded), 128).picture.shape == (128, 128, 3)


def test_a_picture_of_the_right_size_is_passed_on() -> None:
    image = _picture(64, 64)
    assert resize(image, (64, 64)) is image


def test_the_whole_picture_is_kept_whatever_its_shape() -> None:
    square = resize(_picture(30, 300), (50, 50))
    assert (square[:, :24, 0] > 240).all()
    assert (square[:, 26:, 2] > 240).all()


@given(st.integers(16, 4096), st.integers(32, 1280))
def test_a_picture_is_reduced_while_decoding_only_beyond_twice_the_side_and_never_below_it(
    longer_px: int, side_px: int
) -> None:
    reduction = reduction_of(longer_px, side_px)
    assert reduction in (1, 2, 4, 8)
    assert (reduction == 1) is (longer_px <= 2 * side_px)
    assert reduction == 1 or longer_px // reduction >= side_px


def test_a_large_picture_says_its_own_size_and_shows_the_same() -> None:
    fitted = decode_frame(encode_frame(_picture(), 300, 95), 64)
    whole = decode_frame(encode_frame(_picture(), 64, 95), 64)
    difference = np.abs(fitted.picture.astype(int) - whole.picture.astype(int))
    assert difference.mean() < 3


def test_a_noted_rotation_is_ignored() -> None:
    encoded = cv2.imencode(".jpg", _picture(64, 128))[1].tobytes()
    exif = bytes.fromhex(
        "ffe1002245786966000049492a00080000000100120103000100000006000000000000000000"
    )[:36]
    turned = encoded[:2] + exif + encoded[2:]
    np.testing.assert_array_equal(
        decode_frame(turned, 64).picture, decode_frame(encoded, 64).picture
    )


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_bytes_that_are_no_picture_raise_one_error(content: bytes) -> None:
    with pytest.raises(UndecodableImage, match=r"^jpeg: cannot be decoded$"):
        decode_frame(content, 64)


def test_a_truncated_header_is_no_picture() -> None:
    with pytest.raises(UndecodableImage, match=r"^jpeg: cannot be decoded$"):
        decode_frame(encode_frame(_picture(), 64)[:40], 64)


def test_the_words_of_the_library_stay_inside(monkeypatch) -> None:
    def fail(*_):
        raise cv2.error("/home/somebody/opencv/modules/imgcodecs/src/loadsave.cpp:798")

    monkeypatch.setattr(cv2, "imdecode", fail)
    with pytest.raises(UndecodableImage, match=r"^jpeg: cannot be decoded$"):
        decode_frame(encode_frame(_picture(), 64), 64)


@pytest.mark.parametrize("side", [0, -32, 5000])
def test_a_side_out_of_range_is_refused(side: int) -> None:
    with pytest.raises(ValueError, match=f"side_px is {side}"):
        decode_frame(encode_frame(_picture(), 64), side)
    with pytest.raises(ValueError, match=f"side_px is {side}"):
        resize(_picture(), (side, side))


@pytest.mark.parametrize("shape", [(0, 10, 3), (10, 10), (10, 10, 4)])
def test_a_picture_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="image_bgr has shape"):
        resize(np.zeros(shape, np.uint8), (64, 64))


def test_a_quality_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="quality is 0"):
        encode_frame(_picture(), 64, quality=0)
