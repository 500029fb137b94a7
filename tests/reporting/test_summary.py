from __future__ import annotations

import io
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from moonjelly.core.answers import Detections, Labels
from moonjelly.core.errors import UsageError
from moonjelly.core.records import FrameRecord
from moonjelly.core.verdict import Place, Reason, Verdict
from moonjelly.reporting.accuracy import read_answers, score_streams
from moonjelly.reporting.device_outcome import DeviceOutcome
from moonjelly.reporting.run_folder import (
    RunInfo,
    StreamInfo,
    read_run_info,
    write_run_info,
)
from moonjelly.reporting.run_logs import read_run_logs
from moonjelly.reporting.summary import (
    TOTAL,
    FramesOutcome,
    read_summary,
    summarise,
    write_summary,
)
from moonjelly.reporting.table import outcome_table
from moonjelly.vision.accuracy import Accuracy, FrameTruth


def frame(
    sequence: int,
    verdict: Verdict,
    latency_ms: float | None = None,
    stream_id: str = "gate",
    **fields: object,
) -> FrameRecord:
    return FrameRecord(
        stream_id, sequence, 100.0 * sequence, verdict, latency_ms=latency_ms, **fields
    )  # type: ignore[arg-type]


FRAMES = [
    frame(0, Verdict.IN_TIME, 50.0, side_px=128, variant="n-128"),
    frame(1, Verdict.IN_TIME, 70.0, side_px=256, variant="s-256"),
    frame(2, Verdict.LATE, 120.0, side_px=256, variant="s-256"),
    frame(3, Verdict.DROPPED, place=Place.CLIENT, reason=Reason.SUPERSEDED, side_px=608),
    frame(4, Verdict.DROPPED, place=Place.EXECUTOR, reason=Reason.TOO_LATE),
    frame(5, Verdict.DROPPED, place=Place.CLIENT, reason=Reason.SUPERSEDED),
    frame(0, Verdict.IN_TIME, 10.0, stream_id="square", side_px=128, variant="n-128"),
]
INFO = RunInfo(
    "demo", 2.0, (StreamInfo("gate", 10.0, 100.0, 6), StreamInfo("square", 5.0, 100.0, 1))
)


def test_a_run_is_counted_stream_by_stream_and_in_total() -> None:
    summary = summarise(INFO, FRAMES)
    gate = summary.streams["gate"]
    assert (gate.captured, gate.in_time, gate.late, gate.dropped, gate.lost) == (6, 2, 1, 3, 0)
    assert gate.dropped_by == {"client": {"superseded": 2}, "executor": {"too_late": 1}}
    assert gate.in_time_ratio == pytest.approx(1 / 3)
    assert gate.goodput_fps == pytest.approx(1.0)
    assert gate.mean_side_px == pytest.approx((128 + 256 + 256) / 3)
    assert gate.p50_ms == 70.0
    assert gate.p99_ms == pytest.approx(np.quantile([50, 70, 120], 0.99))
    assert gate.variants == {"n-128": 1, "s-256": 2}
    assert gate.map50 is None
    assert summary.total.captured == 7
    assert summary.total.in_time == 3
    assert summary.problems() == []


def test_a_frame_without_verdict_is_lost_and_a_second_answer_is_told() -> None:
    streams = (replace(INFO.streams[0], captured=8, duplicated=1), INFO.streams[1])
    summary = summarise(replace(INFO, streams=streams), FRAMES)
    assert summary.streams["gate"].lost == 2
    assert summary.total.lost == 2
    assert summary.problems() == [
        "gate: 2 frames have no verdict",
        "gate: 1 frames were answered twice",
    ]


def test_a_frame_with_two_rows_does_not_add_up() -> None:
    summary = summarise(INFO, [*FRAMES, FRAMES[0]])
    assert summary.problems() == ["gate: captured 6 but 7 verdicts and 0 lost"]


