from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.core.records import FrameRecord
from moonjelly.simulation.encoding import EncodedFrames, Encoder, read_encoded_frames
from moonjelly.simulation.scenario_file import read_scenario
from moonjelly.simulation.simulation import Observers, Simulation

SIDES = range(128, 609, 32)
SCENARIO = """
seconds: 2
server: {planner: fixed, sampling: replayed}
devices: {gpu: 1}
streams:
  - {name: cam, count: 2, fps: 10, slo_ms: 400, link: {mbps: 50}, encoded_frames: street.csv}
"""


def write_scenario(folder: Path) -> Path:
    rows = [f"{side},{side + frame},{frame}\n" for side in SIDES for frame in (1, 2, 3)]
    (folder / "street.csv").write_text("side_px,kbits,encode_ms\n" + "".join(rows))
    path = folder / "scenario.yaml"
    path.write_text(SCENARIO)
    return path


def simulate(path: Path, num_encoders: int | None = None) -> list[FrameRecord]:
    frames: list[FrameRecord] = []
    scenario = replace(read_scenario(path), num_encoders=num_encoders)
    Simulation(scenario, Observers(on_frame=frames.append)).run_until(float("inf"))
    return frames


def test_frames_have_the_sizes_and_times_of_their_table(tmp_path: Path) -> None:
    frames = simulate(write_scenario(tmp_path))
    sent = [frame for frame in frames if frame.sent_ms is not None]
    assert len(sent) == 40
    for frame in sent:
        number = 1 + frame.sequence % 3
        assert frame.side_px is not None
        assert frame.sent_ms is not None
        assert frame.jpeg_bytes == 125 * (frame.side_px + number)
        assert frame.sent_ms - frame.captured_ms == pytest.approx(number)


def test_a_shared_encoder_takes_one_frame_after_the_other() -> None:
    alone, pair = Encoder(1), Encoder(2)
    assert [alone.done_ms(now_ms, 5) for now_ms in (0, 1, 20)] == [5, 10, 25]
    assert [pair.done_ms(now_ms, 5) for now_ms in (0, 1, 2, 20)] == [5, 6, 10, 25]


def test_cameras_that_share_an_encoder_wait_for_it(tmp_path: Path) -> None:
    path = write_scenario(tmp_path)
    table = tmp_path / "street.csv"
    table.write_text("side_px,kbits,encode_ms\n" + "".join(f"{side},100,60\n" for side in SIDES))

    def mean_ms(frames: list[FrameRecord]) -> float:
        ages_ms = [f.sent_ms - f.captured_ms for f in frames if f.sent_ms is not None]
        return sum(ages_ms) / len(ages_ms)

    assert mean_ms(simulate(path)) == pytest.approx(60)
    assert mean_ms(simulate(path, num_encoders=1)) > 70


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("side_px,kbits\n128,40\n", ":1: must have the columns side_px, kbits, encode_ms"),
        ("side_px,kbits,encode_ms\n128,forty,1\n", ":2: could not convert"),
        ("side_px,kbits,encode_ms\n128,0,1\n", "kbits=0.0: must be a number above 0"),
        ("side_px,kbits,encode_ms\n", "at least one"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=rule):
        read_encoded_frames(path)


def test_a_table_and_modelled_sizes_exclude_each_other(tmp_path: Path) -> None:
    path = write_scenario(tmp_path)
    path.write_text(path.read_text().replace("encoded_frames", "encode_ms: 3, encoded_frames"))
    with pytest.raises(UsageError, match="encode_ms: must not stand beside encoded_frames"):
        read_scenario(path)


def test_a_table_needs_both_values_of_each_side() -> None:
    with pytest.raises(ValueError, match="same sides"):
        EncodedFrames({128: (40.0,)}, {160: (2.0,)})
