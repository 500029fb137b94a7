"""COCO's annotations are written with their scores and read again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from moonjelly.core.errors import UsageError
from moonjelly.vision.accuracy import FrameTruth
from moonjelly.vision.coco_file import CocoFile, CocoImage, read_coco, write_coco

BOXES = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.75, 1.0]], np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    truth = FrameTruth(BOXES, np.array([1, 0], np.int32), np.array([False, True]), (200, 100))
    none = FrameTruth(BOXES[:0], np.empty(0, np.int32), np.empty(0, np.bool_), (200, 100))
    file = CocoFile(
        (
            CocoImage(1, "a.jpg", truth, np.array([0.75, 0.25], np.float32)),
            CocoImage(2, "b.jpg", none, np.empty(0, np.float32)),
        ),
        ("car", "bus"),
        {"video": "street.mp4"},
    )
    write_coco(tmp_path / "truth.json", file)
    return tmp_path / "truth.json"


def test_what_was_written_is_read_again(path: Path) -> None:
    file = read_coco(path, "--truth")
    assert file.class_names == ("car", "bus")
    assert file.info == {"video": "street.mp4"}
    first, second = file.images
    assert (first.image_id, first.file_name, first.truth.size_px) == (1, "a.jpg", (200, 100))
    np.testing.assert_allclose(first.truth.boxes, BOXES, atol=1e-4)
    assert first.truth.class_ids.tolist() == [1, 0]
    assert first.truth.is_ignored.tolist() == [False, True]
    assert first.scores.tolist() == [0.75, 0.25]
    assert len(second.truth.boxes) == len(second.detections) == 0


def test_a_zoo_knows_some_of_its_classes_by_other_ids(path: Path) -> None:
    file = read_coco(path, "--truth")
    image = file.images[0].known_to(("person", "bus"), file.class_names)
    assert image.truth.class_ids.tolist() == [1]
    assert image.truth.areas_px == pytest.approx([40 * 20])
    assert image.detections.scores.tolist() == [0.75]
    cars = file.images[0].known_to(("car",), file.class_names)
    assert cars.truth.is_ignored.tolist() == [True]
    assert len(cars.detections) == 0  # what is ignored is not asked for


def test_a_score_is_none_unless_it_is_one(path: Path) -> None:
    document = json.loads(path.read_text())
    del document["annotations"][0]["score"]
    path.write_text(json.dumps(document))
    assert read_coco(path, "--truth").images[0].scores.tolist() == [1.0, 0.25]
    document["annotations"][0]["score"] = 80
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"annotations\[0\]: score=80: must be 0 to 1$"):
        read_coco(path, "--truth")
