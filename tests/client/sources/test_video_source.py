from __future__ import annotations

import functools
import http.server
import logging
import os
import threading
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from moonjelly.client.sources import VideoSource, open_source
from moonjelly.core.errors import RunError, UsageError

SIZE = (64, 48)
THOUSANDTHS = Fraction(1, 1000)


def shade(value):
    return np.full((SIZE[1], SIZE[0], 3), value, np.uint8)


def write(
    path,
    codec="libx264",
    pix_fmt="yuv420p",
    times_ms=None,
    rate=30,
    num=30,
    image_of=None,
    options=None,
):
    """Writes a video whose picture k has the brightness 8 k."""
    image_of = image_of or (lambda k: shade(8 * k))
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    with av.open(str(path), "w", options=options) as container:
        track = container.add_stream(codec, rate=rate)
        track.height, track.width = image_of(0).shape[:2]
        track.pix_fmt = pix_fmt
        if times_ms is not None:
            track.codec_context.time_base = THOUSANDTHS
            num = len(times_ms)
        for k in range(num):
            frame = av.VideoFrame.from_ndarray(image_of(k), format="bgr24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[k], THOUSANDTHS
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    os.sched_setscheduler(
        0, policy, priority
    )  # SVT-AV1 takes the highest, which all tests after it would have
    return path


def numbers(source, indices):
    """The numbers of the pictures that frames show."""
    images = [source.read(index) for index in indices]
    return [None if image is None else round(float(image.mean()) / 8) for image in images]


def opened(path, fps):
    source = open_source(path, fps)
    assert isinstance(source, VideoSource)
    assert not source.is_live
    return source


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write(tmp_path_factory.mktemp("video") / "clip.mp4")


def test_a_video_plays_in_its_own_time(video):
    source = opened(video, 10.0)
    assert numbers(source, range(4)) == [0, 3, 6, 9]
    assert numbers(source, [8]) == [24], "gaps are skipped"
    assert numbers(source, [10, 11]) == [None, None]
    source.close()
    source.close()


def test_a_video_slower_than_the_stream_repeats_its_pictures(video):
    source = opened(video, 60.0)
    assert numbers(source, range(6)) == [0, 0, 1, 1, 2, 2]
    assert numbers(source, [59, 60]) == [29, None]
    source.close()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_of_a_variable_rate_each_frame_shows_the_picture_of_its_time(tmp_path, suffix):
    times_ms = [500 * k for k in range(10)] + [5000 + 33 * k for k in range(20)]
    source = opened(write(tmp_path / f"v.{suffix}", times_ms=times_ms), 10.0)
    wanted = [max(k for k, at_ms in enumerate(times_ms) if at_ms <= 100 * n) for n in range(56)]
    assert numbers(source, range(56)) == wanted
    source.close()


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        ("mp4", "libsvtav1", "yuv420p"),
        ("mkv", "libx265", "yuv420p"),
        ("webm", "libvpx-vp9", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),
        ("mkv", "ffv1", "bgr0"),
        ("ts", "libx264", "yuv420p"),
        ("flv", "libx264", "yuv420p"),
        ("mpg", "mpeg2video", "yuv420p"),
        ("mp4", "mpeg4", "yuv420p"),
        ("mkv", "libx264", "yuv444p"),
    ],
)
def test_other_codecs_and_containers_play(tmp_path, suffix, codec, pix_fmt):
    source = opened(write(tmp_path / f"v.{suffix}", codec, pix_fmt), 10.0)
    assert numbers(source, range(9)) == pytest.approx(range(0, 27, 3), abs=1)
    source.close()


@pytest.mark.parametrize("suffix", ["h264", "mjpeg"])
def test_a_bare_stream_without_times_plays(tmp_path, suffix):
    path = tmp_path / f"v.{suffix}"
    codec = {"h264": ("libx264", "yuv420p"), "mjpeg": ("mjpeg", "yuvj420p")}[suffix]
    source = opened(write(path, *codec, rate=25), 25.0)
    assert numbers(source, range(0, 30, 5)) == [0, 5, 10, 15, 20, 25]
    source.close()


