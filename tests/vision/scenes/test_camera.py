from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.vision.scenes.camera import Camera

CAMERA = Camera(
    height_m=7.0, pitch_rad=math.radians(15), focal_px=1000, width_px=640, height_px=360
)


@given(st.integers(0, 639), st.integers(120, 359))
def test_the_ground_under_a_pixel_projects_back_onto_it(column: int, row: int) -> None:
    x, y, _ = CAMERA.ground(0)
    point = np.array([[x[row, column], y[row, column], 0.0]])
    np.testing.assert_allclose(CAMERA.project(point)[0], (column, row), atol=1e-6)


def test_the_optical_axis_meets_the_middle_of_the_picture() -> None:
    far = np.array([[0.0, 100 * math.cos(CAMERA.pitch_rad), 7 - 100 * math.sin(CAMERA.pitch_rad)]])
    np.testing.assert_allclose(CAMERA.project(far)[0], (319.5, 179.5))


def test_the_horizon_is_where_far_ground_goes() -> None:
    far = CAMERA.project(np.array([[0.0, 1e7, 0.0]]))[0]
    assert far[1] == pytest.approx(CAMERA.horizon_px(), abs=0.01)


@given(st.floats(-80, 80), st.floats(-20, 150), st.floats(0, 6.28))
def test_nothing_that_touches_the_frame_is_passed_over(x: float, y: float, turn: float) -> None:
    rim = np.array([[x + 3 * math.cos(turn), y + 3 * math.sin(turn), 0.0]])
    view = CAMERA.to_view(rim)
    if view[0, 2] > 0.6:
        column, row = CAMERA.to_image(view)[0]
        if 0 <= column < 640 and 0 <= row < 360:
            assert CAMERA.may_see(x, y, 3.0)
