"""What answers are judged by: the video's own truth, golden detections where that is allowed, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from moonjelly.core.answers import Detections
from moonjelly.core.records import FrameRecord
from moonjelly.core.verdict import Verdict
from moonjelly.experiment_manager.seeing import find_truth, score_cameras
from moonjelly.live_run.scoring import score_truth
from moonjelly.live_run.videos import VideoCamera, open_video
from moonjelly.reporting.run_folder import RunInfo, StreamInfo
from moonjelly.reporting.run_logs import RunLogs
from moonjelly.reporting.summary import TOTAL

SIZE, PICTURES = (64, 48), 10
CLASSES = ("car", "bus")
FOUND = Detections(
    np.array([[0.25, 0.25, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]], np.float32),
    np.array([0.9, 0.05], np.float32),  # of the second it is not sure
    np.array([1, 0], np.int32),
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "street.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = *SIZE, "yuv420p"
        for k in range(PICTURES):
            shade = np.full((SIZE[1], SIZE[0], 3), 20 * k, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(shade, format="bgr24")))
        container.mux(track.encode(None))
    return path


def annotate(clip: Path) -> None:
    """A bus in picture 3, where `FOUND` has it, and a tree, which no zoo knows."""
    box = [16, 12, 16, 12]
    document = {
        "images": [
            {"id": k, "width": SIZE[0], "height": SIZE[1], "file_name": f"{k}.png"} for k in range(PICTURES)
        ],
        "annotations": [
            {"id": 1, "image_id": 3, "category_id": 7, "bbox": box},
            {"id": 2, "image_id": 3, "category_id": 3, "bbox": box},
        ],
        "categories": [{"id": 3, "name": "tree"}, {"id": 7, "name": "bus"}],
    }  # fmt: skip
    clip.with_suffix(".json").write_text(json.dumps(document))


def test_a_users_video_is_judged_by_the_file_beside_it(clip: Path) -> None:
    annotate(clip)
    camera = VideoCamera(open_video(str(clip)), 10.0, 0.2)  # frame 1 shows picture 3
    golden = {("gate", index): FOUND for index in range(3)}
    truth = find_truth(golden, {"gate": camera}, CLASSES, is_golden_taken=True)
    assert [truth["gate", index].class_ids.tolist() for index in range(3)] == [[], [1], []]
    np.testing.assert_allclose(truth["gate", 1].boxes, FOUND.boxes[:1])


def test_without_such_a_file_golden_detections_judge_or_nothing_does(clip: Path) -> None:
    cameras = {"gate": VideoCamera(open_video(str(clip)), 10.0)}
    golden = {("gate", index): FOUND for index in range(3)}
    rows = tuple(
        FrameRecord("gate", k, 100.0 * k, Verdict.IN_TIME, latency_ms=5.0) for k in range(3)
    )
    streams = (StreamInfo("gate", 10.0, 300.0, 3),)
    logs = RunLogs(RunInfo("experiment", 1.0, streams), {"gate": rows}, {})
    for is_golden_taken in (True, False):
        truth = find_truth(golden, cameras, CLASSES, is_golden_taken=is_golden_taken)
        accuracy = score_truth(rows, golden, truth, CLASSES)
        scores = score_cameras(logs, golden, truth, golden, CLASSES)[TOTAL]
        assert scores.golden_f1 == 1.0, "that needs no truth"
        if is_golden_taken:
            assert truth["gate", 0].class_ids.tolist() == [1], "what is sure"
            assert accuracy[TOTAL].map50 == pytest.approx(1.0)
            assert scores.viewed_map50 == pytest.approx(1.0)
        else:
            assert (truth, accuracy, scores.viewed_map) == ({}, {}, None)