@pytest.mark.parametrize(
    "name", [b"caf\xe9.mp4", b"a%03d.mp4", b"http:x.mp4", b"concat:a|b.mp4", b"a\nb.mp4", b"-i.mp4"]
)
def test_a_file_of_any_name_plays(tmp_path, video, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:  # noqa: PTH118, PTH123 bytes
        file.write(video.read_bytes())
    for text in (os.fsdecode(name), str(tmp_path / os.fsdecode(name))):
        source = opened(text, 10.0)
        assert numbers(source, [0, 5]) == [0, 15]
        source.close()


def test_broken_packets_are_left_out_counted_and_told(tmp_path, caplog):
    path = write(tmp_path / "v.avi", "mjpeg", "yuvj420p")
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data) - 2) if data[at : at + 3] == b"\xff\xd8\xff"]
    for k in (10, 11, 20):
        middle, end = (starts[k] + starts[k + 1]) // 2, starts[k + 1] - 8
        data[middle:end] = bytes(end - middle)
    path.write_bytes(data)
    source = opened(path, 30.0)
    shown = numbers(source, range(30))
    source.close()
    assert shown == [*range(10), 9, 9, *range(12, 20), 19, *range(21, 30)]
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [message.partition(", the first")[0] for message in told] == [
        f"{path}: broken packets are left out",
        f"{path}: 3 broken packets were left out",
    ]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_phones_video_is_shown_upright(tmp_path, turns):
    def image_of(k):
        image = np.zeros((48, 64, 3), np.uint8)
        image[:24, :32] = 200  # bright at the upper left
        return image

    path = write(tmp_path / "v.mp4", image_of=image_of, num=5)
    data = bytearray(path.read_bytes())
    matrix_at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    matrix = [(one, 0, 0, one), (0, one, -one, 0), (-one, 0, 0, -one), (0, -one, one, 0)][turns]
    for n, value in zip((0, 1, 3, 4), matrix, strict=True):
        data[matrix_at + 4 * n : matrix_at + 4 * n + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    source = opened(path, 30.0)
    image = source.read(0)
    source.close()
    wanted = np.rot90(image_of(0), -turns)  # the matrix of `turns` quarters clockwise
    assert image.shape == wanted.shape
    assert np.abs(image.astype(int) - wanted).mean() < 8
    reference = cv2.VideoCapture(str(path)).read()[1]
    assert np.abs(image.astype(int) - reference).mean() < 8


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "is empty"),
        (b"no video", "Invalid data"),
        (bytes(100_000), "Invalid data"),
        (None, "Invalid data"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path, video, content, rule):
    path = tmp_path / "x.mp4"
    data = video.read_bytes()
    path.write_bytes(data[: data.index(b"moov")] if content is None else content)
    with pytest.raises(
        UsageError, match=rf"x\.mp4: is no video that can be read: .*{rule}"
    ) as caught:
        open_source(path, 10.0)
    assert "\n" not in str(caught.value)


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        track = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    with pytest.raises(UsageError, match="holds no video"):
        open_source(path, 10.0)


def test_a_video_of_which_nothing_can_be_decoded_is_refused(tmp_path):
    path = write(tmp_path / "v.avi", "mjpeg", "yuvj420p")
    data = path.read_bytes()
    start, end = data.index(b"\xff\xd8\xff"), data.rindex(b"\xff\xd9")
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    with pytest.raises(UsageError, match="no picture of it can be decoded"):
        open_source(path, 10.0)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_video_that_was_cut_off_plays_as_far_as_it_goes_and_that_is_told(
    tmp_path, suffix, caplog
):
    flags = {"movflags": "faststart"} if suffix == ".mp4" else None
    path = write(tmp_path / f"v{suffix}", "mjpeg", "yuvj420p", rate=5, options=flags)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    source = opened(path, 5.0)
    shown = numbers(source, range(30))
    source.close()
    num = shown.index(None)
    assert 0 < num < 25
    assert shown == [*range(num), *[None] * (30 - num)]
    assert f"{path}: its last {6 - num / 5:.1f} s hold no picture that can be read" in caplog.text


def test_a_whole_video_is_played_without_a_word(tmp_path, caplog):
    for suffix in (".mkv", ".mp4", ".avi"):
        source = opened(write(tmp_path / f"v{suffix}", "mjpeg", "yuvj420p", rate=5), 5.0)
        assert None not in numbers(source, range(30))
        assert source.read(30) is None
        source.close()
    assert not caplog.records


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def web(video):
    handler = functools.partial(_Quiet, directory=str(video.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_video_behind_a_web_address_plays_in_its_own_time(web):
    source = opened(f"{web}/clip.mp4".replace("http", "HTTP"), 10.0)
    assert numbers(source, range(4)) == [0, 3, 6, 9]
    assert numbers(source, [10]) == [None]
    source.close()


def test_what_is_not_behind_a_web_address_is_said_in_one_line(web):
    address = web.replace("http://", "http://me:secret@")
    with pytest.raises(
        RunError, match=r"^http://\*\*\*@127\.0\.0\.1:\d+/none\.mp4\?key=\*\*\*: cannot be opened: "
    ) as caught:
        open_source(f"{address}/none.mp4?key=secret", 10.0)
    assert "secret" not in str(caught.value)


def test_what_is_no_video_behind_a_web_address_is_said_in_one_line(web, video):
    for name, content in (
        ("page.html", b"<html>" * 99),
        ("empty.mp4", b""),
        ("x.bin", bytes(9999)),
    ):
        (video.parent / name).write_bytes(content)
        with pytest.raises(RunError, match="cannot be opened"):
            open_source(f"{web}/{name}", 10.0)


def test_a_file_address_names_a_path(tmp_path, video):
    path = tmp_path / "a b.mp4"
    path.write_bytes(video.read_bytes())
    for text in (f"file://{tmp_path}/a%20b.mp4", f"FILE://localhost{path}"):
        source = opened(text, 10.0)
        assert numbers(source, [1]) == [3]
        source.close()
    with pytest.raises(UsageError, match="of this machine"):
        open_source(f"file://elsewhere{path}", 10.0)
