"""Devices that run no network answer with what one finds in the very frames that they were sent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from moonjelly.cli import main
from moonjelly.core.answers import Detections
from moonjelly.core.errors import UsageError
from moonjelly.core.records import FrameRecord
from moonjelly.core.variant import Variant
from moonjelly.core.verdict import Verdict
from moonjelly.devices import remembered
from moonjelly.devices.detecting import PictureRunner
from moonjelly.experiment_manager.experiment_file import read_experiment
from moonjelly.experiment_manager.outcome import read_outcome
from moonjelly.experiment_manager.seeing import answering_variant, find_answers
from moonjelly.experiment_manager.simulated import run_simulated
from moonjelly.live_run.videos import VideoCamera, open_video
from moonjelly.reporting.run_folder import RunInfo, StreamInfo, read_run_info
from moonjelly.reporting.run_logs import RunLogs
from moonjelly.reporting.summary import read_summary
from moonjelly.vision.preprocessing import decode_frame, encode_frame
from moonjelly.zoos import open_zoo

FILE = """\
seconds: 2
detections_zoo: traffic
server: {zoo: replayed-gpu, devices: [replayed:gpu], variants: [yolov4-160, yolov4-256]}
matrix: {clients: [2], slo_ms: [200], fps: [5], trace: [lte_like]}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("side_px", "name"), [(32, "a-128"), (128, "a-128"), (160, "a-128"), (170, "b-192"), (999, "b-192")]
)  # fmt: skip
def test_the_best_variant_of_the_nearest_side_answers(side_px: int, name: str) -> None:
    variants = [
        Variant("a-128", 128, 0.3, 80.0),
        Variant("a-192", 192, 0.5, 90.0),
        Variant("b-192", 192, 0.6, 90.0),
    ]
    assert answering_variant(variants, side_px).name == name


def row(sequence: int, verdict: Verdict, side_px: int, quality: int) -> FrameRecord:
    return FrameRecord(
        "gate", sequence, 100.0 * sequence, verdict, side_px=side_px, jpeg_quality=quality,
        variant="" if verdict is Verdict.DROPPED else "yolov4-256",
    )  # fmt: skip


def test_an_answer_is_what_the_variant_finds_in_the_frame_as_it_was_sent() -> None:
    video = open_video("scene:3")
    camera = VideoCamera(video, 12.5, 0.4)  # every other picture, from number 10 on
    rows = (
        row(0, Verdict.IN_TIME, 256, 90),
        row(1, Verdict.LATE, 160, 30),
        row(2, Verdict.DROPPED, 256, 90),
        row(3, Verdict.IN_TIME, 256, 90),
    )
    streams = (StreamInfo("gate", 10.0, 300.0, len(rows)),)
    logs = RunLogs(RunInfo("experiment", 1.0, streams), {"gate": rows}, {})
    traffic = open_zoo("traffic")
    answers = find_answers(
        logs, {"gate": camera}, open_zoo("replayed-gpu"), traffic, lambda *_: None
    )
    assert [key[1] for key in answers] == [0, 1, 3]
    look = PictureRunner(traffic, "traffic-n-256")
    for sequence, side_px, quality in ((0, 256, 90), (1, 160, 30), (3, 256, 90)):
        sent = encode_frame(video.picture(10 + 2 * sequence), side_px, quality)
        expected, found = look(decode_frame(sent, 256)), answers["gate", sequence]
        assert isinstance(expected, Detections)
        assert isinstance(found, Detections)
        assert len(found)
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.class_ids, expected.class_ids)


def test_simulated_runs_have_real_scores_and_say_whose_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(FILE)
    (run,) = read_experiment(tmp_path / "mine.yaml").runs()
    doing: list[str] = []
    first, again = tmp_path / "first", tmp_path / "again"
    for folder in (first, again):
        folder.mkdir()
        problems = run_simulated(run, folder, lambda _, __, words="": doing.append(words), {})
        assert problems == []
        monkeypatch.setattr(remembered, "PictureRunner", None)  # nobody has to look again
    assert any(words.startswith("found what is in ") for words in doing)
    summary, outcome = read_summary(first), read_outcome(first)
    assert summary.total.in_time > 10
    assert summary.total.map50 is not None
    assert summary.total.map50 > 0.4
    for one in outcome.cameras:
        assert one.golden_f1_detected is not None
        assert one.golden_f1_detected > 0.5
        assert one.matched_f1 is not None
        assert one.viewed_map50 is not None
    assert outcome.smallest_golden_f1_detected is not None
    assert outcome.scores.golden_f1_detected is not None
    assert 0.1 < outcome.smallest_golden_f1_detected < outcome.scores.golden_f1_detected
    served = open_zoo("replayed-gpu").variants
    assert outcome.smallest_profile_map == min(one.accuracy for one in served)
    assert "zoo traffic finds" in read_run_info(first).settings["detections"]
    assert json.loads((again / "cameras.json").read_text()) == json.loads(
        (first / "cameras.json").read_text()
    )


@pytest.mark.parametrize(
    ("zoo", "complaint"),
    [
        ("nowhere", "zoo='nowhere': must be a folder with zoo.yaml, or one of"),
        ("yolov4", "zoo yolov4: must hold networks that detect, with their weights"),
        ("vehicles", "zoo vehicles: must hold networks that detect, with their weights"),
        ("./boxed", "zoo boxed: must be of the same task and fit as replayed-gpu, which is served: detection, stretch"),
    ],
)  # fmt: skip
def test_a_zoo_that_cannot_look_is_refused_before_anything_runs(
    tmp_path: Path, zoo: str, complaint: str
) -> None:
    traffic = open_zoo("traffic").folder
    boxed = tmp_path / "boxed"
    boxed.mkdir()
    text = (traffic / "zoo.yaml").read_text()
    fit = "  runtime: torch\n  input: {fit: letterbox}\n"
    (boxed / "zoo.yaml").write_text(text.replace("  runtime: torch\n", fit))
    (boxed / "variants.csv").write_text((traffic / "variants.csv").read_text())
    (tmp_path / "bad.yaml").write_text(FILE.replace("traffic", zoo))
    with pytest.raises(UsageError) as caught:
        read_experiment(tmp_path / "bad.yaml")
    assert f"bad.yaml:2: detections_zoo: {complaint}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_devices_that_run_networks_answer_for_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FILE.replace("replayed:gpu]", 'replayed:gpu, "cpu:1"]').replace(
        ", variants: [yolov4-160, yolov4-256]", ""
    )
    (tmp_path / "mixed.yaml").write_text(text)
    assert (
        main(["experiment", "run", str(tmp_path / "mixed.yaml"), "--out", str(tmp_path / "out")])
        == 2
    )
    assert "mixed.yaml: detections_zoo: is for replayed devices alone" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
