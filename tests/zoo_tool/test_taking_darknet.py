"""A network of Darknet's becomes a zoo that is measured, profiled and served as any other; what does not fit is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from darknet_networks import make_darknet
from toy_networks import CLASSES

from moonjelly.cli import main
from moonjelly.core.zoo import Fit, Runtime
from moonjelly.devices.detecting import PictureRunner
from moonjelly.devices.executors.torch_session import load_network
from moonjelly.vision.classes import COCO_CLASSES
from moonjelly.vision.preprocessing import fit_picture
from moonjelly.vision.scenes import Scene
from moonjelly.zoos import OpenedZoo, WeightsError, open_zoo, write_zoo_file


def add(*words: object) -> int:
    return main(["zoo", "add", *map(str, words)])


def refused(capsys, homes: Path, *words: object) -> str:
    assert add(*words) == 2
    said = capsys.readouterr().err
    assert said.startswith("moonjelly: error: ")
    assert said.count("\n") == 1
    assert not homes.exists() or list(homes.iterdir()) == []
    return said


def test_one_file_of_weights_serves_every_side(tmp_path, classes, capsys, homes) -> None:
    cfg, weights, reference = make_darknet(tmp_path)
    assert add(cfg, weights, "--sides", "64:128:32", "--classes", classes) == 0
    said = capsys.readouterr().err
    assert f"{cfg}: is a Darknet network at 64, 96, 128 px" in said
    zoo = open_zoo("yolov4-tiny")
    (network,) = zoo.zoo.networks
    assert (network.runtime, network.head, network.input.fit) == (
        Runtime.TORCH,
        "darknet",
        Fit.STRETCH,
    )
    assert network.sides_px == (64, 96, 128)
    assert sorted(one.name for one in (homes / "yolov4-tiny").iterdir()) == [
        "yolov4-tiny.safetensors",
        "zoo.yaml",
    ]
    assert load_network(zoo, network) is load_network(zoo, network)
    image = Scene(3, "val").frame(40).image
    look = PictureRunner(zoo, "yolov4-tiny-96")
    fitted = fit_picture(image, 96, Fit.STRETCH)
    _, scores = reference(torch.from_numpy(fitted.picture.copy()).permute(2, 0, 1)[None] / 255)
    answer = look(fitted)
    assert answer.scores[0] == pytest.approx(scores.max().item(), abs=1e-4)
    assert main(["zoo", "check", "yolov4-tiny"]) == 0
    assert "yolov4-tiny-128: can be believed" in capsys.readouterr().err


def test_it_is_measured_and_profiled(tmp_path, classes, capsys) -> None:
    cfg, weights, _ = make_darknet(tmp_path)
    assert add(cfg, weights, "--sides", "64,96", "--classes", classes, "--name", "mine") == 0
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), Scene(number, "val", 320, 180).frame(9).image)
    images = [{"id": k, "width": 320, "height": 180, "file_name": f"{k}.png"} for k in range(3)]
    boxes = [{"id": k, "image_id": k, "category_id": 1, "bbox": [10, 10, 90, 60]} for k in range(3)]
    categories = [{"id": 1 + k, "name": name} for k, name in enumerate(CLASSES)]
    labels = tmp_path / "labels.json"
    labels.write_text(
        json.dumps({"images": images, "annotations": boxes, "categories": categories})
    )
    words = ["--images", str(folder), "--annotations", str(labels)]
    assert main(["zoo", "measure", "mine", *words]) == 0
    assert len(open_zoo("mine").variants) == 2
    assert main(["zoo", "measure", "mine", "--images", str(folder), "--against-golden"]) == 0
    (golden,) = (one for one in open_zoo("mine").variants if one.name == "yolov4-tiny-96")
    assert golden.accuracy > 0.3
    assert main(["profile", "--zoo", "mine", "--device", "cpu:0", "--quick"]) == 0
    capsys.readouterr()
    assert main(["zoo", "quantise", "mine", "--images", str(folder)]) == 2
    assert "has no float ONNX network to quantise" in capsys.readouterr().err


def test_a_state_dict_is_taken_as_the_weights(tmp_path, classes, capsys) -> None:
    cfg, weights, reference = make_darknet(tmp_path)
    assert add(cfg, weights, "--classes", classes, "--sides", "64", "--name", "one") == 0
    torch.save(reference.state(), tmp_path / "net.pth")
    assert (
        add(cfg, tmp_path / "net.pth", "--classes", classes, "--sides", "64", "--name", "two") == 0
    )
    one, two = (open_zoo(name).zoo.networks[0] for name in ("one", "two"))
    assert one.sha256 == two.sha256


def test_without_sides_the_cfg_names_one_and_a_letterbox_cfg_makes_a_letterbox_zoo(
    tmp_path, classes
) -> None:
    cfg, weights, _ = make_darknet(tmp_path, "yolov4-csp", 32, side_px=64)
    assert add(cfg, weights, "--classes", classes) == 0
    (network,) = open_zoo("yolov4-csp").zoo.networks
    assert (network.sides_px, network.input.fit) == ((64,), Fit.LETTERBOX)
    assert add(cfg, weights, "--classes", classes, "--fit", "stretch", "--name", "flat") == 0
    assert open_zoo("flat").zoo.fit is Fit.STRETCH


def test_eighty_classes_are_cocos_where_nobody_says_otherwise(tmp_path, capsys) -> None:
    cfg, weights, _ = make_darknet(tmp_path, classes=80)
    assert add(cfg, weights, "--sides", "64") == 0
    assert (
        "its 80 classes are taken for COCO's; --classes FILE names others"
        in capsys.readouterr().err
    )
    assert open_zoo("yolov4-tiny").zoo.class_names == COCO_CLASSES


def test_a_file_that_is_called_as_a_shipped_zoo_makes_one_of_your_own(
    tmp_path, classes, capsys, homes
) -> None:
    cfg, weights, _ = make_darknet(tmp_path, "yolov4", 32)
    assert add(cfg, weights, "--sides", "64", "--classes", classes) == 0
    assert "zoo yolov4-own: yolov4-64\n" in capsys.readouterr().err
    assert (homes / "yolov4-own" / "zoo.yaml").exists()
    assert add(cfg, weights, "--sides", "64", "--classes", classes, "--name", "yolov4") == 2


def test_a_cfg_and_an_onnx_file_make_one_zoo(tmp_path, classes, good, capsys) -> None:
    cfg, weights, _ = make_darknet(tmp_path)
    words = ("--classes", classes, "--fit", "stretch", "--layout", "yolov8", "--name", "mine")
    assert add(cfg, weights, good, *words, "--sides", "64") == 0
    assert [one.name for one in open_zoo("mine").zoo.networks] == ["yolov4-tiny", "toy"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["{cfg}"], "needs its weights behind it, as in yolov4-tiny.cfg yolov4-tiny.weights"),
        (["{weights}"], "needs its cfg before it, as in yolov4-tiny.cfg yolov4-tiny.weights"),
        (
            ["{cfg}", "nowhere.weights", "--classes", "{classes}"],
            "nowhere.weights: cannot be read: No such file",
        ),
        (["nowhere.cfg", "{weights}"], "nowhere.cfg: cannot be read: No such file"),
        (["{cfg}", "{weights}"], "has 3 classes and no names: give them with --classes FILE"),
        (["{cfg}", "{weights}", "--classes", "coco"], "has 3 classes and 80 names"),
        (["{cfg}", "{weights}", "--sides", "100"], "--sides: 100: must be multiples of 32"),
        (["{cfg}", "{weights}", "--colour", "bgr"], "takes RGB / 255 and runs in torch"),
        (["{cfg}", "{weights}", "--runtime", "auto"], "takes RGB / 255 and runs in torch"),
    ],
)
def test_what_does_not_fit_is_refused(
    words, complaint, tmp_path, classes, capsys, homes, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg, weights, _ = make_darknet(tmp_path)
    assert complaint in refused(
        capsys, homes, *(one.format(cfg=cfg, weights=weights, classes=classes) for one in words)
    )


def test_a_cfg_that_is_no_square_needs_sides(tmp_path, classes, capsys, homes) -> None:
    cfg, weights, _ = make_darknet(tmp_path)
    cfg.write_text(cfg.read_text().replace("height=416", "height=256"))
    said = refused(capsys, homes, cfg, weights, "--classes", classes)
    assert "is 416 x 256: say which squares to serve, as in --sides 320,416" in said


def test_a_zoo_file_that_was_changed_by_hand_is_found_out(tmp_path, classes, capsys) -> None:
    cfg, weights, _ = make_darknet(tmp_path)
    assert add(cfg, weights, "--classes", classes, "--sides", "64", "--name", "mine") == 0
    zoo = open_zoo("mine")
    fewer = OpenedZoo(zoo.folder, replace(zoo.zoo, class_names=("a", "b")))
    with pytest.raises(WeightsError, match="has 3 classes, its zoo names 2"):
        load_network(fewer, zoo.zoo.networks[0])
    other = replace(zoo.zoo.networks[0], sides_px=(100,))
    write_zoo_file(zoo.folder, replace(zoo.zoo, networks=(other,)))
    assert main(["zoo", "check", "mine"]) == 1
    assert (
        "yolov4-tiny-100: side_px is 100: it must be a positive multiple" in capsys.readouterr().err
    )
