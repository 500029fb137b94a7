from __future__ import annotations

import itertools
import socket
import threading
import time
from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from showing_camera import ShowingCamera, age_ms, shown_ms_of

from moonjelly.client.sources import CameraSource, NoPicture, containers, open_source
from moonjelly.core.errors import RunError

WAIT_S = 30


def jpeg(value):
    return cv2.imencode(".jpg", np.full((16, 16, 3), value, np.uint8))[1].tobytes()


class Packet:
    """An encoded picture with the camera's time (ms)."""

    time_base = Fraction(1, 1000)

    def __init__(self, data, pts=None):
        self._data, self.pts, self.size = data, pts, len(data)

    def __bytes__(self):
        return self._data


class Script:
    """A camera that does what a list says each time it is opened: gives packets, waits for events, raises errors."""

    def __init__(self, *openings):
        self._openings = list(openings)
        self.num_opened = self.num_closed = 0

    def __call__(self):
        self.num_opened += 1
        doing = self._openings.pop(0) if self._openings else [OSError("is switched off")]
        if isinstance(doing, list) and doing and isinstance(doing[0], OSError):
            raise doing[0]
        codec = SimpleNamespace(canonical_name="mjpeg")
        return SimpleNamespace(
            video=SimpleNamespace(codec_context=SimpleNamespace(codec=codec)),
            has_times=True,
            is_late_by_one=False,
            packets=lambda: self._play(doing),
            close=self._close,
        )

    def _close(self):
        self.num_closed += 1

    def _play(self, doing):
        for one in doing:
            if isinstance(one, threading.Event):
                assert one.wait(WAIT_S)
            elif isinstance(one, BaseException):
                raise one
            else:
                yield one


def value_of(picture):
    return round(float(picture.image().mean()))


def next_of(source):
    """The next picture; while the camera is lost there is none."""
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        try:
            return source.read(0)
        except NoPicture:
            time.sleep(0.01)
    raise TimeoutError


def read_on(source):
    while source.read(0) is not None:
        pass


def until(condition):
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_only_the_newest_picture_is_kept_and_given_once():
    go, on, end = (threading.Event() for _ in range(3))
    packets = [Packet(jpeg(value)) for value in (10, 20, 30, 40)]
    script = Script([packets[0], go, *packets[1:3], on, packets[3], end])
    source = CameraSource("camera x", script)
    assert value_of(source.read(0)) == 10
    go.set()
    until(lambda: source._newest is not None and value_of(source._newest) == 30)
    assert value_of(source.read(0)) == 30
    on.set()
    assert value_of(source.read(0)) == 40, "none is given twice"
    source.close()
    assert source.read(0) is None
    end.set()
    until(lambda: script.num_closed == 1)


