from __future__ import annotations

import math
from pathlib import Path

import pytest

import moonjelly.simulation
from moonjelly.core.errors import UsageError
from moonjelly.devices.replay import SlowdownScript
from moonjelly.simulation.absences import Absences
from moonjelly.simulation.scenario import Sampling
from moonjelly.simulation.scenario_file import read_scenario

EXAMPLES = sorted((Path(moonjelly.simulation.__file__).parent / "scenarios").glob("*.yaml"))
GOOD = """\
seconds: 4
seed: 3
devices: {gpu: 2}
slowdowns: {gpu-1: "1:2+2:1"}
server: {planner: greedy, batcher: "fixed:2", max_batch_size: 4, sampling: replayed}
streams:
  - {name: one, fps: 5, slo_ms: 300, link: {mbps: 4, wire_ms: 9}, leave_s: 2}
  - name: two
    count: 2
    fps: 10
    slo_ms: 200
    join_s: 1
    join_step_s: 0.5
    link: {trace: trace.txt, offset: 1, offset_step: 2, scale_ratio: 0.5}
absences: {gpu-0: "1-2+3-"}
"""


def written(folder: Path, text: str) -> Path:
    (folder / "trace.txt").write_text("1\n2\n3\n4\n")
    path = folder / "scenario.yaml"
    path.write_text(text)
    return path


def test_a_file_says_everything(tmp_path):
    scenario = read_scenario(written(tmp_path, GOOD))
    assert (scenario.seconds, scenario.seed) == (4, 3)
    assert [device.device_id for device in scenario.devices] == ["gpu-0", "gpu-1"]
    assert scenario.server.sampling is Sampling.REPLAYED
    assert scenario.server.max_batch_size == 4
    assert scenario.slowdowns == {"gpu-1": SlowdownScript((1.0, 2.0), (2.0, 1.0))}
    assert scenario.absences == {"gpu-0": Absences((1.0, 2.0, 3.0, math.inf))}
    one, first, second = scenario.streams
    assert (one.stream_id, one.leave_s, one.wire_ms) == ("one", 2, 9)
    assert one.link.rate_kbps(0.0) == 4000
    assert (first.stream_id, first.join_s) == ("two-0", 1)
    assert (second.stream_id, second.join_s) == ("two-1", 1.5)
    assert [first.link.rate_kbps(at_s) for at_s in (0, 1, 2, 3)] == [1000, 1500, 2000, 500]
    assert second.link.rate_kbps(0.0) == 2000


def test_a_seed_can_be_given_in_place_of_the_files(tmp_path):
    assert read_scenario(written(tmp_path, GOOD), seed=8).seed == 8


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_sound(path):
    assert read_scenario(path).streams


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("seconds: 4", "seconds: -1", ":1: seconds: -1.0: must be"),
        ("seconds: 4", "", "seconds: is missing"),
        ("seed: 3", "seed: 0.5", "seed: 0.5: must be a whole number"),
        ("seed: 3", "sede: 3", ":2: sede: no such option; did you mean seed"),
        ("gpu-1:", "gpu-7:", "slowdowns: 'gpu-7': there is no such device"),
        ("1:2+2:1", "2", "slowdowns.gpu-1: '2': must be like 10:2"),
        ("1-2+3-", "2-1", "absences.gpu-0: '2-1': every time must be after"),
        ('{gpu-1: "1:2+2:1"}', "[]", r":4: slowdowns: \[\]: must be a mapping"),
        ("{gpu: 2}", "{tpu: 2}", "devices.tpu: zoo replayed-gpu has no latency profile"),
        ("{gpu: 2}", "{gpu: 0}", ":3: devices.gpu: 0: must be 1 to 10000"),
        ("{gpu: 2}", "[]", r":3: devices: \[\]: must be a mapping"),
        ("planner: greedy", "planner: best", "server.planner: 'best': must be one of"),
        ("planner: greedy", "plannr: x", "server.plannr: no such option; did you mean planner"),
        ("sampling: replayed", "sampling: real", "server.sampling: 'real': must be 'log-normal'"),
        ("fps: 5", "fps: fast", r"streams\[0\].fps: 'fast': must be a number"),
        ("fps: 5", "fps: true", r"streams\[0\].fps: True: must be a number"),
        ("fps: 5, ", "", r"streams\[0\].fps: is missing"),
        ("fps: 5", "fps: 1000", r"streams\[0\].fps: 1000.0: must be"),
        ("name: one", "name: 'a b'", r"streams\[0\]: stream_id='a b'"),
        ("name: one", "name: two-1", "streams: 'two-1': is there twice"),
        ("mbps: 4", "mbps: 0", r":7: streams\[0\].link.mbps: 0.0: must be"),
        ("mbps: 4", "mbps: 4, trace: trace.txt", r"streams\[0\].link: must have either"),
        ("trace.txt", "gone.txt", "gone.txt: cannot be read: No such file"),
        ("leave_s: 2", "leave_s: 0", r"streams\[0\].leave_s: 0: must be after"),
        ("join_s: 1", "join_s: 4", "two-0: joins at 4 s"),
        ("streams:", "streams: [", "scenario.yaml:7: while parsing"),
        (GOOD, "- 1", "must be a mapping"),
        (GOOD, "", "holds no options"),
        ("count: 2", "count: 1e7", r"streams\[1\].count: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, old, new, complaint):
    assert old in GOOD
    with pytest.raises(UsageError, match=complaint) as caught:
        read_scenario(written(tmp_path, GOOD.replace(old, new)))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"gone.yaml: cannot be read"):
        read_scenario(tmp_path / "gone.yaml")
