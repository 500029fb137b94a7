"""Answers for a video are scored beside what there is to find in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from moonjelly.cli import main

SIZE = (64, 48)
NUM_PICTURES = 20  # of 40 ms each
BOX = [0.1 * 64, 0.2 * 48, 0.2 * 64, 0.2 * 48]  # as the fake server answers


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=25)
        track.width, track.height = SIZE
        track.pix_fmt = "yuv420p"
        for k in range(NUM_PICTURES):
            shade = np.full((SIZE[1], SIZE[0], 3), 8 * k, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(shade, format="bgr24")))
        container.mux(track.encode(None))
    return path


def document(
    num: int = NUM_PICTURES, name: str = "bus", wrong: frozenset[int] = frozenset()
) -> Any:
    """A bus in each picture, where the fake server sees one; elsewhere in those that are wrong."""
    return {
        "images": [
            {"id": 10 + k, "width": SIZE[0], "height": SIZE[1], "file_name": f"{k}.png"}
            for k in reversed(range(num))  # ids tell the order
        ],
        "annotations": [
            {
                "id": k, "image_id": 10 + k, "category_id": 7,
                "bbox": [40, 30, 12, 10] if k in wrong else BOX,
            }
            for k in range(num)
        ],
        "categories": [{"id": 3, "name": "tree"}, {"id": 7, "name": name}],
    }  # fmt: skip


def stream(
    server: Any, video: Path | str, truth: Any, out: Path, fps: float = 25, *more: str
) -> int:
    path = out.parent / "truth.json"
    path.write_text(truth if isinstance(truth, str) else json.dumps(truth))
    words = [
        "--source",
        video,
        "--truth",
        path,
        "--fps",
        fps,
        "--slo-ms",
        2000,
        "--out",
        out,
        *more,
    ]
    return main(["client", "--server", server.address, *map(str, words)])


def test_answers_that_are_right_score_one(
    threaded_server: Any, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stream(threaded_server, video, document(), tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert (
        "camera-0: F1 1.000, of detected frames 1.000, one to one 1.000; viewed mAP 1.000" in shown
    )
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores.keys() == {"camera-0", "total"}
    assert scores["total"] == pytest.approx(
        {
            "golden_f1": 1.0, "golden_f1_detected": 1.0, "matched_f1": 1.0, "viewed_map": 1.0,
            "viewed_map50": 1.0,
        }
    )  # fmt: skip
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["total"]["map"] == summary["streams"]["camera-0"]["map50"] == 1.0


def test_what_was_not_asked_for_is_not_missed(
    threaded_server: Any, video: Path, tmp_path: Path
) -> None:
    both = document()
    cars = [{**one, "id": 100 + one["id"], "category_id": 3} for one in both["annotations"]]
    both["annotations"] += [{**one, "bbox": [40, 30, 12, 10]} for one in cars]
    both["categories"][0]["name"] = "car"
    for words, f1 in (((), 2 / 3), (("--classes", "bus"), 1.0)):
        assert stream(threaded_server, video, both, tmp_path / "out", 25, *words) == 0
        scores = json.loads((tmp_path / "out" / "scores.json").read_text())
        assert scores["total"]["matched_f1"] == pytest.approx(f1)


def test_a_frame_is_judged_by_the_picture_that_it_shows(
    threaded_server: Any, video: Path, tmp_path: Path
) -> None:
    odd = frozenset(range(1, NUM_PICTURES, 2))
    out = tmp_path / "out"
    assert stream(threaded_server, video, document(wrong=odd), out, fps=12.5) == 0
    scores = json.loads((out / "scores.json").read_text())
    assert scores["total"]["matched_f1"] == 1.0  # a stream half as fast shows the even ones
    assert stream(threaded_server, video, document(wrong=odd), out) == 0
    scores = json.loads((out / "scores.json").read_text())
    assert scores["total"]["matched_f1"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("truth", "complaint"),
    [
        ("", "is no JSON, or cut off"),
        ("{}", "images: must be a list of objects, as COCO has it"),
        ({**document(), "annotations": []}, "must hold an object at least"),
        (document(num=12), "has 12 images, {video} 20 pictures: must be as many"),
        (
            {**document(), "info": {"sha256": "0" * 64, "video": "other.mp4"}},
            "is of other.mp4 as it was then, not of {video}",
        ),
        (
            {**document(), "images": [{**one, "width": 32} for one in document()["images"]]},
            "is of pictures of 32 x 48 px, those of {video} have 64 x 48",
        ),
    ],
)  # fmt: skip
def test_a_truth_that_cannot_be_of_the_video_is_refused_before_it_is_played(
    threaded_server: Any, video: Path, tmp_path: Path, truth: Any, complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert stream(threaded_server, video, truth, tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert f"truth.json: {complaint.format(video=video)}" in told
    assert told.count("\n") == 1
    assert not threaded_server.registrations
    assert not (tmp_path / "out").exists()


def test_a_truth_of_other_classes_leaves_the_run_as_it_was(
    threaded_server: Any, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stream(threaded_server, video, document(name="cat"), tmp_path / "out") == 1
    told = capsys.readouterr()
    assert "camera-0" in told.out
    assert "categories: none is a class of the zoo; it has car, bus, the file tree, cat" in told.err
    assert (tmp_path / "out" / "summary.json").exists()
    assert not (tmp_path / "out" / "scores.json").exists()


def test_what_is_no_video_has_no_truth(
    threaded_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stream(threaded_server, "scene:3", document(), tmp_path / "out") == 2
    assert "--truth: needs a video as its --source, not scene:3" in capsys.readouterr().err
