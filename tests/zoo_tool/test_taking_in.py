"""What is taken in has shown that it can be believed; what is not is refused in one line, and leaves nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from toy_networks import (
    CLASSES,
    SIDE_PX,
    Baked,
    Bytes,
    Classifier,
    Everywhere,
    FirstPicture,
    Moody,
    NoNumber,
    Toy,
    export,
)

from moonjelly.cli import main
from moonjelly.core.answers import Labels
from moonjelly.core.zoo import Colour, Fit, Task
from moonjelly.devices.detecting import PictureRunner
from moonjelly.vision.preprocessing import fit_picture
from moonjelly.zoos import open_zoo, write_zoo_file


def add(*words: object) -> int:
    return main(["zoo", "add", *map(str, words), "--name", "mine"])


def refused(capsys, homes: Path, *words: object, status: int = 2) -> str:
    """What is said of a network that is not taken in."""
    assert add(*words) == status
    said = capsys.readouterr().err
    assert said.startswith("moonjelly: error: ")
    assert said.count("\n") == 1
    assert not homes.exists() or list(homes.iterdir()) == []
    return said


def test_a_network_is_taken_in_and_listed_shown_checked_and_removed(
    good, classes, capsys, homes
) -> None:
    assert add(good, "--classes", classes, "--layout", "yolov8") == 0
    said = capsys.readouterr().err
    assert f"{good}: is yolov8 at 64 px" in said
    assert "zoo mine: toy-64" in said
    zoo = open_zoo("mine")
    assert zoo.zoo.class_names == CLASSES
    (network,) = zoo.zoo.networks
    assert (network.head, network.max_batch_size, network.input.fit) == (
        "yolov8",
        None,
        Fit.LETTERBOX,
    )
    assert zoo.read_weights(network) == good.read_bytes()
    for words, shown in (
        (["list"], "mine"),
        (["show", "mine"], "not measured"),
        (["check", "mine"], "toy-64: can be believed"),
        (["remove", "mine"], "removed"),
    ):
        assert main(["zoo", *words]) == 0
        out = capsys.readouterr()
        assert shown in out.out + out.err
    assert list(homes.iterdir()) == []


def test_a_second_network_goes_to_the_first(good, classes, tmp_path) -> None:
    assert add(good, "--classes", classes, "--layout", "yolov8") == 0
    other = export(Toy(), tmp_path / "other.onnx")
    assert add(other, "--classes", classes, "--layout", "yolov8") == 0
    assert [one.name for one in open_zoo("mine").zoo.networks] == ["toy", "other"]


def test_a_network_of_any_side_is_served_at_those_that_are_named(
    classes, tmp_path, capsys, homes
) -> None:
    class AnySide(Toy):
        def middles(self, side_px: int) -> torch.Tensor:
            return torch.zeros(2, 1)

    path = export(AnySide(), tmp_path / "free.onnx", any_side=True)
    said = refused(capsys, homes, path, "--classes", classes, "--layout", "yolov8")
    assert "takes any side: say which to serve, as in --sides 320,416" in said
    assert add(path, "--classes", classes, "--layout", "yolov8", "--sides", "64:128:32") == 0
    assert open_zoo("mine").zoo.networks[0].sides_px == (64, 96, 128)


def test_a_batch_of_one_is_accepted_and_said(classes, tmp_path, capsys) -> None:
    path = export(Toy(), tmp_path / "single.onnx", batch=1)
    assert add(path, "--classes", classes, "--layout", "yolov8") == 0
    assert "takes one picture at a time, and is planned so" in capsys.readouterr().err
    assert open_zoo("mine").zoo.networks[0].max_batch_size == 1


def test_objects_in_a_grey_picture_are_a_warning(classes, tmp_path, capsys) -> None:
    path = export(Everywhere(), tmp_path / "fog.onnx")
    assert add(path, "--classes", classes, "--layout", "yolov8") == 0
    assert (
        "objects in a grey picture: are colour, scale, mean and std of its input right?"
        in capsys.readouterr().err
    )


def test_what_goes_in_is_as_its_user_says(good, classes) -> None:
    wishes = ("--fit", "stretch", "--colour", "bgr", "--scale", "1")
    assert add(good, "--classes", classes, "--layout", "yolov8", *wishes) == 0
    form = open_zoo("mine").zoo.networks[0].input
    assert (form.fit, form.colour, form.scale) == (Fit.STRETCH, Colour.BGR, 1.0)


def test_data_beside_the_file_are_taken_in(good, classes, tmp_path, capsys, homes) -> None:
    model = onnx.load(good)
    apart = tmp_path / "apart"
    apart.mkdir()
    onnx.save_model(
        model, apart / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=0
    )
    assert add(apart / "big.onnx", "--classes", classes, "--layout", "yolov8") == 0
    assert main(["zoo", "check", "mine"]) == 0
    assert main(["zoo", "remove", "mine"]) == 0
    capsys.readouterr()
    (apart / "big.data").unlink()
    said = refused(capsys, homes, apart / "big.onnx", "--classes", classes, "--layout", "yolov8")
    assert "its data big.data must lie beside it: No such file" in said
    model = onnx.load(good)  # saving it has taken its data away
    onnx.save_model(
        model, apart / "out.onnx", save_as_external_data=True, location="out.data", size_threshold=0
    )
    content = (apart / "out.onnx").read_bytes().replace(b"out.data", b"../t.dat")
    (apart / "out.onnx").write_bytes(content)
    (tmp_path / "t.dat").write_bytes(b"0" * 10_000)
    said = refused(capsys, homes, apart / "out.onnx", "--classes", classes, "--layout", "yolov8")
    assert "its data ../t.dat must lie in its own folder" in said


@pytest.mark.parametrize(
    ("network", "complaint"),
    [
        (
            Baked(),
            "cannot run 3 pictures at once, though it says so: export it again with a dynamic batch",
        ),
        (
            FirstPicture(),
            "picture 2 of a batch of 3 gets another answer than alone: export it again",
        ),
        (NoNumber(), "are no numbers for a picture of 64 x 64: export it again, in float32"),
        (Moody(), "says something else of the same picture the second time"),
    ],
)
def test_a_network_that_does_not_pass_the_gate_is_refused(
    network, complaint, classes, tmp_path, capsys, homes
) -> None:
    path = export(network, tmp_path / "odd.onnx")
    said = refused(capsys, homes, path, "--classes", classes, "--layout", "yolov8")
    assert f"{path}: " in said
    assert complaint in said


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is no ONNX file, or was cut off"),
        (b"rubbish", "is no ONNX file, or was cut off"),
        (b"PK\x03\x04rest", "is a PyTorch file, which is code and is not run here: export it"),
        (b"\x80\x02rest", "is a PyTorch file"),
    ],
)
def test_what_is_no_onnx_is_refused(content, complaint, tmp_path, capsys, homes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    assert complaint in refused(capsys, homes, tmp_path / "net.onnx")


def test_a_file_that_was_cut_off_or_is_not_there_is_refused(
    good, classes, tmp_path, capsys, homes
) -> None:
    content = good.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    assert "is no ONNX file, or was cut off" in refused(capsys, homes, tmp_path / "cut.onnx")
    assert "cannot be read: No such file" in refused(capsys, homes, tmp_path / "none.onnx")


def test_what_goes_in_has_to_be_pictures(classes, tmp_path, capsys, homes) -> None:
    numbers = torch.zeros(1, 3, SIDE_PX, SIDE_PX, dtype=torch.int64)
    path = export(Bytes(), tmp_path / "int64.onnx", picture=numbers)
    said = refused(capsys, homes, path, "--classes", classes, "--layout", "yolov8")
    assert "input images is int64: must be float32, float16 or uint8" in said


def test_an_opset_that_is_too_new_is_refused(good, classes, tmp_path, capsys, homes) -> None:
    model = onnx.load(good)
    model.opset_import[0].version = 99
    onnx.save(model, tmp_path / "new.onnx")
    said = refused(capsys, homes, tmp_path / "new.onnx", "--classes", classes)
    assert "ONNX Runtime cannot load it" in said
    assert "export it again, for instance with opset 17" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--layout", "yolov8"], "does not say the names of its 3 classes: give --classes FILE"),
        (["--layout", "yolov8", "--classes", "coco"], "has 3 classes, --classes names 80"),
        (["--layout", "yolov8", "--classes", "nowhere.txt"], "nowhere.txt: cannot be read"),
        (
            ["--classes", "coco"],
            "may be yolov8 or yolov9-mit or yolov9-mit-e2e: say which with --layout",
        ),
        (["--layout", "yolov9000"], "--layout='yolov9000': must be one of"),
        (["--layout", "yolov8", "--sides", "96"], "takes side 64 alone: leave --sides out"),
    ],
)
def test_a_doubt_is_named(words, complaint, good, capsys, homes, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    assert complaint in refused(capsys, homes, good, *words)


def test_a_scale_has_to_be_positive(good, classes, capsys, homes) -> None:
    words = ("--layout", "yolov8", "--classes", classes, "--scale", "0")
    assert "--scale=0.0: must be" in refused(capsys, homes, good, *words)


@pytest.mark.parametrize("text", ["", "0", "320:64:32", "64:128:0", "a", "9999", "1:4096:1"])
def test_sides_that_are_none_are_refused(text, good, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        add(good, "--sides", text)
    assert ended.value.code == 2
    assert "--sides" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("traffic", "zoo=traffic: comes with the program"),
        ("a b", "zoo='a b': must be"),
        ("../..", "must be a folder"),
    ],
)
def test_a_zoo_needs_a_name_of_its_own(
    name, complaint, good, capsys, tmp_path, monkeypatch
) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    monkeypatch.chdir("/")
    assert main(["zoo", "add", str(good), "--name", name]) == 2
    assert complaint in capsys.readouterr().err


def test_a_folder_that_is_no_zoo_stays_as_it_is(good, classes, tmp_path, capsys) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "dear.jpg").write_bytes(b"me")
    for words in (["add", str(good), "--name"], ["remove"]):
        assert main(["zoo", *words, f"{tmp_path}/photos"]) == 2
        assert "is there, and no zoo" in capsys.readouterr().err
    assert (tmp_path / "photos" / "dear.jpg").exists()


def test_a_place_that_cannot_be_written_is_named(good, classes, capsys) -> None:
    words = [
        "zoo",
        "add",
        str(good),
        "--name",
        "/proc/mine",
        "--classes",
        classes,
        "--layout",
        "yolov8",
    ]
    assert main(words) == 1
    assert "/proc/mine: cannot be written" in capsys.readouterr().err


def test_networks_of_one_zoo_have_the_same_classes_and_fit(good, classes, tmp_path, capsys) -> None:
    assert add(good, "--classes", classes, "--layout", "yolov8") == 0
    other = export(Toy(), tmp_path / "other.onnx")
    (tmp_path / "more.txt").write_text("a\nb\nc\n")
    capsys.readouterr()
    assert add(other, "--classes", tmp_path / "more.txt", "--layout", "yolov8") == 2
    assert "has other classes than zoo mine" in capsys.readouterr().err
    assert add(other, "--classes", classes, "--layout", "yolov8", "--fit", "stretch") == 2
    assert "fit must be the same for all" in capsys.readouterr().err
    assert [one.name for one in open_zoo("mine").zoo.networks] == ["toy"]


def test_a_file_that_was_changed_later_is_refused_wherever_it_is_used(
    good, classes, capsys, homes
) -> None:
    assert add(good, "--classes", classes, "--layout", "yolov8") == 0
    (homes / "mine" / "toy.onnx").write_bytes(good.read_bytes() + b" ")
    capsys.readouterr()
    assert main(["zoo", "check", "mine"]) == 1
    assert "toy.onnx: has changed since it was taken into the zoo" in capsys.readouterr().err


def test_a_classifier_is_taken_in_and_names_what_it_sees(tmp_path, classes) -> None:
    path = export(Classifier(), tmp_path / "what.onnx")
    assert add(path, "--classes", classes) == 0
    zoo = open_zoo("mine")
    assert zoo.zoo.task is Task.CLASSIFICATION
    look = PictureRunner(zoo, "what-64")
    for number, name in enumerate(zoo.zoo.class_names):
        picture = np.zeros((40, 70, 3), np.uint8)
        picture[:, :, 2 - number] = 255  # blue, green, red
        answer = look(fit_picture(picture, look.side_px, look.fit))
        assert isinstance(answer, Labels)
        assert zoo.zoo.class_names[answer.class_ids[0]] == name


def test_a_golden_variant_stays_when_a_network_is_added(good, classes, tmp_path) -> None:
    assert add(good, "--classes", classes, "--layout", "yolov8") == 0
    zoo = open_zoo("mine")
    write_zoo_file(zoo.folder, replace(zoo.zoo, golden="toy-64"))
    other = export(Toy(), tmp_path / "zebra.onnx")
    assert add(other, "--classes", classes, "--layout", "yolov8") == 0
    assert open_zoo("mine").zoo.golden_variant.name == "toy-64"


def test_names_of_classes_have_to_be_printable(good, tmp_path, capsys, homes) -> None:
    (tmp_path / "odd.txt").write_text("red\na\x1b[31m\nblue\n")
    said = refused(capsys, homes, good, "--classes", tmp_path / "odd.txt", "--layout", "yolov8")
    assert "class_names=" in said
    assert "printable characters" in said
