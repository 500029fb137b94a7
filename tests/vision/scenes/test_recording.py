from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from moonjelly.vision.scenes import Scene, write_scene_video


def test_a_recording_shows_the_frames_and_lists_what_is_in_them(tmp_path: Path) -> None:
    scene = Scene(1, "val", 320, 192, fps=12.5)
    write_scene_video(scene, tmp_path / "a.mp4", tmp_path / "a.json", 5, first_frame=40)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == 12.5
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(frames) == 5
    difference = np.abs(frames[2].astype(int) - scene.frame(42).image).mean()
    assert difference < 8
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [image["id"] for image in document["images"]] == [1, 2, 3, 4, 5]
    wanted = [found for k in range(5) for found in scene.frame(40 + k).objects]
    assert len(document["annotations"]) == len(wanted)
    for entry, found in zip(document["annotations"], wanted, strict=True):
        x, y, width, height = entry["bbox"]
        np.testing.assert_allclose((x, y, x + width, y + height), found.box_px, atol=0.02)
        assert entry["iscrowd"] == found.is_ignored
        assert document["categories"][found.class_id]["id"] == entry["category_id"]


def test_a_recording_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_frames is 0"):
        write_scene_video(Scene(1, "val", 64, 64), tmp_path / "a.mp4", None, 0)


def test_odd_sides_are_refused_for_video(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="65 x 64"):
        write_scene_video(Scene(1, "val", 65, 64), tmp_path / "a.mp4", None, 1)
