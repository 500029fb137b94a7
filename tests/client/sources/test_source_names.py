from __future__ import annotations

import numpy as np
import pytest

from moonjelly.client.sources import ArraySource, SceneSource, is_live_source, open_source
from moonjelly.client.sources.port import check_source
from moonjelly.client.sources.telling import shown
from moonjelly.core.errors import RunError, UsageError


def test_a_scene_is_the_scene_of_that_seed_and_rate():
    source = open_source("scene:5", fps=4.0)
    assert isinstance(source, SceneSource)
    scene = source.scene
    assert (scene.seed, scene.split, scene.fps) == (5, "test", 4.0)
    assert np.array_equal(source.read(7), scene.frame(7).image)


def test_arrays_go_round_until_the_end():
    images = [np.full((4, 4, 3), value, np.uint8) for value in (1, 2)]
    source = ArraySource(images, num_frames=3)
    shades = [None if image is None else int(image.mean()) for image in map(source.read, range(4))]
    assert shades == [1, 2, 1, None]
    with pytest.raises(ValueError, match="at least one picture"):
        ArraySource([])


@pytest.mark.parametrize(
    "text",
    [
        "nothing.mp4", "scene:", "scene:x", "scene:-1", "scene:²", "camera:x", "camera:999", "", "a\0b",
        "rtsp://", "rtsp://a b", "http://a\r\nHost: b", "rtsp://caf\udce9/x", "ftp://host/x.mp4", "file://host/x", "file://",
        "/dev", "caf\udce9.mp4", "x" * 5000, "//", "scene:1:2",
    ],
)  # fmt: skip
def test_what_is_no_source_is_refused_in_one_line(text):
    with pytest.raises(UsageError) as caught:
        open_source(text, fps=10.0)
    assert str(caught.value).isascii()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_is_refused(fps):
    with pytest.raises(ValueError, match="fps="):
        open_source("scene:1", fps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rtsp://me:secret@127.0.0.1:1/x", "rtsp://***@127.0.0.1:1/x: cannot be opened: Connection refused"),
        ("RTSP://me:secret@127.0.0.1:1/x", "rtsp://***@127.0.0.1:1/x: cannot be opened: Connection refused"),
        ("http://127.0.0.1:1/x?pw=secret", "http://127.0.0.1:1/x?pw=***: cannot be opened: Connection refused"),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1: cannot be opened: Connection refused"),
        ("srt://127.0.0.1:1", "srt://127.0.0.1:1: cannot be opened: the installed PyAV lacks this protocol"),
        ("camera:0", "camera /dev/video0: cannot be opened: No such file or directory"),
        ("/dev/video7", "camera /dev/video7: cannot be opened: No such file or directory"),
        ("/dev/v4l/by-id/usb-x-index0", "camera /dev/v4l/by-id/usb-x-index0: cannot be opened: No such file or directory"),
        ("/dev/null", "camera /dev/null: cannot be opened: "),
    ],
)  # fmt: skip
def test_a_camera_that_does_not_answer_is_said_so_without_its_password(text, message):
    with pytest.raises(RunError) as caught:
        open_source(text, fps=10.0)
    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "is_live"),
    [
        ("camera:0", True), ("/dev/video0", True), ("/dev/v4l/by-id/x", True), ("rtsp://host/x", True),
        ("RTSPS://host/x", True), ("udp://@:5000", True), ("srt://host:1", True), ("scene:0", False), ("clip.mp4", False),
        ("http://host/x.mp4", False), ("file:///x.mp4", False),
    ],
)  # fmt: skip
def test_cameras_are_known_by_name(text, is_live):
    assert is_live_source(text) is is_live


def test_a_path_is_shown_in_one_line():
    assert shown("a\nb\udce9\x1b[31m é.mp4") == "a\\nb\\udce9\\x1b[31m é.mp4"


@pytest.mark.parametrize(
    "source", [None, 7, object(), ArraySource, [np.zeros((4, 4, 3), np.uint8)]]
)
def test_what_has_not_the_members_of_a_source_is_none(source):
    class Half:
        is_live = "no"

        def read(self, index):
            return None

        def close(self):
            pass

    for one in (source, Half()):
        with pytest.raises(ValueError, match="source="):
            check_source(one)
