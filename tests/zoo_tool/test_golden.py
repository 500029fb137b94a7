"""A zoo's golden variant looks at a video, and what it finds is written as annotations."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import pytest

from moonjelly.cli import main
from moonjelly.client.sources import VideoSource, open_source
from moonjelly.core.answers import Detections
from moonjelly.devices.detecting import PictureRunner
from moonjelly.vision.coco_file import read_coco
from moonjelly.vision.preprocessing import fit_picture
from moonjelly.vision.scenes import Scene
from moonjelly.zoos import open_zoo

NUM_PICTURES = 3
SMALL = "traffic-n-160"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "street.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5, (1280, 720))
    scene = Scene(3, fps=5)
    for number in range(NUM_PICTURES):
        writer.write(scene.frame(number).image)
    writer.release()
    return path


def test_each_picture_of_a_video_gets_what_the_variant_is_sure_of(
    video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["zoo", "golden", str(video), "--variant", SMALL]) == 0
    assert "next: moonjelly client --source" in capsys.readouterr().err
    file = read_coco(video.with_suffix(".json"), "--truth")
    assert file.info["sha256"] == hashlib.sha256(video.read_bytes()).hexdigest()
    assert SMALL in file.info["description"]
    assert len(file.images) == NUM_PICTURES
    look = PictureRunner(open_zoo("traffic"), SMALL)
    source = open_source(video, 5)
    assert isinstance(source, VideoSource)
    num_boxes = 0
    for image, picture in zip(file.images, source.pictures(), strict=True):
        found = look(fit_picture(picture, look.side_px, look.fit))
        assert isinstance(found, Detections)
        sure = found.scores >= 0.2
        num_boxes += int(sure.sum())
        assert image.truth.size_px == (1280, 720)
        assert image.truth.boxes == pytest.approx(found.boxes[sure], abs=1e-4)
        assert image.truth.class_ids.tolist() == found.class_ids[sure].tolist()
        assert image.scores == pytest.approx(found.scores[sure], abs=1e-4)
    source.close()
    assert num_boxes > 3


def test_a_file_that_is_there_is_overwritten_only_if_it_is_named(
    video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = video.with_suffix(".json")
    mine.write_text("mine")
    assert main(["zoo", "golden", str(video), "--variant", SMALL]) == 2
    assert "street.json: is there already" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert main(["zoo", "golden", str(video), "--variant", SMALL, "--out", str(mine)]) == 0
    assert len(read_coco(mine, "--truth").images) == NUM_PICTURES


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["none.mp4"], "none.mp4: must be a video file"),
        (["text.mp4"], "text.mp4: is no video that can be read"),
        (["one.png"], "one.png: must be a video file"),
        (["street.mp4", "--zoo", "vehicles"], "zoo vehicles: must be one that detects"),
        (["street.mp4", "--zoo", "yolov4"], "network yolov4 has no file"),
        (["street.mp4", "--variant", "best"], "variant 'best': zoo traffic has traffic-n-128"),
    ],
)
def test_what_cannot_be_looked_at_is_said_in_one_line(
    video: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.mp4").write_text("text")
    cv2.imwrite("one.png", Scene(3).frame(0).image)
    assert main(["zoo", "golden", *words]) in (1, 2)
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("moonjelly: error: ")
    assert complaint in told
    assert not video.with_suffix(".json").exists()
