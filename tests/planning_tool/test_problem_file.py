from __future__ import annotations

import copy
import json

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.core.mode import ModeTable
from moonjelly.planning_tool.problem_file import read_problem

GOOD = {
    "name": "two",
    "devices": [{"id": "gpu0", "type": "gpu"}, {"id": "cpu0", "type": "cpu"}],
    "variants": [
        {
            "name": "small",
            "input_size": 128,
            "accuracy": 0.2,
            "frame_kbits": 80.5,
            "latency_ms": {"gpu": [10, 14.5], "cpu": [40]},
        }
    ],
    "clients": [{"id": "c0", "fps": 15, "slo_ms": 100, "bandwidth_kbps": 20480.0, "wire_ms": 0.5}],
    "overhead_ms": 2,
}


@pytest.fixture
def write(tmp_path):
    def write_text(data):
        path = tmp_path / "problem.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return path

    return write_text


def test_a_problem_is_read(write):
    problem = read_problem(write(GOOD))
    assert [device.device_type for device in problem.devices] == ["gpu", "cpu"]
    assert problem.tables == {"gpu": ModeTable(((10.0, 14.5),)), "cpu": ModeTable(((40.0,),))}
    assert problem.streams[0].wire_ms == 0.5
    assert problem.overhead_ms == 2


def test_wire_delay_and_overhead_may_be_left_out(write):
    data = copy.deepcopy(GOOD)
    del data["overhead_ms"], data["clients"][0]["wire_ms"]
    problem = read_problem(write(data))
    assert (problem.overhead_ms, problem.streams[0].wire_ms) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("clients", 0, "fps"), -1, r"clients\[0\]\.fps: -1.0: must be 0.001 to 240"),
        (("clients", 0, "fps"), "a", r"clients\[0\]\.fps: 'a': must be a number"),
        (("clients", 0, "fps"), True, r"clients\[0\]\.fps: True: must be a number"),
        (("clients", 0, "fps"), 10**400, r"clients\[0\]\.fps: 1000.*: must be a finite number"),
        (("clients", 0, "id"), 7, r"clients\[0\]\.id: 7: must be text"),
        (("clients", 0, "id"), "a b", r"clients\[0\]: stream_id='a b': must be 1 to 64"),
        (("clients", 0, "speed"), 7, r"clients\[0\]\.speed: no such option"),
        (("clients",), {}, r"clients: \{\}: must be a list"),
        (("devices", 1), 3, r"devices\[1\]: 3: must be a mapping"),
        (("devices", 1, "id"), "gpu0", r"devices: 'gpu0' is listed twice"),
        (("devices", 1, "type"), "tpu", r"variants\[0\]\.latency_ms: .* must list type 'tpu'"),
        (("variants",), [], r"variants: \[\]: a problem has at least one variant"),
        (("variants", 0, "input_size"), 128.5, r"variants\[0\]\.input_size: 128.5: must be whole"),
        (("variants", 0, "accuracy"), 2, r"variants\[0\]\.accuracy: 2.0: must be a number"),
        (("variants", 0, "latency_ms", "gpu"), [], r"latency_ms\.gpu: \[\]: must list at least"),
        (
            ("variants", 0, "latency_ms", "gpu", 1),
            0,
            r"latency_ms\.gpu\[1\]: 0.0: must be 1e-06 to 60000",
        ),
        (("overhead_ms",), -2, r"overhead_ms: -2.0: must be 0 to 60000"),
    ],
)
def test_what_is_wrong_is_named_with_file_place_value_and_rule(write, place, value, message):
    data = copy.deepcopy(GOOD)
    target = data
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    path = write(data)
    with pytest.raises(UsageError, match=message) as caught:
        read_problem(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r":1:2: must be JSON"),
        ("[]", r"\[\]: must be a mapping"),
        ("{}", r"devices: is missing"),
        ("[" * 100_000, "must be JSON"),
        ('{"devices": NaN}', "NaN is not a number"),
    ],
)
def test_what_is_no_problem_at_all_is_refused(write, text, message):
    with pytest.raises(UsageError, match=message):
        read_problem(write(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.json: cannot be read: No such file"):
        read_problem(tmp_path / "none.json")
