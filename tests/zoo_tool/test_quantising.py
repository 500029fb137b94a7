"""Int8 networks are made of a zoo's own, stay near what they come from, and have passed the gate."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from moonjelly.cli import main
from moonjelly.devices.detecting import PictureRunner
from moonjelly.training.export import export_onnx
from moonjelly.training.test_pictures import draw_test_pictures
from moonjelly.vision.picture_files import pictures_in, read_picture
from moonjelly.vision.postprocessing import box_ious
from moonjelly.vision.preprocessing import fit_picture
from moonjelly.zoo_tool.quantising import last_nodes
from moonjelly.zoos import open_zoo


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A zoo of an exported network, and a folder of pictures."""
    shipped = open_zoo("traffic")
    export_onnx(shipped, shipped.zoo.networks[0], tmp_path / "street.onnx")
    (tmp_path / "classes.txt").write_text("\n".join(shipped.zoo.class_names))
    words = ["zoo", "add", str(tmp_path / "street.onnx"), "--name", "mine", "--sides", "192"]
    assert main([*words, "--classes", str(tmp_path / "classes.txt")]) == 0
    draw_test_pictures(tmp_path, 4, 1, "train")
    return tmp_path / "images"


def test_an_int8_network_is_a_network_of_the_zoo(own: Path, capsys) -> None:
    assert main(["zoo", "quantise", "mine", "--images", str(own)]) == 0
    assert "street-int8-192: can be believed" in capsys.readouterr().err
    zoo = open_zoo("mine")
    assert [one.name for one in zoo.zoo.networks] == ["street", "street-int8"]
    whole, small = (len(zoo.read_weights(one)) for one in zoo.zoo.networks)
    assert small < 0.4 * whole
    exact, rough = PictureRunner(zoo, "street-192"), PictureRunner(zoo, "street-int8-192")
    seen = asked = 0
    for path in pictures_in(own):
        fitted = fit_picture(read_picture(path), 192, zoo.zoo.fit)
        expected, found = exact(fitted), rough(fitted)
        sure = expected.boxes[expected.scores >= 0.6]
        asked += len(sure)
        seen += int((box_ious(sure, found.boxes).max(axis=1, initial=0) >= 0.8).sum())
    assert asked >= 4
    assert seen >= 0.9 * asked


def test_what_comes_last_stays_in_floats(own: Path) -> None:
    model = onnx.load_model_from_string(
        open_zoo("mine").read_weights(open_zoo("mine").zoo.networks[0])
    )
    names = set(last_nodes(model))
    last = {node.name: node for node in model.graph.node if node.name in names}
    heavy = [node for node in last.values() if node.op_type == "Conv"]
    assert len(heavy) == 6  # boxes and scores at three strides
    rest = [node.op_type for node in model.graph.node if node.name not in names]
    assert rest.count("Conv") >= 20


def test_a_shipped_zoo_is_not_changed(own: Path, capsys) -> None:
    assert main(["zoo", "quantise", "traffic", "--images", str(own)]) == 2
    assert "comes with the program" in capsys.readouterr().err
