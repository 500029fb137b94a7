from __future__ import annotations

import cv2
import numpy as np
import pytest

from moonjelly.client.sources import (
    ArraySource,
    CameraSource,
    FolderSource,
    SceneSource,
    VideoSource,
    is_live_source,
    open_source,
)
from moonjelly.core.errors import RunError, UsageError


def shade(value):
    return np.full((48, 64, 3), value, np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name, value in (("b.PNG", 20), ("a.png", 10), ("c.png", 30)):
        cv2.imwrite(str(tmp_path / name), shade(value))
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """30 frames of 30 frames/s, whose brightness tells their number."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30.0, (64, 48))
    for k in range(30):
        writer.write(shade(8 * k))
    writer.release()
    return path


def numbers(source, indices):
    images = [source.read(index) for index in indices]
    return [None if image is None else round(float(image.mean()) / 8) for image in images]


def test_a_scene_is_the_scene_of_that_seed_and_rate():
    source = open_source("scene:5", fps=4.0)
    assert isinstance(source, SceneSource)
    scene = source.scene
    assert (scene.seed, scene.split, scene.fps) == (5, "test", 4.0)
    assert np.array_equal(source.read(7), scene.frame(7).image)


def test_a_folder_gives_its_pictures_by_name_and_ends(folder):
    source = open_source(folder, fps=1.0)
    assert isinstance(source, FolderSource)
    assert [int(source.read(k).mean()) for k in range(3)] == [10, 20, 30]
    assert source.read(3) is None


def test_a_file_that_only_looks_like_a_picture_fails(folder):
    (folder / "a.png").write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"a\.png: is no picture"):
        open_source(folder, fps=1.0).read(0)


def test_a_video_plays_in_its_own_time(video):
    source = open_source(video, fps=10.0)
    assert isinstance(source, VideoSource)
    assert numbers(source, range(4)) == [0, 3, 6, 9]
    assert numbers(source, [8]) == [24], "gaps are skipped"
    assert numbers(source, [10]) == [None]
    source.close()
    source.close()


def test_a_video_slower_than_the_stream_repeats_its_pictures(video):
    source = open_source(video, fps=60.0)
    assert numbers(source, range(6)) == [0, 0, 1, 1, 2, 2]
    source.close()


def test_arrays_go_round_until_the_end():
    source = ArraySource([shade(1), shade(2)], num_frames=3)
    assert [None if i is None else int(i.mean()) for i in map(source.read, range(4))] == [
        1, 2, 1, None,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="at least one picture"):
        ArraySource([])


def test_a_camera_gives_what_it_captures_and_ends_with_it(video):
    # The capture library opens a file where a camera's URL would stand.
    source = CameraSource(str(video))
    assert source.is_live
    assert source.read(0).shape == (48, 64, 3)
    while source.read(0) is not None:
        pass
    source.close()


@pytest.mark.parametrize(
    "text",
    [
        "nothing.mp4",
        "scene:",
        "scene:x",
        "scene:-1",
        "camera:x",
        "camera:999",
        "",
        "a\0b",
        "scene:²",
    ],
)
def test_what_is_no_source_is_refused(text):
    with pytest.raises(UsageError, match="source="):
        open_source(text, fps=10.0)


def test_a_folder_without_pictures_and_a_file_that_is_no_video_are_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no picture"):
        open_source(tmp_path, fps=10.0)
    (tmp_path / "x.mp4").write_bytes(b"no video")
    with pytest.raises(UsageError, match="is no video"):
        open_source(tmp_path / "x.mp4", fps=10.0)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_is_refused(fps):
    with pytest.raises(ValueError, match="fps="):
        open_source("scene:1", fps)


def test_a_camera_that_does_not_answer_is_said_so_without_its_password():
    with pytest.raises(RunError) as caught:
        open_source("rtsp://me:secret@127.0.0.1:1/x", fps=10.0)
    assert str(caught.value) == "camera rtsp://***@127.0.0.1:1/x: cannot be opened"


def test_live_sources_are_known_by_name():
    assert is_live_source("camera:0")
    assert is_live_source("rtsp://host/x")
    assert not is_live_source("scene:0")
    assert not is_live_source("clip.mp4")
