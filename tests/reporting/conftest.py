"""A made-up run: three streams over links that change, with every kind of verdict."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from moonjelly.core.records import FrameRecord
from moonjelly.files.csv_log import CsvLog
from moonjelly.reporting.run_folder import RunInfo, StreamInfo, link_file, write_run_info
from moonjelly.reporting.run_logs import LinkRate

SECONDS = 12.0
STREAMS = (("gate", 10.0, 150.0), ("square", 5.0, 300.0), ("bridge", 15.0, 200.0))


def make_frame(
    stream_id: str, fps: float, slo_ms: float, sequence: int, kbps: float
) -> FrameRecord:
    random = Random(f"{stream_id} {sequence}")
    at_ms = 1000 * sequence / fps
    side = 224 if kbps < 3000 else 416
    if random.random() < 0.04:
        return FrameRecord(
            stream_id, sequence, at_ms, "dropped", "client", "superseded", bandwidth_kbps=kbps
        )
    latency = random.uniform(0.3, 0.9) * slo_ms
    if random.random() < 0.03:
        latency = 1.2 * slo_ms
    return FrameRecord(
        stream_id=stream_id,
        sequence=sequence,
        captured_ms=at_ms,
        verdict="in_time" if latency <= slo_ms else "late",
        side_px=side,
        jpeg_bytes=side * side // 6,
        sent_ms=at_ms + 4,
        answered_ms=at_ms + latency,
        latency_ms=latency,
        network_ms=0.4 * latency,
        bandwidth_kbps=kbps * random.uniform(0.9, 1.1),
        variant=f"traffic-{'n' if side < 300 else 's'}-{side}",
        batch_size=1,
        endpoint_ms=0.3,
        queue_ms=0.1 * latency,
        decode_ms=2.0,
        inference_ms=0.4 * latency,
        server_ms=0.5 * latency + 0.6,
        advised_side_px=side,
        plan_epoch=sequence // 5,
        num_detections=1,
    )


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    streams = []
    with (
        CsvLog(folder / "frames.csv", FrameRecord) as frames,
        (folder / "answers.jsonl").open("w") as answers,
    ):
        for stream_id, fps, slo_ms in STREAMS:
            with CsvLog(folder / link_file(stream_id), LinkRate) as link:
                for second in range(0, int(SECONDS), 2):
                    link.write(LinkRate(1000.0 * second, 2000 + 1500 * (second % 4)))
            captured = int(SECONDS * fps)
            for sequence in range(captured):
                second = int(sequence / fps) // 2 * 2
                one = make_frame(stream_id, fps, slo_ms, sequence, 2000 + 1500 * (second % 4))
                frames.write(one)
                if one.answered_ms is not None:
                    answers.write(json.dumps(make_answer(stream_id, sequence)) + "\n")
            streams.append(
                StreamInfo(stream_id, fps, slo_ms, captured, source="made up", link="2 to 5 Mbit/s")
            )
    write_run_info(
        folder, RunInfo("demo", SECONDS, tuple(streams), {"seed": "0"}, {"system": "none"})
    )
    return folder


def make_answer(stream_id: str, sequence: int) -> dict[str, object]:
    return {
        "stream_id": stream_id,
        "sequence": sequence,
        "boxes": [[0.1, 0.2, 0.4, 0.6]],
        "scores": [0.75],
        "class_ids": [sequence % 2],
    }