def test_a_picture_that_was_cut_short_is_lost_alone_and_told_once(caplog):
    go, end = threading.Event(), threading.Event()
    whole = jpeg(50)
    script = Script([Packet(whole[: len(whole) // 2]), go, Packet(whole), end])
    source = CameraSource("camera x", script)
    broken = source.read(0)
    with pytest.raises(NoPicture, match="cannot be decoded"):
        broken.image()
    go.set()
    assert value_of(source.read(0)) == 50
    source.close()
    end.set()
    assert script.num_opened == 1
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        "camera x: pictures are left out"
    ]


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        ([], "it ended the connection"),
        ([OSError(104, "Connection reset by peer")], "Connection reset by peer"),
        ([ZeroDivisionError("x")], "ZeroDivisionError: x"),
    ],
)
def test_a_camera_that_vanishes_is_opened_again_and_that_is_told_once(caplog, problem, why):
    end = threading.Event()
    away = OSError(111, "Connection refused")
    script = Script([Packet(jpeg(10)), *problem], [away], [], [Packet(jpeg(20)), end])
    source = CameraSource("camera x", script)
    until(lambda: script.num_opened == 4)
    assert value_of(next_of(source)) == 20
    source.close()
    end.set()
    lost, back = [record.message for record in caplog.records]
    assert lost == f"camera x: lost ({why}); it will be opened again"
    assert back.startswith("camera x: is back after ")
    assert script.num_closed >= 2


def test_a_camera_that_stays_away_is_given_up():
    script = Script([Packet(jpeg(10))])
    source = CameraSource("camera x", script, give_up_after_s=0.6)
    until(lambda: source._failure is not None)
    with pytest.raises(RunError, match=r"^camera x: lost for 0\.6 s: is switched off$"):
        source.read(0)
    source.close()


def test_a_camera_that_cannot_be_opened_is_an_error_at_once():
    with pytest.raises(RunError, match=r"^camera x: cannot be opened: is switched off$"):
        CameraSource("camera x", Script())


def test_a_camera_whose_pictures_come_far_too_late_is_opened_again():
    clock = SimpleNamespace(now_ms=lambda: clock.now)
    clock.now = 0.0

    def packets():
        for k in range(20):
            clock.now = k * 500.0  # it is captured every 100 ms, and comes every 500
            yield Packet(jpeg(10), 100 * k)

    end = threading.Event()
    script = Script(packets(), [Packet(jpeg(20), 0), Packet(jpeg(20), 0), end])
    source = CameraSource("camera x", script, clock=clock)
    while value_of(next_of(source)) != 20:
        pass
    source.close()
    end.set()


def test_a_picture_that_was_held_back_is_no_sign_of_life(caplog):
    clock = SimpleNamespace(now_ms=lambda: clock.now)
    clock.now = 0.0

    def packets():  # FFmpeg gives up waiting after 5 s, and what it still had before that
        yield Packet(jpeg(10), 0)
        clock.now += 5010
        yield Packet(jpeg(10), 33)
        raise AssertionError("nobody waits for another 5 s")

    end = threading.Event()
    source = CameraSource("camera x", Script(packets(), [Packet(jpeg(20)), end]), clock=clock)
    while value_of(next_of(source)) != 20:
        pass
    source.close()
    end.set()
    lost = "camera x: lost (it was silent for 5 s); it will be opened again"
    assert caplog.records[0].message == lost


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
def test_pictures_are_captured_when_the_camera_made_them_however_seldom_they_are_read(kind):
    with ShowingCamera(kind) as camera:
        source = open_source(camera.address, 5.0)
        assert source.is_live
        errors_ms, handed_ms, shown_ms = [], [], []
        for _ in range(12):
            picture = source.read(0)
            at_ms = time.monotonic() * 1000
            image = picture.image()
            errors_ms.append(age_ms(image, picture.captured_ms))
            handed_ms.append(age_ms(image, at_ms))
            shown_ms.append(shown_ms_of(image))
            time.sleep(0.2)
        source.close()
    assert all(a < b for a, b in itertools.pairwise(shown_ms))
    # A machine that is busy holds pictures back, but what was read seldom must not pile up: 2.4 s were left out.
    assert np.median(errors_ms) < 400
    assert np.median(handed_ms[6:]) < 600
    assert min(errors_ms) > -100


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
def test_a_real_camera_that_reboots_is_seen_again(kind):
    camera = ShowingCamera(kind)
    with camera:
        source = open_source(camera.address, 10.0)
        before_ms = shown_ms_of(next_of(source).image())
        camera.switch_off()
        with pytest.raises(NoPicture, match="is lost"):
            read_on(source)
        camera.switch_on()
        after_ms = shown_ms_of(next_of(source).image())
        source.close()
    assert after_ms > before_ms
    assert camera.num_readers >= 2


def test_a_real_camera_that_freezes_is_opened_again(monkeypatch):
    monkeypatch.setattr(containers, "READ_TIMEOUT_S", 0.5)
    with ShowingCamera("mjpeg") as camera:
        source = open_source(camera.address, 10.0)
        next_of(source)
        camera.is_frozen = True
        with pytest.raises(NoPicture, match="is lost"):
            read_on(source)
        camera.is_frozen = False
        next_of(source)
        source.close()
    assert camera.num_readers >= 2


def test_a_camera_that_leaves_the_first_boundary_out_is_seen():
    with ShowingCamera("mjpeg") as camera:
        camera.has_first_boundary = False
        source = open_source(camera.address, 10.0)
        shown_ms = [shown_ms_of(next_of(source).image()) for _ in range(5)]
        source.close()
    assert shown_ms == sorted(set(shown_ms))


def test_a_camera_that_sends_to_an_address_is_seen():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    is_seen = threading.Event()

    def send():
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as container:
            track = container.add_stream("libx264", rate=25)
            track.width, track.height = 64, 48
            track.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "5"}
            while not is_seen.wait(0.04):
                image = np.full((48, 64, 3), 120, np.uint8)
                container.mux(track.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))

    sending = threading.Thread(target=send)
    sending.start()
    try:
        source = open_source(f"UDP://127.0.0.1:{port}", 10.0)
        pictures = [next_of(source) for _ in range(5)]
        source.close()
    finally:
        is_seen.set()
        sending.join()
    assert source.is_live
    assert [value_of(picture) for picture in pictures] == pytest.approx([120] * 5, abs=3)


def test_a_webcams_pictures_without_tables_are_decoded():
    with ShowingCamera("mjpeg") as camera:
        camera.is_without_tables = True
        source = open_source(camera.address, 10.0)
        assert abs(age_ms(next_of(source).image(), time.monotonic() * 1000)) < 60_000
        source.close()
