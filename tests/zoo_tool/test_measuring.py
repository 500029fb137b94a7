"""A zoo is measured on its user's pictures along the true path, again where it was stopped; flaws are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from toy_networks import CLASSES, Classifier, Everywhere, Toy, export

from moonjelly.cli import main
from moonjelly.core.errors import UsageError
from moonjelly.files.table import read_table
from moonjelly.zoo_tool import measuring
from moonjelly.zoos import Metric, open_zoo, read_variant_rows
from moonjelly.zoos.variants import COLUMNS

SIZES = [(128, 128), (160, 90), (90, 160), (97, 61)]


def box_of(number: int) -> tuple[float, float, float, float]:
    """What the toy finds in a picture of one colour at its surest; the whole of it is asked for."""
    width, height = SIZES[number]
    return 0.0, 0.0, float(width), float(height)


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[Path, Path]:
    """Pictures of one colour each, and their labels."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (width, height) in enumerate(SIZES):
        image = np.zeros((height, width, 3), np.uint8)
        image[:, :, number % 3] = 255
        name = f"{number}.png"
        cv2.imwrite(str(folder / name), image)
        images.append({"id": number + 1, "width": width, "height": height, "file_name": name})
        annotations.append(
            {
                "id": number + 1,
                "image_id": number + 1,
                "category_id": 10 + number % 3,
                "bbox": box_of(number),
            }
        )
    categories = [{"id": 10 + k, "name": name} for k, name in enumerate(reversed(CLASSES))]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "labels.json").write_text(json.dumps(document))
    return folder, tmp_path / "labels.json"


@pytest.fixture
def zoo(tmp_path: Path, classes: str) -> str:
    for name in ("one", "two"):
        export(Toy(), tmp_path / f"{name}.onnx")
    files = [str(tmp_path / f"{name}.onnx") for name in ("one", "two")]
    assert (
        main(["zoo", "add", *files, "--name", "mine", "--classes", classes, "--layout", "yolov8"])
        == 0
    )
    return "mine"


def measure(zoo: str, labelled: tuple[Path, Path], *words: str) -> int:
    images, annotations = map(str, labelled)
    return main(["zoo", "measure", zoo, "--images", images, "--annotations", annotations, *words])


def test_of_a_classifier_top1_is_measured(tmp_path, classes, labelled) -> None:
    path = str(export(Classifier(), tmp_path / "what.onnx"))
    assert main(["zoo", "add", path, "--name", "what", "--classes", classes]) == 0
    assert measure("what", labelled) == 0
    opened = open_zoo("what")
    (row,) = read_variant_rows(opened.variants_path)
    assert (row.map, row.map50, row.map_small) == (1.0, 1.0, None)
    assert row.metric is Metric.TOP1
    images, _ = map(str, labelled)
    assert main(["zoo", "measure", "what", "--images", images, "--against-golden"]) == 0
    (row,) = read_variant_rows(opened.variants_path)
    assert row.map == 1.0


def test_variants_are_measured_and_say_on_what(zoo, labelled, capsys) -> None:
    assert measure(zoo, labelled) == 0
    opened = open_zoo(zoo)
    rows = read_variant_rows(opened.variants_path)
    assert [row.variant for row in rows] == ["one-64", "two-64"]
    assert all(row.num_frames == len(SIZES) for row in rows)
    assert all(0 <= row.map <= row.map50 <= 1 for row in rows)
    assert rows[0].frame_kbits > 0
    notes = read_table(opened.variants_path, COLUMNS).notes
    assert {row.metric for row in rows} == {Metric.MAP}
    assert notes["source"] == "4 pictures of pictures, labels of labels.json"
    assert notes["weights"] == opened.digest
    assert "one-64: map " in capsys.readouterr().err
    assert not (opened.folder / ".variants-measured.csv").exists()


def test_what_was_measured_before_an_interruption_stands(zoo, labelled, monkeypatch) -> None:
    real, tried = measuring.run_variant, []

    def run(zoo, variant, *rest):
        tried.append(variant.name)
        if len(tried) == 2:
            raise KeyboardInterrupt
        return real(zoo, variant, *rest)

    monkeypatch.setattr(measuring, "run_variant", run)
    assert measure(zoo, labelled) == 130
    assert not open_zoo(zoo).variants_path.exists()
    assert measure(zoo, labelled) == 0
    assert tried == ["one-64", "two-64", "two-64"]
    tried.clear()
    tried.append("")
    monkeypatch.setattr(measuring, "run_variant", run)
    assert measure(zoo, labelled, "--limit", "2") == 130  # other pictures: nothing stands
    assert tried == ["", "one-64"]


def test_agreement_with_the_golden_variant_is_called_so(zoo, labelled, capsys) -> None:
    assert main(["zoo", "measure", zoo, "--images", str(labelled[0]), "--against-golden"]) == 0
    opened = open_zoo(zoo)
    assert {one.metric for one in read_variant_rows(opened.variants_path)} == {Metric.AGREEMENT}
    golden = next(row for row in read_variant_rows(opened.variants_path) if row.variant == "two-64")
    assert golden.map > 0.9
    assert "agreement" in capsys.readouterr().err


def test_qualities_are_measured_where_that_is_asked_for(zoo, labelled) -> None:
    assert measure(zoo, labelled) == 0
    assert open_zoo(zoo).qualities == ()
    assert measure(zoo, labelled, "--qualities") == 0
    assert [one.quality for one in open_zoo(zoo).qualities] == [75, 60, 45]


