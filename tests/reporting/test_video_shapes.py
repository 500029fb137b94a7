"""Annotated videos of pictures of any shape, on any disk: whole or not there, and never a surprise."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.answers import Detections
from moonjelly.core.records import FrameRecord
from moonjelly.reporting.annotation import DARK, STRIP_PX, VIEW_LIMITS_PX, annotate, view_height_px
from moonjelly.reporting.run_folder import StreamInfo
from moonjelly.reporting.video import WIDTH_PX, write_video
from moonjelly.reporting.viewing import Shown

WHITE = 255


def picture(width, height):
    return np.full((height, width, 3), WHITE, np.uint8)


def rows(num_frames):
    return [FrameRecord("a", k, 100.0 * k, "in_time", latency_ms=10.0) for k in range(num_frames)]


def film(path, pictures, fps=10.0):
    stream = StreamInfo("a", fps, 200.0, len(pictures))
    write_video(path, stream, rows(len(pictures)), {}, lambda k: pictures[k], ("car",))


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def test_pictures_of_several_sizes_are_fitted_and_not_squeezed(tmp_path):
    film(tmp_path / "a.mp4", [picture(320, 180), picture(180, 320), picture(640, 90)])
    wide, tall, flat = frames_of(tmp_path / "a.mp4")
    assert wide.shape == tall.shape == flat.shape == (360 + STRIP_PX, WIDTH_PX, 3)
    assert wide[10:350, 10:630].min() > 200
    assert tall[:360, 230:410].min() > 150, "202 px wide, in the middle"
    assert tall[10:350, :200].max() < 100, "bars beside it"
    assert flat[150:210, 10:630].min() > 200
    assert flat[:120].max() < 100, "a bar above it"


@pytest.mark.parametrize(
    ("width", "height"), [(20, 8000), (8000, 20), (1, 1), (1, 4000), (641, 361)]
)
def test_pictures_of_any_shape_can_be_shown(tmp_path, width, height):
    film(tmp_path / "a.mp4", [picture(width, height)] * 2)
    first, _ = frames_of(tmp_path / "a.mp4")
    least_px, most_px = VIEW_LIMITS_PX
    assert first.shape[1] == WIDTH_PX
    assert least_px <= first.shape[0] - STRIP_PX <= most_px
    assert first[:-STRIP_PX].max() > 200, "there is something to see"


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.none() | st.integers(2, 400).map(lambda k: 2 * k)
)
def test_a_picture_keeps_its_shape(width, height, view_px):
    drawn = annotate(picture(width, height), rows(1)[0], None, 200.0, (), 320, view_px)
    space = drawn[:-STRIP_PX]
    assert space.shape == (view_px or view_height_px(picture(width, height), 320), 320, 3)
    is_drawn = (space == WHITE).all(axis=2)
    ys, xs = np.nonzero(is_drawn)
    drawn_width, drawn_height = np.ptp(xs) + 1, np.ptp(ys) + 1
    assert is_drawn.sum() == drawn_width * drawn_height
    assert (space[~is_drawn] == DARK).all()
    assert drawn_width == 320 or drawn_height == space.shape[0]
    scale = min(320 / width, space.shape[0] / height)
    assert drawn_width == pytest.approx(width * scale, abs=3)
    assert drawn_height == pytest.approx(height * scale, abs=3)


def test_boxes_that_cannot_be_are_drawn_somewhere():
    odd = np.array([[np.nan, 0, 1, 1], [-np.inf, 0, np.inf, 1e30]], np.float32)
    found = Detections(odd, np.ones(2, np.float32), np.zeros(2, np.int32))
    annotate(picture(100, 100), rows(1)[0], Shown(found, 0.0), 200.0, (), 320)


def test_a_video_is_whole_or_not_there(tmp_path):
    def lost(k):
        if k == 3:
            raise RuntimeError("the file is gone")
        return picture(64, 48)

    with pytest.raises(RuntimeError, match="gone"):
        write_video(tmp_path / "a.mp4", StreamInfo("a", 10, 200, 5), rows(5), {}, lost, ())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [0.001, 1 / 3, 29.97, 240])
def test_any_rate_can_be_filmed(tmp_path, fps):
    film(tmp_path / "a.mp4", [picture(64, 48)] * 2, fps)
    assert len(frames_of(tmp_path / "a.mp4")) == 2
