"""Videos of experiments: made once, kept, the same whoever asks for what first."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import av
import numpy as np
import pytest

from moonjelly.client.sources import EncodingSource
from moonjelly.core.errors import RunError, UsageError
from moonjelly.core.zoo import Fit
from moonjelly.live_run import making, videos
from moonjelly.live_run.making import DRAWN_STREETS, DrawnStreet, VideoFile, maker_of
from moonjelly.live_run.videos import Video, VideoCamera
from moonjelly.vision.accuracy import truth_of
from moonjelly.vision.classes import TRAFFIC_CLASSES
from moonjelly.vision.preprocessing import encode_frame
from moonjelly.vision.scenes import Scene

SIZE = (64, 48)
NUM_PICTURES = 20


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/moonjelly/videos"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video whose pictures grow brighter."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=20)
        track.width, track.height = SIZE
        track.pix_fmt = "yuv420p"
        for k in range(NUM_PICTURES):
            shade = np.full((SIZE[1], SIZE[0], 3), 10 * k + 20, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(shade, format="bgr24")))
        container.mux(track.encode(None))
    return path


def annotate(video: Path, num: int = NUM_PICTURES) -> None:
    """Writes that there is a bus in each picture, farther right in each."""
    size = {"width": SIZE[0], "height": SIZE[1]}
    document = {
        "images": [{"id": k + 1, "file_name": f"{k}.png", **size} for k in range(num)],
        "annotations": [
            {"id": k + 1, "image_id": k + 1, "category_id": 1, "bbox": [k, 8, 12, 10]} for k in range(num)
        ],
        "categories": [{"id": 1, "name": "bus"}],
    }  # fmt: skip
    video.with_suffix(".json").write_text(json.dumps(document))


def test_a_drawn_video_is_three_minutes_of_its_street_with_its_truth() -> None:
    video = Video(DrawnStreet("scene:5"))
    assert (video.facts.seconds, video.facts.fps, video.facts.num_pictures) == (180, 25, 4500)
    frame = Scene(5, "test", fps=25.0).frame(30)
    difference = np.abs(video.picture(30).astype(int) - frame.image)
    assert difference.mean() < 4  # a JPEG of quality 90
    truth, expected = video.truth(30), truth_of(frame)
    assert truth is not None
    np.testing.assert_allclose(truth.boxes, expected.boxes)
    np.testing.assert_array_equal(truth.class_ids, expected.class_ids)
    np.testing.assert_array_equal(truth.is_ignored, expected.is_ignored)
    assert video.facts.class_names == TRAFFIC_CLASSES


def test_the_three_streets_differ_in_what_there_is_to_see() -> None:
    def mean_objects(name: str) -> float:
        maker = DrawnStreet(f"drawn:{name}")
        return float(np.mean([(~maker.make(k)[1].is_ignored).sum() for k in range(0, 4500, 450)]))

    assert set(DRAWN_STREETS) == {"sparse", "dense", "night"}
    assert 0.5 < mean_objects("sparse") < 3
    assert mean_objects("dense") > 4 * mean_objects("sparse")
    means = [DrawnStreet(f"drawn:{name}").make(0)[0].mean() for name in ("night", "sparse")]
    assert means[0] < 0.7 * means[1]


def test_what_was_made_is_kept_and_made_by_nobody_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    first = Video(DrawnStreet("drawn:dense"))
    first.encode_ahead([7, 3, 7], [128, 160], 90, Fit.STRETCH, lambda *done: told.append(done))
    assert told == [(2, 2)]
    assert len(list(cache.glob("drawn-dense-*.sqlite"))) == 1
    monkeypatch.setattr(DrawnStreet, "make", None)
    again = Video(DrawnStreet("drawn:dense"))
    monkeypatch.setattr(videos, "encode_frame", None)
    again.encode_ahead([3, 7], [160, 128], 90, Fit.STRETCH, lambda *done: told.append(done))
    assert told == [(2, 2)], "nothing was left to do"
    for number in (3, 7):
        for side_px in (128, 160):
            expected = encode_frame(first.picture(number), side_px, 90)
            assert again.encoded(number, side_px, 90, Fit.STRETCH) == expected
    assert again.truth(3) is not None
    with pytest.raises(TypeError):
        again.picture(8)


def test_what_is_not_kept_is_encoded_all_the_same_and_by_whoever_asks_first() -> None:
    ahead, late = Video(DrawnStreet("scene:5")), Video(DrawnStreet("scene:5"))
    jpeg = late.encoded(4, 160, 50, Fit.STRETCH)
    ahead.encode_ahead([4], [160], 50, Fit.STRETCH)
    assert ahead.encoded(4, 160, 50, Fit.STRETCH) == jpeg


def test_another_street_or_another_program_has_a_file_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digests = {DrawnStreet(name).facts.digest for name in ("scene:1", "scene:2", "drawn:night")}
    assert len(digests) == 3
    (tmp_path / "other.py").write_text("")
    monkeypatch.setattr(making.fits, "__file__", str(tmp_path / "other.py"))
    assert DrawnStreet("scene:1").facts.digest not in digests


def test_what_nobody_used_for_a_month_is_let_go_of(cache: Path) -> None:
    Video(DrawnStreet("drawn:night"))
    (old,) = cache.rglob("*.sqlite")
    long_ago = time.time() - videos.UNUSED_S - 60
    os.utime(old, (long_ago, long_ago))
    Video(DrawnStreet("drawn:night"))
    assert old.exists(), "it is used"
    os.utime(old, (long_ago, long_ago))
    Video(DrawnStreet("drawn:dense"))
    assert [one.name.partition("-")[2][:5] for one in cache.rglob("*.sqlite")] == ["dense"]


def test_a_camera_starts_at_its_place_and_goes_round_when_the_video_is_over() -> None:
    video = Video(DrawnStreet("scene:5"))
    camera = VideoCamera(video, 15.0, 179.8)
    assert camera.numbers(6) == [4495, 4496, 4498, 0, 1, 3]
    assert VideoCamera(video, 25.0).numbers(4) == [0, 1, 2, 3]
    assert VideoCamera(video, 50.0).numbers(4) == [0, 0, 1, 1]
    assert isinstance(camera, EncodingSource)
    one, other = camera.read(0), camera.read(4)
    assert one.shape == (720, 1280, 3)
    assert camera.encode(other, 128, 90, Fit.STRETCH) == video.encoded(1, 128, 90, Fit.STRETCH)
    assert camera.encode(one, 128, 90, Fit.STRETCH) == video.encoded(4495, 128, 90, Fit.STRETCH)
    with pytest.raises(KeyError):
        camera.encode(np.zeros((9, 16, 3), np.uint8), 128, 90, Fit.STRETCH)
    camera.close()
    camera.close()


def test_a_users_video_has_its_own_rate_pictures_and_truth(clip: Path) -> None:
    annotate(clip)
    video = Video(VideoFile(clip))
    facts = video.facts
    assert (facts.fps, facts.num_pictures, facts.size_px) == (20, NUM_PICTURES, SIZE)
    assert facts.class_names == ("bus",)
    for number in (5, 19, 2, 3):  # forwards and backwards
        assert abs(video.picture(number).mean() - 10 * number - 20) < 4
        truth = video.truth(number)
        assert truth is not None
        assert truth.boxes[0, 0] == pytest.approx(number / SIZE[0])
    clip.with_suffix(".json").unlink()
    without = Video(VideoFile(clip))
    assert without.truth(5) is None
    assert without.facts.class_names == ()


def test_what_is_no_video_or_has_another_ones_truth_is_told(clip: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(UsageError, match=r"text\.mp4: is no video that can be read"):
        VideoFile(text)
    annotate(clip, 3)
    with pytest.raises(UsageError, match=r"truth .*clip\.json: has 3 images, .* 20 pictures"):
        VideoFile(clip)
    with pytest.raises(
        ValueError, match=r"'drawn:fog': must be drawn:sparse, .*, scene:SEED or a video file"
    ):
        maker_of("drawn:fog")


def test_a_broken_cache_names_the_file(cache: Path) -> None:
    Video(DrawnStreet("scene:5"))
    (path,) = cache.glob("*.sqlite")
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(RunError, match=r"scene-5-.*: cannot be used: .*; it may be removed"):
        Video(DrawnStreet("scene:5"))


def test_what_was_encoded_before_ctrl_c_is_not_encoded_again() -> None:
    video, told = Video(DrawnStreet("scene:5")), []

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt(done, total)

    with pytest.raises(KeyboardInterrupt, match="32, 40"):
        video.encode_ahead(range(40), [32], 90, Fit.STRETCH, stop)
    video.encode_ahead(range(40), [32], 90, Fit.STRETCH, lambda *done: told.append(done))
    assert told == [(8, 8)]
    sizes = video.encoded_bytes([32], 90, Fit.STRETCH)
    assert sizes == {
        (number, 32): len(video.encoded(number, 32, 90, Fit.STRETCH)) for number in range(40)
    }
