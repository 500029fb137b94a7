from __future__ import annotations

import contextlib
import os
import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.vision.jpeg import check_jpeg
from moonjelly.vision.strict_decoding import UndecodableImage, decode_strictly

RNG = np.random.default_rng(3)
PICTURE = cv2.resize(RNG.integers(0, 255, (20, 30, 3), dtype=np.uint8), (240, 160))
JPEG = cv2.imencode(".jpg", PICTURE)[1].tobytes()
RESTARTS = cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_RST_INTERVAL, 4])[1].tobytes()
CUT = JPEG[: len(JPEG) // 2] + b"\xff\xd9"  # the scan ends early, with its end marker in place
STRANGE = JPEG[:-2] + bytes(40) + JPEG[-2:]
JUMPED = RESTARTS.replace(b"\xff\xd2", b"\xff\xd5", 1)


def lenient(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize("spoiled", [CUT, STRANGE, JUMPED], ids=["cut", "strange", "jumped"])
def test_what_libjpeg_only_warns_of_is_a_bad_picture(spoiled: bytes, capfd) -> None:
    check_jpeg(spoiled)  # its headers are sound
    assert lenient(spoiled) is not None  # and it can be decoded
    assert capfd.readouterr().err
    with pytest.raises(UndecodableImage, match=r"^jpeg: cannot be decoded$"):
        decode_strictly(spoiled)
    assert capfd.readouterr().err == ""


def test_a_sound_picture_is_decoded_as_it_was() -> None:
    for jpeg in (JPEG, RESTARTS, memoryview(JPEG)):
        assert np.array_equal(decode_strictly(jpeg), lenient(bytes(jpeg)))
    assert decode_strictly(JPEG, 2).shape == (80, 120, 3)
    assert decode_strictly(JPEG, 8).shape == (20, 30, 3)


def test_pictures_of_other_threads_are_judged_apart() -> None:
    num_bad = {"sound": 0, "cut": 0}

    def decode(name: str, jpeg: bytes) -> None:
        for _ in range(40):
            try:
                decode_strictly(jpeg)
            except UndecodableImage:
                num_bad[name] += 1

    threads = [
        threading.Thread(target=decode, args=one)
        for one in (("sound", JPEG), ("cut", CUT), ("sound", JPEG))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert num_bad == {"sound": 0, "cut": 40}


def test_what_others_say_on_standard_error_is_passed_on(monkeypatch, capfd) -> None:
    decode = cv2.imdecode

    def chatty(*arguments: object) -> object:
        os.write(2, b"a device says this\n")
        return decode(*arguments)

    monkeypatch.setattr(cv2, "imdecode", chatty)
    decode_strictly(JPEG)
    assert capfd.readouterr().err == "a device says this\n"
    with pytest.raises(UndecodableImage):
        decode_strictly(CUT)
    assert set(capfd.readouterr().err.splitlines()) == {"a device says this"}


@given(st.lists(st.tuples(st.integers(0, len(JPEG) - 1), st.integers(0, 255)), max_size=8))
@settings(max_examples=150, deadline=None)
def test_whatever_is_spoiled_is_refused_or_decoded_to_its_size(
    changes: list[tuple[int, int]],
) -> None:
    data = bytearray(JPEG)
    for at, value in changes:
        data[at] = value
    number = os.dup(2)  # none is left open
    os.close(number)
    with contextlib.suppress(UndecodableImage):
        assert decode_strictly(bytes(data)).ndim == 3
    again = os.dup(2)
    os.close(again)
    assert again == number