def test_a_stream_without_frames_has_no_numbers_and_no_problem() -> None:
    summary = summarise(RunInfo("demo", 2.0, (StreamInfo("gate", 10.0, 100.0, 0),)), [])
    gate = summary.streams["gate"]
    assert gate.in_time_ratio is None
    assert gate.p50_ms is None
    assert summary.problems() == []


def test_a_frame_of_no_stream_is_refused() -> None:
    with pytest.raises(UsageError, match="frames of bridge: no stream of this run"):
        summarise(INFO, [frame(3, Verdict.IN_TIME, 1.0, stream_id="bridge")])


def test_the_summary_is_written_and_read_back(tmp_path: Path) -> None:
    accuracy = Accuracy(0.25, 0.5, None, None, None, 6, 9)
    devices = {"gpu-0": DeviceOutcome(9, 1.1, 1.25, 0.125, refresh=False)}
    summary = summarise(INFO, FRAMES, {"gate": accuracy, TOTAL: accuracy}, devices)
    write_summary(tmp_path, summary)
    back = read_summary(tmp_path)
    assert back.devices == devices
    assert back.total.map50 == 0.5
    assert back.streams["square"].map is None
    assert back.total.p99_ms == pytest.approx(summary.total.p99_ms or 0, abs=1e-4)
    assert replace(back.streams["gate"], p99_ms=0.0, in_time_ratio=0.0, mean_side_px=0.0) == (
        replace(summary.streams["gate"], p99_ms=0.0, in_time_ratio=0.0, mean_side_px=0.0)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_every_field_of_the_summary_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    names = [field.name for kind in (FramesOutcome, DeviceOutcome) for field in fields(kind)]
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "must be a mapping"),
        ("{", "must be JSON"),
        ("{}", "schema_version: is missing"),
        ('{"schema_version": 2}', "must be 1"),
        (
            json.dumps({"schema_version": 1, "kind": "demo", "seconds": 1, "streams": {}}),
            "total: is missing",
        ),
    ],
)
def test_a_broken_summary_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(UsageError, match=rf"summary\.json:.*{complaint}"):
        read_summary(tmp_path)


def test_the_description_of_a_run_is_written_and_read_back(tmp_path: Path) -> None:
    info = replace(INFO, settings={"seed": "3"}, host={"cores": "2"})
    write_run_info(tmp_path, info)
    assert read_run_info(tmp_path) == info
    assert info.stream("square").fps == 5.0
    with pytest.raises(KeyError):
        info.stream("nothing")
    (tmp_path / "run.json").write_text('{"streams": [{"stream_id": "a b"}]}')
    with pytest.raises(UsageError, match="kind: is missing"):
        read_run_info(tmp_path)


def test_the_table_fits_a_terminal_and_tells_who_dropped_what() -> None:
    screen = io.StringIO()
    Console(file=screen, width=80).print(outcome_table(summarise(INFO, FRAMES)))
    lines = screen.getvalue().splitlines()
    gate = next(line for line in lines if "gate" in line)
    assert gate.split() == [
        "gate",
        "10",
        "100",
        "6",
        "2",
        "33.3",
        "1",
        "3",
        "-",
        "213",
        "70",
        "119",
    ]
    assert any(line.split()[:3] == ["total", "7", "3"] for line in lines)
    assert "  dropped of gate: client superseded 2, executor too_late 1" in lines


def truth_of_one(box: list[float]) -> FrameTruth:
    return FrameTruth(np.array([box], np.float32), np.zeros(1, np.int32), np.zeros(1, np.bool_))


def answer_of_one(box: list[float]) -> Detections:
    return Detections(np.array([box], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32))


