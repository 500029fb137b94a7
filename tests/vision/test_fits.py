"""Boxes come back as fractions of the source picture, whatever its shape and the zoo's fit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.answers import Detections
from moonjelly.core.zoo import Fit
from moonjelly.vision.fits import PADDING_GREY, in_picture, inner_size_px, undo
from moonjelly.vision.preprocessing import decode_frame, encode_frame, fit_picture

EDGES = st.integers(1, 3000)
SIDES = st.integers(32, 1024)
FITS = st.sampled_from(Fit)
SHAPES = [
    (1280, 720),
    (720, 1280),
    (333, 331),
    (1000, 50),
    (50, 1000),
    (97, 416),
    (416, 416),
    (7, 5),
]


def scene(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A black picture with a white box, and the box as fractions."""
    image = np.zeros((height, width, 3), np.uint8)
    x0, x1 = round(width * 0.3), max(round(width * 0.3) + 1, round(width * 0.7))
    y0, y1 = round(height * 0.2), max(round(height * 0.2) + 1, round(height * 0.6))
    image[y0:y1, x0:x1] = 255
    return image, np.array([x0 / width, y0 / height, x1 / width, y1 / height])


def seen(square: np.ndarray) -> np.ndarray:
    """Where the white is, as fractions of the square."""
    rows, columns = np.nonzero(square[:, :, 0] > 180)
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return np.array([edges], np.float32) / len(square)


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_a_box_is_where_it_is_in_the_source(width: int, height: int, fit: Fit) -> None:
    side = 416
    image, box = scene(width, height)
    fitted = decode_frame(encode_frame(image, side, 95, fit), side, fit)
    found = undo(seen(fitted.picture), fitted.source_size_px, side, fit)[0]
    inner = inner_size_px((width, height), side, fit)
    tolerance = 1.6 / np.tile(inner, 2)  # of a pixel of what was sent, and its rounding
    assert (np.abs(found - box) <= np.maximum(tolerance, 1.6 / np.tile((width, height), 2))).all()


@pytest.mark.parametrize("fit", [Fit.LETTERBOX, Fit.LETTERBOX_TOP_LEFT])
def test_what_is_added_is_grey_and_not_sent(fit: Fit) -> None:
    image = np.zeros((720, 1280, 3), np.uint8)
    jpeg = encode_frame(image, 320, 90, fit)
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (180, 320, 3)
    square = decode_frame(jpeg, 320, fit).picture
    padded = (square == PADDING_GREY).all(axis=(1, 2))
    assert padded.sum() == 140
    assert padded[0] == (fit is Fit.LETTERBOX)


@given(EDGES, EDGES, SIDES, FITS)
def test_what_a_client_sends_is_fitted_as_its_source_would_be(width, height, side, fit) -> None:
    inner = inner_size_px((width, height), side, fit)
    assert max(inner) == side
    assert min(inner) >= 1
    if fit is not Fit.STRETCH:
        assert inner_size_px(inner, side, fit) == inner
        exact = side * min(width, height) / max(width, height)
        assert abs(min(inner) - max(1, exact)) <= 0.5


@given(EDGES, EDGES, SIDES, FITS, st.lists(st.floats(-1, 2, width=32), min_size=4, max_size=4))
def test_boxes_never_leave_the_picture(width, height, side, fit, corners) -> None:
    boxes = np.clip(np.array([corners], np.float32), 0, 1)
    found = undo(boxes, (width, height), side, fit)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize(
    ("fit", "added"), [(Fit.LETTERBOX, 0.1), (Fit.LETTERBOX_TOP_LEFT, 0.9), (Fit.STRETCH, None)]
)
def test_what_lies_in_the_padding_alone_is_nothing(fit: Fit, added: float | None) -> None:
    y = 0.1 if added is None else added
    boxes = np.array([(0.1, y - 0.05, 0.3, y + 0.05), (0.2, 0.3, 0.4, 0.5)], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8], np.float32), np.array([1, 2], np.int32))
    left = in_picture(found, (160, 90), 320, fit)
    assert left.class_ids.tolist() == ([1, 2] if added is None else [2])
    np.testing.assert_array_equal(left.boxes, undo(boxes, (160, 90), 320, fit)[-len(left) :])


def test_a_square_picture_fills_the_square_whatever_the_fit() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    first, *others = (fit_picture(image, 128, fit) for fit in Fit)
    for other in others:
        np.testing.assert_array_equal(first.picture, other.picture)
