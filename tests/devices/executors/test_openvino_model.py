"""OpenVINO says what ONNX Runtime says, of any batch, and connects to nobody."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_networks import Toy, export

from moonjelly.core.errors import RunError
from moonjelly.core.zoo import Network, Runtime, Task, Zoo
from moonjelly.devices.executors import onnx_session as sessions
from moonjelly.devices.executors.onnx_session import load_openvino, load_with, onnx_session
from moonjelly.devices.executors.session import Session
from moonjelly.training.export import export_onnx
from moonjelly.vision.postprocessing import box_ious
from moonjelly.vision.preprocessing import fit_picture
from moonjelly.vision.scenes import Scene
from moonjelly.zoos import OpenedZoo, open_zoo, write_zoo_file

WATCHED = """
import sys
def watch(event, arguments):
    if event.startswith("socket."):
            print(event, arguments)
sys.addaudithook(watch)
import numpy as np
from moonjelly.devices.executors.onnx_session import load_openvino
with open(sys.argv[1], "rb") as file:
    model = load_openvino(file.read(), 64)
model.run({"images": np.zeros((1, 3, 64, 64), np.float32)})
"""


@pytest.fixture(scope="module")
def floats(tmp_path_factory) -> OpenedZoo:
    """The smaller shipped network in float32, as ONNX."""
    folder, shipped = tmp_path_factory.mktemp("floats"), open_zoo("traffic")
    network = shipped.zoo.networks[0]
    path = folder / "small.onnx"
    export_onnx(shipped, network, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    small = Network("small", (160, 256), path.name, digest, head="cells")
    write_zoo_file(folder, Zoo(folder.name, Task.DETECTION, shipped.zoo.class_names, (small,)))
    return open_zoo(f"{folder}/")


def answers_of(session: Session, number: int):
    batch = session.places(number)
    for k, place in enumerate(batch):
        image = Scene(k, "val").frame(40).image
        session.write(fit_picture(image, session.side_px).picture, place)
    return session.answers(session.infer(batch))


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("side_px", [160, 256])
def test_it_says_what_onnx_runtime_says(floats: OpenedZoo, number: int, side_px: int) -> None:
    (one,) = (one for one in floats.zoo.variants if one.side_px == side_px)
    other = replace(one, network=replace(one.network, runtime=Runtime.OPENVINO))
    expected = answers_of(onnx_session(floats, one), number)
    found = answers_of(onnx_session(floats, other), number)
    assert sum(map(len, expected)) > number
    for a, b in zip(expected, found, strict=True):
        sure = a.scores >= 0.3
        ious = box_ious(a.boxes[sure], b.boxes)
        near = (ious >= 0.99) & (np.abs(a.scores[sure][:, None] - b.scores) <= 0.01)
        assert near.any(axis=1).all()


def test_an_int8_network_finds_the_same_objects() -> None:
    """Where rounding falls otherwise, scores move by some hundredths."""
    zoo = open_zoo("traffic-int8")
    one = zoo.network_variant("traffic-n-int8-288")
    other = replace(one, network=replace(one.network, runtime=Runtime.OPENVINO))
    expected = answers_of(onnx_session(zoo, one), 3)
    found = answers_of(onnx_session(zoo, other), 3)
    sure = seen = 0
    for a, b in zip(expected, found, strict=True):
        boxes = a.boxes[a.scores >= 0.5]
        sure += len(boxes)
        seen += int((box_ious(boxes, b.boxes).max(axis=1, initial=0) >= 0.8).sum())
    assert sure >= 5
    assert seen >= 0.9 * sure


def test_a_network_that_takes_one_picture_at_a_time_runs(tmp_path: Path) -> None:
    content = export(Toy(), tmp_path / "one.onnx", batch=1).read_bytes()
    model = load_openvino(content, 64)
    (name,) = model.inputs
    feeds = {name: np.random.default_rng(0).random((1, 3, 64, 64), np.float32)}
    expected = load_with(Runtime.ONNX, content, 64).run(feeds)
    found = model.run(feeds)
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, atol=1e-3)


@pytest.mark.parametrize(
    ("gpu", "content", "complaint"),
    [(0, b"", "does not run on CUDA devices"), (None, b"no network", "OpenVINO cannot load it: .")],
)
def test_what_it_cannot_do_is_told_in_one_line(gpu, content, complaint) -> None:
    with pytest.raises(RunError, match=complaint) as caught:
        load_with(Runtime.OPENVINO, content, 64, gpu=gpu)
    assert "\n" not in str(caught.value)


def test_who_has_not_installed_it_is_told_how(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, f"{sessions.__package__}.openvino_model", None)
    with pytest.raises(RunError, match="pip install"):
        load_openvino(b"", 64)


def test_it_keeps_nothing_and_opens_no_connection(tmp_path: Path) -> None:
    path = export(Toy(), tmp_path / "toy.onnx")
    home = tmp_path / "home"
    home.mkdir()
    said = subprocess.run(
        [sys.executable, "-c", WATCHED, str(path)],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout == ""
    assert [one for one in home.rglob("*") if one.is_file()] == []