def test_categories_of_no_class_are_left_out_and_noted(zoo, labelled, capsys) -> None:
    document = json.loads(labelled[1].read_text())
    document["categories"].append({"id": 99, "name": "purple"})
    document["annotations"].append(
        {"id": 9, "image_id": 1, "category_id": 99, "bbox": [0, 0, 9, 9]}
    )
    labelled[1].write_text(json.dumps(document))
    assert measure(zoo, labelled) == 0
    assert (
        "1 categories are no classes of the zoo and left out: 'purple'" in capsys.readouterr().err
    )


def broken(change: str) -> Any:
    """Labels with something wrong in them."""

    def make(document: dict[str, Any]) -> None:
        match change:
            case "image":
                document["annotations"][1]["image_id"] = 77
            case "category":
                document["annotations"][1]["category_id"] = 77
            case "box":
                document["annotations"][0]["bbox"] = [1, 2, 3]
            case "area":
                document["annotations"][0]["area"] = "large"
            case "huge":
                document["annotations"][0]["bbox"] = [1, 2, 3, 10**400]
            case "infinite":
                document["annotations"][0]["bbox"] = [1, 2, 3, float("inf")]
            case "none":
                for category in document["categories"]:
                    category["name"] = "cat"
            case "outside":
                document["images"][0]["file_name"] = "../labels.json"
            case "size":
                document["images"][0]["width"] = 64
            case "width":
                document["images"][0]["width"] = "wide"
            case "list":
                document["images"] = {"a": 1}

    return make


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("image", r"annotations[1]: image_id=77: is no image of the file"),
        ("category", r"annotations[1]: category_id=77: is no category of the file"),
        ("box", r"annotations[0]: bbox=[1, 2, 3]: must be [x, y, width, height] in pixels"),
        ("infinite", r"annotations[0]: bbox"),
        ("huge", r"annotations[0]: bbox"),
        ("area", r"annotations[0]: area='large': must be a number of pixels"),
        (
            "none",
            r"categories: none is a class of the zoo; it has 'red', 'green', 'blue', the file 'cat'",
        ),
        ("outside", r"file_name='../labels.json': must lie in the folder of images"),
        ("size", r"0.png: is 128 x 128 px, its labels are for 64 x 128"),
        ("width", r"images[0]: width='wide': must be a whole number"),
        ("list", r"images: must be a list of objects"),
    ],
)
def test_labels_that_are_wrong_are_named(zoo, labelled, change, complaint, capsys) -> None:
    document = json.loads(labelled[1].read_text())
    broken(change)(document)
    labelled[1].write_text(json.dumps(document))
    capsys.readouterr()
    assert measure(zoo, labelled) == 2
    assert complaint in capsys.readouterr().err
    assert not open_zoo(zoo).variants_path.exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--images", "nowhere", "--against-golden"], "--images nowhere: No such file"),
        (["--images", ".", "--against-golden"], "--images .: holds no picture"),
        (["--images", "pictures"], "must have either --annotations FILE or --against-golden"),
        (
            ["--images", "pictures", "--annotations", "none.json"],
            "--annotations none.json: No such file",
        ),
        (
            ["--images", "pictures", "--annotations", "cut.json"],
            "--annotations cut.json: is no JSON, or cut off",
        ),
        (["--images", "bad", "--against-golden"], "bad/0.png: is no picture that can be read"),
    ],
)
def test_what_is_asked_for_has_to_be_there(
    zoo, labelled, words, complaint, capsys, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.json").write_text('{"images": [')
    shutil.copytree("pictures", "bad")
    (tmp_path / "bad" / "0.png").write_bytes(b"no picture")
    capsys.readouterr()
    assert main(["zoo", "measure", zoo, *words]) == 2
    assert complaint in capsys.readouterr().err


def test_a_zoo_that_was_not_measured_is_not_served(zoo, capsys) -> None:
    capsys.readouterr()
    assert main(["serve", "--zoo", zoo, "--port", "0"]) == 2
    assert "zoo mine: has not been measured; `moonjelly zoo measure`" in capsys.readouterr().err


def test_a_shipped_zoo_is_measured_by_its_folder_alone(labelled, capsys) -> None:
    assert measure("traffic", labelled) == 2
    assert "comes with the program" in capsys.readouterr().err


def test_a_network_that_takes_anothers_place_has_to_be_measured(
    zoo, labelled, tmp_path, classes, capsys
) -> None:
    assert measure(zoo, labelled) == 0
    export(Everywhere(), tmp_path / "two.onnx")
    words = ["--name", zoo, "--classes", classes, "--layout", "yolov8"]
    assert main(["zoo", "add", str(tmp_path / "two.onnx"), *words]) == 0
    with pytest.raises(UsageError, match="was measured with other networks"):
        _ = open_zoo(zoo).variants
    assert measure(zoo, labelled) == 0
    assert [one.name for one in open_zoo(zoo).variants]


def test_a_folder_that_cannot_be_written_is_named(zoo, labelled, capsys, monkeypatch) -> None:
    def refuse(path, *rest):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(measuring, "write_variants", refuse)
    assert measure(zoo, labelled) == 1
    assert ".variants-measured.csv: cannot be written: Permission denied" in capsys.readouterr().err
