"""A zoo that classifies is served: its labels are as often right as its table says, and as each stream wants them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from moonjelly import client as sdk
from moonjelly.cli import main
from moonjelly.client.sources import ArraySource
from moonjelly.core.records import FrameRecord
from moonjelly.core.zoo import Task
from moonjelly.files.csv_log import read_records
from moonjelly.reporting.accuracy import read_answers, score_streams
from moonjelly.server.running_server import RunningServer
from moonjelly.training.test_pictures import draw_crops
from moonjelly.vision.accuracy import LabelAccuracy
from moonjelly.zoo_tool.labels import LabelledPicture, read_annotations, read_labelled
from moonjelly.zoos import open_zoo

pytestmark = pytest.mark.slow
VARIANT = "vehicles-m-64"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Vehicles of scenes that no network has learnt from."""
    home: Path = tmp_path_factory.mktemp("vehicles")
    draw_crops(home, 14, 8, "test")
    return home


@pytest.fixture(scope="module")
def pictures(home: Path) -> list[LabelledPicture]:
    names = open_zoo("vehicles").zoo.class_names
    return read_annotations(home / "annotations.json", home / "images", names)[0]


@pytest.fixture(scope="module")
def server(home: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        options = ["--zoo", "vehicles", "--variants", VARIANT]
        with RunningServer(options, log_path=home / "server.log") as server:
            yield server


def test_labels_are_as_often_right_as_the_table_says(
    server: RunningServer, home: Path, pictures: list[LabelledPicture], tmp_path: Path
) -> None:
    assert len(pictures) > 200
    words = [
        "--source",
        str(home / "images"),
        "--fps",
        "20",
        "--slo-ms",
        "2000",
        "--zoo",
        "vehicles",
    ]
    out = ["--out", str(tmp_path), "--seconds", str(len(pictures) / 20), "--video"]
    assert main(["client", "--server", server.address, *words, *out]) == 0
    frames = read_records(tmp_path / "frames.csv", FrameRecord)
    answers = read_answers(tmp_path / "answers.jsonl")
    # A folder gives its pictures by name.
    truth_of = {one.path.name: one.truth for one in pictures}
    names = sorted(truth_of)
    truth = {("camera-0", one.sequence): truth_of[names[one.sequence]] for one in frames}
    found = score_streams(frames, truth, answers, ())["camera-0"]
    assert isinstance(found, LabelAccuracy)
    assert found.num_frames > 0.9 * len(pictures)
    (variant,) = (one for one in open_zoo("vehicles").variants if one.name == VARIANT)
    assert found.top1 == pytest.approx(variant.accuracy, abs=0.04)
    assert {one.num_detections for one in frames} == {None}
    assert (tmp_path / "camera-0.mp4").stat().st_size > 1000
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["total"]["variants"] == {VARIANT: len(answers)}


def test_a_stream_gets_the_labels_that_it_wants(
    server: RunningServer, pictures: list[LabelledPicture]
) -> None:
    images = [read_labelled(one) for one in pictures[:10]]

    async def ask(**wishes: object) -> list[sdk.Answer]:
        async with sdk.connect(server.address) as client:
            source = ArraySource(images, len(images))
            async with client.stream(source, fps=10, slo_ms=2000, **wishes) as stream:
                assert stream.task is Task.CLASSIFICATION
                return [answer async for answer in stream]

    for answer in asyncio.run(ask()):
        assert answer.detections is None
        assert answer.labels is not None
        assert sorted(answer.labels.class_ids) == [0, 1, 2, 3]
        assert answer.labels.scores.sum() == pytest.approx(1, abs=0.01)
    for answer in asyncio.run(ask(classes=("bus", "truck"), max_boxes=1)):
        assert answer.labels is not None
        assert len(answer.labels) == 1
        assert answer.labels.class_ids[0] in (1, 2)
    for answer in asyncio.run(ask(min_score=0.5)):
        assert answer.labels is not None
        assert (answer.labels.scores >= 0.5).all()
    with pytest.raises(sdk.StreamFailed, match=r"options\.classes='tank': must be of car, bus"):
        asyncio.run(ask(classes=("tank",)))
