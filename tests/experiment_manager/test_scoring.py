from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.core.records import FrameRecord
from moonjelly.core.verdict import Verdict
from moonjelly.devices.remembered import Asked, RememberedDetections
from moonjelly.experiment_manager.seeing import find_golden, find_truth, score_cameras
from moonjelly.live_run.videos import VideoCamera, open_video
from moonjelly.reporting.run_folder import RunInfo, StreamInfo
from moonjelly.reporting.run_logs import RunLogs
from moonjelly.reporting.summary import TOTAL
from moonjelly.vision.classes import TRAFFIC_CLASSES
from moonjelly.zoos import open_zoo

NUM_FRAMES = 5


def frame(number: int) -> FrameRecord:
    is_late = number == 3
    return FrameRecord(
        "gate", number, 100.0 * number, Verdict.LATE if is_late else Verdict.IN_TIME,
        latency_ms=350.0 if is_late else 250.0,
    )  # fmt: skip


def test_answers_of_the_golden_variant_itself_miss_only_the_frames_that_were_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    camera = VideoCamera(open_video("scene:3"), 25.0)
    zoo = open_zoo("traffic")
    name = zoo.zoo.golden_variant.name
    golden = list(
        RememberedDetections(zoo).find(
            Asked(name, camera.video.picture(number)) for number in range(NUM_FRAMES)
        )
    )
    streams = (StreamInfo("gate", 10.0, 300.0, NUM_FRAMES),)
    rows = tuple(frame(number) for number in range(NUM_FRAMES))
    logs = RunLogs(RunInfo("experiment", 1.0, streams), {"gate": rows}, {})
    answers = {("gate", number): golden[number] for number in range(NUM_FRAMES)}
    found = find_golden(logs, {"gate": camera}, zoo)
    truth = find_truth(found, {"gate": camera}, TRAFFIC_CLASSES, is_golden_taken=True)
    scored = score_cameras(logs, answers, truth, found, TRAFFIC_CLASSES)
    one = scored["gate"]
    assert scored[TOTAL] == one
    assert one.golden_f1_detected == 1.0
    sure = [int((found.scores >= 0.2).sum()) for found in golden]
    right = sum(sure) - sure[3]
    assert one.golden_f1 == pytest.approx(2 * right / (2 * right + sure[3]))
    assert one.matched_f1 == one.golden_f1
    assert one.viewed_map50 is not None
    assert one.viewed_map50 > 0.5
