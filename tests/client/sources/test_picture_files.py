from __future__ import annotations

import logging
import struct
import zlib

import cv2
import numpy as np
import pytest
from showing_camera import without_tables

from moonjelly.client.sources import FolderSource, NoPicture, open_source
from moonjelly.core.errors import RunError, UsageError


def shade(value):
    return np.full((48, 64, 3), value, np.uint8)


def huge_png():
    """A PNG of 40,000 x 30,000 pixels, in its header."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 30_000, 8, 2, 0, 0, 0)
    head = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + head


@pytest.fixture
def folder(tmp_path):
    for name, value in (("b.PNG", 20), ("a.png", 10), ("c.bmp", 30)):
        cv2.imwrite(str(tmp_path / name), shade(value))
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def shades(source, indices):
    return [None if image is None else int(image.mean()) for image in map(source.read, indices)]


def test_a_folder_gives_its_pictures_by_name_and_ends(folder):
    source = open_source(folder, fps=1.0)
    assert isinstance(source, FolderSource)
    assert shades(source, range(4)) == [10, 20, 30, None]
    source.close()


def test_hidden_files_folders_and_broken_links_are_no_pictures(folder):
    (folder / "._a.png").write_bytes(b"of another system")
    (folder / "a0.jpg").mkdir()
    (folder / "a1.png").symlink_to("nowhere.png")
    source = open_source(folder, fps=1.0)
    assert shades(source, range(4)) == [10, 20, 30, None]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "ends within its header|is no BMP"),
        (b"no picture", "is no BMP, JPEG, PNG or WebP"),
        (huge_png(), "40000 x 30000 pixels: each side must be 1 to"),
        (cv2.imencode(".png", shade(9))[1].tobytes()[:60], "cannot be decoded"),
        (cv2.imencode(".jpg", shade(9))[1].tobytes()[:-40], "cannot be decoded"),
    ],
)
def test_a_picture_that_cannot_be_decoded_costs_its_frame(folder, caplog, content, rule):
    (folder / "b.PNG").write_bytes(content)
    source = open_source(folder, fps=1.0)
    assert shades(source, [0]) == [10]
    with pytest.raises(NoPicture, match=rf"b\.PNG: is no picture that can be read: .*({rule})"):
        source.read(1)
    assert shades(source, [2, 3]) == [30, None]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_picture_that_vanishes_costs_its_frame(folder):
    source = open_source(folder, fps=1.0)
    (folder / "b.PNG").unlink()
    with pytest.raises(NoPicture, match="No such file"):
        source.read(1)


def test_a_folder_of_which_no_picture_can_be_read_fails_at_its_end(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(huge_png())
    source = open_source(tmp_path, fps=1.0)
    for index in range(2):
        with pytest.raises(NoPicture):
            source.read(index)
    with pytest.raises(RunError, match="no picture of it can be read"):
        source.read(2)


def test_names_may_be_no_text_and_are_shown_in_one_line(tmp_path):
    for name in ("caf\udce9.png", "a\nb.png"):
        (tmp_path / name).write_bytes(cv2.imencode(".png", shade(7))[1].tobytes())
    source = open_source(tmp_path, fps=1.0)
    assert shades(source, range(3)) == [7, 7, None]
    (tmp_path / "a\nb.png").write_bytes(b"")
    with pytest.raises(NoPicture) as caught:
        source.read(0)
    assert "\n" not in str(caught.value)


def test_a_jpeg_without_its_standard_tables_is_decoded(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(without_tables(jpeg))
    assert len(without_tables(jpeg)) < len(jpeg)
    image = open_source(tmp_path, fps=1.0).read(0)
    assert np.array_equal(image, cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def test_a_single_picture_is_a_stream_of_one_frame(folder):
    source = open_source(folder / "b.PNG", fps=1.0)
    assert shades(source, range(2)) == [20, None]


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / ".hidden.png").write_bytes(b"")
    with pytest.raises(UsageError, match="holds no picture"):
        open_source(tmp_path, fps=10.0)


def test_grey_deep_and_transparent_pictures_become_colour(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 64), 50, np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((48, 64, 3), 50 * 257, np.uint16))
    cv2.imwrite(str(tmp_path / "c.png"), np.full((48, 64, 4), 50, np.uint8))
    source = open_source(tmp_path, fps=1.0)
    for index in range(3):
        image = source.read(index)
        assert (image.shape, image.dtype, int(image.mean())) == ((48, 64, 3), np.uint8, 50)
