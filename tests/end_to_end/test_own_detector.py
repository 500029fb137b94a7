"""A detector of one's own is taken in, measured and served; boxes are fractions of the picture, whatever its shape."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from darknet_networks import make_darknet

from moonjelly import client as sdk
from moonjelly.cli import main
from moonjelly.client.sources import ArraySource
from moonjelly.devices.detecting import PictureRunner
from moonjelly.server.running_server import RunningServer
from moonjelly.training.export import export_onnx
from moonjelly.training.test_pictures import draw_test_pictures
from moonjelly.vision.accuracy import evaluate_detections
from moonjelly.vision.fits import Image
from moonjelly.vision.picture_files import pictures_in, read_picture
from moonjelly.vision.postprocessing import box_ious
from moonjelly.vision.preprocessing import fit_picture
from moonjelly.zoo_tool.labels import read_annotations
from moonjelly.zoo_tool.measuring import run_variant
from moonjelly.zoos import open_zoo, read_variant_rows

pytestmark = pytest.mark.slow
SIDES_PX = (160, 256)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """An exported network, the names of its classes, and labelled pictures."""
    home: Path = tmp_path_factory.mktemp("home")
    shipped = open_zoo("traffic")
    export_onnx(shipped, shipped.zoo.networks[0], home / "street.onnx")
    (home / "classes.txt").write_text("\n".join(shipped.zoo.class_names))
    draw_test_pictures(home, 6, 2)
    return home


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make_zoo(home: Path, *words: str) -> None:
    sides = ",".join(map(str, SIDES_PX))
    names = str(home / "classes.txt")
    add = [
        "add",
        str(home / "street.onnx"),
        "--name",
        "street",
        "--classes",
        names,
        "--sides",
        sides,
    ]
    labels = ["--images", str(home / "images"), "--annotations", str(home / "annotations.json")]
    for command in ([*add, *words], ["measure", "street", *labels]):
        assert main(["zoo", *command]) == 0


def test_an_exported_network_is_as_accurate_as_the_shipped_one(home: Path) -> None:
    make_zoo(home)
    shipped = open_zoo("traffic")
    names = shipped.zoo.class_names
    pictures, _ = read_annotations(home / "annotations.json", home / "images", names)
    truth = [one.truth for one in pictures]
    for row in read_variant_rows(open_zoo("street").variants_path):
        variant = shipped.network_variant(f"traffic-n-{row.input_side_px}")
        found, _ = run_variant(shipped, variant, pictures, 90, lambda _: None)
        expected = evaluate_detections(truth, found, names).map
        assert expected > 0.2
        assert row.map == pytest.approx(expected, abs=0.003)


def test_boxes_are_fractions_of_the_picture_whatever_its_shape(home: Path, tmp_path: Path) -> None:
    make_zoo(home, "--fit", "letterbox")
    scenes = [read_picture(path) for path in pictures_in(home / "images")]
    shapes = ((400, 1280), (720, 500), (331, 701), (720, 1280))  # wide, tall, odd, as drawn
    images = [
        np.ascontiguousarray(scene[-height:, :width])
        for scene, (height, width) in zip(scenes, shapes * 3, strict=True)
    ]
    answers = asyncio.run(serve_and_ask(images, tmp_path, "street", f"street-{SIDES_PX[-1]}"))
    assert sum(answer.is_in_time for answer in answers) >= 0.8 * len(answers)
    detect = PictureRunner(open_zoo("street"), f"street-{SIDES_PX[-1]}")
    seen = asked = 0
    for answer in answers:
        if answer.detections is None or answer.record.side_px != detect.side_px:
            continue
        fitted = fit_picture(images[answer.sequence], detect.side_px, detect.fit)
        alone = detect(fitted)
        sure = alone.boxes[alone.scores >= 0.6]
        near = box_ious(sure, answer.detections.boxes).max(axis=1, initial=0)
        seen, asked = seen + int((near >= 0.7).sum()), asked + len(sure)
    assert asked >= 8
    assert seen >= 0.85 * asked


def test_a_network_of_darknets_is_served(home: Path, tmp_path: Path) -> None:
    cfg, weights, _ = make_darknet(tmp_path, classes=4)
    names = str(home / "classes.txt")
    add = ["add", str(cfg), str(weights), "--sides", "96:160:32", "--classes", names]
    measure = ["measure", "yolov4-tiny", "--images", str(home / "images"), "--against-golden"]
    for command in (add, measure):
        assert main(["zoo", *command]) == 0
    scenes = [read_picture(path) for path in pictures_in(home / "images")]
    variant = "yolov4-tiny-160"
    answers = asyncio.run(serve_and_ask(scenes, tmp_path, "yolov4-tiny", variant))
    assert sum(answer.is_in_time for answer in answers) >= 0.8 * len(answers)
    detect = PictureRunner(open_zoo("yolov4-tiny"), variant)
    compared = 0
    for answer in answers:
        if answer.detections is not None and answer.record.side_px == detect.side_px:
            alone = detect(fit_picture(scenes[answer.sequence], detect.side_px, detect.fit))
            assert answer.detections.scores[0] == pytest.approx(alone.scores[0], abs=0.05)
            compared += 1
    assert compared > 0


async def serve_and_ask(
    images: list[Image], folder: Path, zoo: str, variant: str
) -> list[sdk.Answer]:
    options = ["--zoo", zoo, "--variants", variant]
    with RunningServer(options, log_path=folder / "server.log") as server:
        async with sdk.connect(server.address) as client:
            stream = client.stream(ArraySource(images), fps=4, slo_ms=2000, num_frames=len(images))
            async with stream:
                answers = [answer async for answer in stream]
            assert stream.class_names == open_zoo(zoo).zoo.class_names
    return answers