def test_only_answers_in_time_count_for_accuracy() -> None:
    box = [0.1, 0.1, 0.4, 0.4]
    frames = [
        frame(0, Verdict.IN_TIME, 10.0),
        frame(1, Verdict.LATE, 150.0),
        frame(2, Verdict.DROPPED, place=Place.CLIENT, reason=Reason.SUPERSEDED),
        frame(0, Verdict.IN_TIME, 10.0, stream_id="square"),
        frame(0, Verdict.IN_TIME, 10.0, stream_id="empty"),
    ]
    keys = [(one.stream_id, one.sequence) for one in frames]
    truth = dict.fromkeys(keys, truth_of_one(box))
    truth["empty", 0] = FrameTruth(
        np.empty((0, 4), np.float32), np.empty(0, np.int32), np.empty(0, np.bool_)
    )
    answers = dict.fromkeys(keys[:4], answer_of_one(box))
    scored = score_streams(frames, truth, answers, ("car",))
    assert set(scored) == {"gate", "square", TOTAL}  # a street without cars has no accuracy
    assert scored["square"].map50 == pytest.approx(1.0)
    assert scored["gate"].map50 == pytest.approx(1 / 3, abs=0.01)
    assert scored[TOTAL].map50 == pytest.approx(2 / 4, abs=0.01)


def test_of_labels_the_share_that_is_right_takes_the_place_of_map() -> None:
    frames = [frame(number, Verdict.IN_TIME, 10.0) for number in range(3)]
    frames.append(frame(3, Verdict.LATE, 150.0))
    truth = {("gate", one.sequence): truth_of_one([0, 0, 1, 1]) for one in frames}
    sure = np.array([0.9, 0.1], np.float32)
    answers = {
        ("gate", number): Labels(np.array([best, 1 - best], np.int32), sure)
        for number, best in enumerate((0, 1, 0, 1))
    }
    scored = score_streams(frames, truth, answers, ("car", "bus"))
    info = RunInfo("client", 1.0, (StreamInfo("gate", 10.0, 100.0, 4),))
    summary = summarise(info, frames, scored)
    assert summary.total.top1 == pytest.approx(2 / 3)
    assert summary.total.map is summary.total.map50 is None
    screen = io.StringIO()
    Console(file=screen, width=80).print(outcome_table(summary))
    assert "top-1" in screen.getvalue()
    assert "0.667" in screen.getvalue()


def test_answers_are_read_line_by_line(run_folder: Path, tmp_path: Path) -> None:
    answers = read_answers(run_folder / "answers.jsonl")
    run = read_run_logs(run_folder)
    answered = {
        (row.stream_id, row.sequence)
        for rows in run.frames.values()
        for row in rows
        if row.verdict != Verdict.DROPPED
    }
    assert set(answers) == answered
    assert answers["gate", 0].scores.tolist() == [0.75]
    path = tmp_path / "answers.jsonl"
    path.write_text('{"stream_id": "a", "sequence": 0, "scores": [0.5], "class_ids": [2]}\n')
    labels = read_answers(path)["a", 0]
    assert isinstance(labels, Labels)
    assert labels.class_ids.tolist() == [2]
    path.write_text(
        '{"stream_id": "a", "sequence": 0, "boxes": [[1]], "scores": [], "class_ids": []}\n'
    )
    with pytest.raises(UsageError, match=r"answers\.jsonl:1: is no answer"):
        read_answers(path)


def test_of_very_many_streams_the_worst_are_shown() -> None:
    info = RunInfo("simulation", 2.0, tuple(StreamInfo(f"s{n}", 1.0, 9.0, 2) for n in range(99)))
    rows = [
        frame(
            sequence, Verdict.LATE if number == 70 else Verdict.IN_TIME, 1.0, stream_id=f"s{number}"
        )
        for number in range(99)
        for sequence in range(2)
    ]
    screen = io.StringIO()
    Console(file=screen, width=80).print(outcome_table(summarise(info, rows)))
    lines = [line.strip() for line in screen.getvalue().splitlines()]
    shown = [line.split()[0] for line in lines if line[:1] == "s" and line[1].isdigit()]
    assert (shown[0], len(shown)) == ("s70", 20)
    assert "20 of 99 streams" in screen.getvalue()
    assert "196" in next(line for line in lines if line.startswith("total"))
