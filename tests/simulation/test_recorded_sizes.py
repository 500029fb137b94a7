from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.core.records import FrameRecord
from moonjelly.simulation.recorded_sizes import read_frame_sizes
from moonjelly.simulation.scenario_file import read_scenario
from moonjelly.simulation.simulation import Observers, Simulation

SIDES = range(128, 609, 32)
SCENARIO = """
seconds: 2
server: {planner: fixed, sampling: replayed}
devices: {gpu: 1}
streams:
  - {name: cam, count: 2, fps: 10, slo_ms: 400, link: {mbps: 50}, frame_sizes: street.csv, policy: best}
"""


def write_scenario(folder: Path) -> Path:
    rows = [f"{side},{side + frame}\n" for side in SIDES for frame in (1, 2, 3)]
    (folder / "street.csv").write_text("side_px,kbits\n" + "".join(rows))
    path = folder / "scenario.yaml"
    path.write_text(SCENARIO)
    return path


def test_frames_have_the_sizes_of_their_table(tmp_path: Path) -> None:
    frames: list[FrameRecord] = []
    scenario = read_scenario(write_scenario(tmp_path))
    Simulation(scenario, Observers(on_frame=frames.append)).run_until(float("inf"))
    sent = [frame for frame in frames if frame.side_px is not None]
    assert len(sent) == 40
    for frame in sent:
        assert frame.side_px is not None
        assert frame.jpeg_bytes == 125 * (frame.side_px + 1 + frame.sequence % 3)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("side_px,kbits,ms\n128,40,1\n", ":1: must have the columns side_px, kbits"),
        ("side_px,kbits\n128,forty\n", ":2: could not convert"),
        ("side_px,kbits\n128,0\n", "kbits=0.0: must be a number above 0"),
        ("side_px,kbits\n", "at least one"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=rule):
        read_frame_sizes(path)


def test_a_table_and_modelled_sizes_exclude_each_other(tmp_path: Path) -> None:
    path = write_scenario(tmp_path)
    text = path.read_text().replace("frame_sizes:", "frame_size_ratio: 2, frame_sizes:")
    path.write_text(text)
    with pytest.raises(UsageError, match=r"frame_sizes: .* must not stand beside frame_size_ratio"):
        read_scenario(path)
