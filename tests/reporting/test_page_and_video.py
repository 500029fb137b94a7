from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from moonjelly.core.answers import Detections, Labels
from moonjelly.core.records import FrameRecord
from moonjelly.core.verdict import Verdict
from moonjelly.reporting import html
from moonjelly.reporting.accuracy import read_answers
from moonjelly.reporting.annotation import STRIP_PX, annotate
from moonjelly.reporting.figures import write_figures
from moonjelly.reporting.html import Picture, write_report
from moonjelly.reporting.run_logs import RunLogs, read_run_logs
from moonjelly.reporting.summary import summarise
from moonjelly.reporting.video import write_video
from moonjelly.reporting.viewing import Shown, viewed
from moonjelly.vision.fits import Image

NAMES = ("car", "bus")


def make_picture(sequence: int) -> Image:
    picture = np.full((180, 320, 3), 90, np.uint8)
    picture[:, (5 * sequence) % 320] = 200
    return picture


@pytest.fixture(scope="module")
def run(run_folder: Path) -> RunLogs:
    return read_run_logs(run_folder)


@pytest.fixture(scope="module")
def answers(run_folder: Path) -> dict[int, Detections]:
    every = read_answers(run_folder / "answers.jsonl")
    return {sequence: found for (name, sequence), found in every.items() if name == "gate"}


@pytest.fixture(scope="module")
def video(
    run: RunLogs, answers: dict[int, Detections], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("video") / "gate.mp4"
    write_video(
        path,
        run.info.stream("gate"),
        run.frames["gate"],
        answers,
        make_picture,
        NAMES,
    )
    return path


def test_the_video_is_h264_with_a_frame_for_each_captured_one(run: RunLogs, video: Path) -> None:
    with av.open(str(video)) as container:
        track = container.streams.video[0]
        assert track.codec_context.name == "h264"
        assert track.codec_context.pix_fmt == "yuv420p"
        assert track.average_rate == 10
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(track)]
    assert len(frames) == len(run.frames["gate"])
    assert frames[0].shape == (360 + STRIP_PX, 640, 3)
    assert video.read_bytes().index(b"moov") < video.read_bytes().index(b"mdat")  # plays at once


def test_a_video_of_nothing_is_refused(run: RunLogs, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        write_video(
            tmp_path / "x.mp4",
            run.info.stream("gate"),
            (),
            {},
            make_picture,
            NAMES,
        )


def test_a_viewer_keeps_the_last_boxes_until_newer_ones_come() -> None:
    in_time, late, dropped = Verdict.IN_TIME, Verdict.LATE, Verdict.DROPPED
    rows = [
        (dropped, None),
        (in_time, 50.0),
        (late, 290.0),
        (dropped, None),
        (late, 110.0),
        (in_time, 60.0),
    ]
    frames = [
        FrameRecord("gate", k, 100.0 * k, verdict, latency_ms=latency_ms)
        for k, (verdict, latency_ms) in enumerate(rows)
    ]
    found = {k: Detections.empty() for k, (verdict, _) in enumerate(rows) if verdict != dropped}
    shown = [one for _, one in viewed(frames, found, slo_ms=100.0)]
    # The late answer to frame 2 comes at 490 ms: frame 3 is shown at 400, frame 4 at 500.
    assert [one and one.age_ms for one in shown] == [None, 0.0, 100.0, 200.0, 200.0, 0.0]
    assert shown[3] is not None
    assert shown[3].answer is found[1]
    assert shown[4] is not None
    assert shown[4].answer is found[2]


def test_boxes_are_drawn_where_they_are_and_old_ones_in_grey(run: RunLogs) -> None:
    picture = np.zeros((180, 320, 3), np.uint8)
    found = Detections(
        np.array([[0.25, 0.5, 0.75, 0.9]], np.float32),
        np.array([0.9], np.float32),
        np.array([9], np.int32),  # a class without a name
    )
    row = run.frames["gate"][0]
    fresh = annotate(picture, row, Shown(found, 0.0), 150.0, NAMES, 320)
    old = annotate(picture, row, Shown(found, 80.0), 150.0, NAMES, 320)
    for drawn in (fresh, old):
        assert drawn.shape == (180 + STRIP_PX, 320, 3)
        assert drawn[90, 160].any()  # top edge
        assert drawn[120, 80].any()  # left edge
        assert not drawn[130, 160].any()  # inside
    assert np.ptp(fresh[120, 80]) > 0
    assert np.ptp(old[120, 80]) == 0


def test_boxes_that_nobody_is_sure_of_are_not_shown(run: RunLogs) -> None:
    picture = np.zeros((180, 320, 3), np.uint8)
    unsure = Detections(
        np.array([[0.25, 0.5, 0.75, 0.9]], np.float32),
        np.array([0.1], np.float32),
        np.array([0], np.int32),
    )
    drawn = annotate(picture, run.frames["gate"][0], Shown(unsure, 0.0), 150.0, NAMES, 320)
    assert not drawn[:180].any()


def test_labels_are_written_into_the_lower_left_corner(run: RunLogs) -> None:
    picture = np.zeros((180, 320, 3), np.uint8)
    labels = Labels(np.array([0, 9, 1], np.int32), np.array([0.6, 0.35, 0.05], np.float32))
    row = run.frames["gate"][0]
    fresh = annotate(picture, row, Shown(labels, 0.0), 150.0, NAMES, 320)[:180]
    assert fresh[140:, :120].any()  # two lines
    assert not fresh[:140].any()
    assert not fresh[:, 160:].any()
    old = annotate(picture, row, Shown(labels, 80.0), 150.0, NAMES, 320)[:180]
    assert np.ptp(fresh[140:].astype(int), axis=-1).any()
    assert not np.ptp(old[140:].astype(int), axis=-1).any()


class _Page(HTMLParser):
    """Collects what a page loads, and whether its tags are balanced."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def make_page(run: RunLogs, folder: Path, video: Path) -> str:
    still = folder / "still.jpg"
    cv2.imwrite(str(still), make_picture(0))
    pictures = write_figures(folder, run)
    summary = summarise(run.info, [row for rows in run.frames.values() for row in rows])
    stills = [Picture(still, "gate", "A frame.")]
    return write_report(folder, run.info, summary, pictures, stills, video).read_text()


def test_the_page_needs_no_other_file(run: RunLogs, video: Path, tmp_path: Path) -> None:
    text = make_page(run, tmp_path, video)
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert len(page.sources) == 6
    assert all(source.startswith("data:") for source in page.sources)
    assert "http" not in re.sub(r"http-equiv|data:[^\"]*", "", text)
    assert "gate" in text
    assert "does not add up" not in text


def test_a_video_that_is_too_large_is_linked(
    run: RunLogs, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "EMBED_LIMIT_BYTES", 10)
    page = _Page()
    page.feed(make_page(run, tmp_path, video))
    assert [source for source in page.sources if not source.startswith("data:")] == ["gate.mp4"]


def test_text_of_strangers_is_escaped_and_problems_are_shown(run: RunLogs, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    first = replace(run.streams[0], source=hostile, captured=run.streams[0].captured + 1)
    info = replace(run.info, streams=(first, *run.streams[1:]), settings={"command": hostile})
    summary = summarise(info, [row for rows in run.frames.values() for row in rows])
    text = write_report(tmp_path, info, summary, []).read_text()
    assert hostile not in text
    assert "&lt;script&gt;" in text
    assert "does not add up: gate: 1 frames have no verdict" in text
