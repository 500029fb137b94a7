from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from moonjelly.core.records import FrameRecord
from moonjelly.core.variant import Variant
from moonjelly.experiment_manager.matrix import RunConfig
from moonjelly.experiment_manager.outcome import RunOutcome, camera_outcomes, write_outcome
from moonjelly.reporting.profile_accuracy import ProfileAccuracy
from moonjelly.reporting.run_folder import RunInfo, StreamInfo
from moonjelly.reporting.summary import summarise, write_summary

FRAMES = 10
ACCURACY = ProfileAccuracy([Variant("small", 128, 0.3, 80.0), Variant("big", 416, 0.5, 600.0)])


class FakeRuns:
    """Stands for live runs: frames in time as told, failures where told, and a note of each call."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.problems: dict[str, list[str]] = {}
        self.errors: dict[str, BaseException] = {}
        self.num_in_time = 8
        self.num_refused = 0  # of the cameras of each run

    def __call__(
        self, run: RunConfig, folder: Path, on_progress: Callable[[int, int], None]
    ) -> list[str]:
        assert (folder / "config.json").exists()
        self.made.append(run.run_id)
        (folder / "frames.csv").write_text("half of it\n")
        if run.run_id in self.errors:
            raise self.errors[run.run_id]
        streams = tuple(
            StreamInfo(
                camera.stream_id, camera.fps, camera.slo_ms, 0 if k < self.num_refused else FRAMES
            )
            for k, camera in enumerate(run.cameras())
        )
        frames = [
            FrameRecord(
                stream_id=stream.stream_id,
                sequence=number,
                captured_ms=100.0 * number,
                verdict="in_time" if number < self.num_in_time else "late",
                variant="big" if number % 2 else "small",
                latency_ms=50.0 + number,
            )
            for stream in streams
            for number in range(stream.captured)
        ]
        summary = summarise(RunInfo("experiment", run.seconds, streams), frames)
        write_summary(folder, summary)
        refused = [stream.stream_id for stream in streams[: self.num_refused]]
        cameras = camera_outcomes(summary, frames, refused, ACCURACY, {})
        write_outcome(folder, RunOutcome(cameras))
        return self.problems.get(run.run_id, [])


class Notes:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, bool]] = []

    def begin(self, run: RunConfig) -> None:
        assert run.run_id

    def count(self, num_answers: int, num_in_time: int) -> None:
        raise AssertionError((num_answers, num_in_time))

    def end(self, run: RunConfig, problems: Sequence[str], folder: Path) -> None:
        assert folder.is_dir()
        self.ended.append((run.run_id, bool(problems)))


@pytest.fixture
def fake_runs() -> FakeRuns:
    return FakeRuns()


@pytest.fixture
def notes() -> Notes:
    return Notes()
