from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moonjelly.core.errors import UsageError
from moonjelly.server.config_flags import read_config

GOOD = """\
# a server
port: 0
host: 127.0.0.1
plan_period_ms: 250
rate_tolerance_ratio: 1.5e0
insecure: false
zoo: replayed-gpu
variants: [yolov4-128, yolov4-160]
devices:
  - replayed:gpu
  - replayed:gpu
"""

BAD = {
    "empty": ("", 1, "no options"),
    "only comments": ("# nothing\n", 1, "no options"),
    "a list": ("- port\n", 1, "mapping"),
    "a text": ("port\n", 1, "mapping"),
    "tab indentation": ("port: 1\ndevices:\n\t- auto\n", 3, "cannot start any token"),
    "unclosed quote": ('zoo: "traffic\n', 2, "quoted scalar"),
    "NUL": ("port: 1\nzoo: a\0b\n", 2, "special characters"),
    "duplicate key": ("port: 1\nhost: localhost\nport: 2\n", 3, "port: given before, in line 1"),
    "unknown key": ("prot: 1\n", 1, "did you mean port?"),
    "misspelt key": ("plan_periodms: 1\n", 1, "did you mean plan_period_ms?"),
    "key that is no text": ("[1, 2]: 3\n", 1, "a name must be text"),
    "object tag": ("zoo: !!python/object/apply:os.system [ls]\n", 1, "tags are not taken"),
    "custom tag": ("zoo: !secret x\n", 1, "tags are not taken"),
    "standard tag": ("port: !!int 5\n", 1, "tags are not taken"),
    "alias": ("variants: &a [x]\ndevices: *a\n", 2, "aliases are not taken"),
    "recursive alias": ("variants: &a [*a]\n", 1, "aliases are not taken"),
    "nested deep": ("zoo: " + "[" * 1000 + "]" * 1000 + "\n", 1, "nested at most"),
    "several documents": ("port: 1\n---\nport: 2\n", 2, "single document"),
    "boolean for number": ("port: no\n", 1, "port: 'no': must be a whole number"),
    "leading zero": ("port: 08\n", 1, "port: '08': must be a whole number"),
    "octal": ("port: 010\n", 1, "must be a whole number"),
    "hexadecimal": ("port: 0x10\n", 1, "must be a whole number"),
    "underscore": ("port: 1_0\n", 1, "must be a whole number"),
    "exponent for whole number": ("port: 1e3\n", 1, "must be a whole number"),
    "sexagesimal": ("port: 12:30:45\n", 1, "must be a whole number"),
    "float for whole number": ("port: 1.0\n", 1, "must be a whole number"),
    "quoted number": ('port: "10"\n', 1, "must be a whole number"),
    "huge number": (f"seed: {'9' * 400}\n", 1, "is too large"),
    "NaN": ("plan_period_ms: .nan\n", 1, "must be a number"),
    "infinity": ("plan_period_ms: .inf\n", 1, "must be a number"),
    "overflow": ("plan_period_ms: 1e999\n", 1, "must be a finite number"),
    "negative": ("\nplan_period_ms: -5\n", 2, "plan_period_ms: -5.0: must be 50 to"),
    "unknown planner": ("port: 1\nplanner: bogus\n", 2, "planner: 'bogus': must be one of"),
    "unknown batcher": ("batcher: bogus\n", 1, "batcher: 'bogus': must be one of"),
    "unknown budget rule": ("budget_rule: bogus\n", 1, "budget_rule: 'bogus': must be one of"),
    "unknown log level": ("log_level: bogus\n", 1, "log_level: 'bogus': must be one of"),
    "zero": ("endpoints: 0\n", 1, "endpoints: 0: must be 1 to 64"),
    "list for scalar": ("port: [1]\n", 1, "must be a whole number"),
    "null": ("port:\n", 1, "must be a whole number"),
    "number for text": ("zoo: 5\n", 1, "put it in quotes"),
    "boolean for text": ("zoo: no\n", 1, "put it in quotes"),
    "null for text": ("out_dir: ~\n", 1, "put it in quotes"),
    "text for flag": ("insecure: yes\n", 1, "must be true or false"),
    "URL for path": ("out_dir: http://x/y\n", 1, "must be a path"),
    "zoo of two words": ("zoo: my zoo\n", 1, "zoo"),
    "text for list": ("variants: a\n", 1, "must be a list"),
    "unknown device": ("devices: [tpu:0]\n", 1, "must be cpu:CORES"),
    "bad cores": ("port: 1\ndevices: ['cpu:3-1']\n", 2, "cores must be like"),
    "device as mapping": ("devices: [{kind: cpu}]\n", 1, "must be text"),
    "others can reach it": ("port: 1\nhost: 10.0.0.1\n", 2, "say insecure"),
    "contradicting limits": ("max_frame_bytes: 9000000\n", 1, "must be 4096 to"),
}


def write(path: Path, text: str) -> Path:
    file = path / "server.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_gives_options_and_the_rest_stays(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, GOOD))
    assert config.port == 0
    assert config.plan_period_ms == 250.0
    assert config.rate_tolerance_ratio == 1.5
    assert config.variants == ("yolov4-128", "yolov4-160")
    assert [device.device_id for device in config.devices] == ["replayed0", "replayed1"]
    assert config.max_sessions == 1024


def test_flags_go_over_the_file(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, GOOD), {"plan_period_ms": "300"})
    assert config.plan_period_ms == 300.0
    assert config.zoo == "replayed-gpu"


def test_a_byte_order_mark_is_taken(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "\ufeffport: 0\n")).port == 0


def test_devices_may_be_left_to_be_found(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "devices: auto\n")).devices == ()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_file_line_and_rule(tmp_path: Path, name: str) -> None:
    text, line, rule = BAD[name]
    file = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_config(file)
    message = str(caught.value)
    assert message.startswith(f"{file}:{line}: ")
    assert rule in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("port: 1\n".encode("utf-16"), "UTF-8"),
        (b"port: 1\nzoo: \xff\xfe\n", ":2: must be text in UTF-8"),
        (b"zoo: " + b"x" * 1024 * 1024, "at most"),
    ],
)
def test_bytes_that_are_no_small_text_are_refused(tmp_path: Path, data: bytes, rule: str) -> None:
    file = tmp_path / "server.yaml"
    file.write_bytes(data)
    with pytest.raises(UsageError, match=rule):
        read_config(file)


def test_an_expanding_file_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    with pytest.raises(UsageError, match="aliases"):
        read_config(write(tmp_path, "\n".join(lines)))


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo, Path("/dev/zero"), tmp_path / "missing"):
        with pytest.raises(UsageError, match=str(path)):
            read_config(path)


def test_a_bad_flag_is_called_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--port: 70000: must be 0 to 65535$"):
        read_config(write(tmp_path, GOOD), {"port": "70000"})


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=80) | st.from_regex(r"\A(port|zoo|seed|devices): .{0,30}\Z"))
def test_any_text_is_read_or_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read_config(file)
    except UsageError as error:
        problem = str(error)
    else:
        problem = ""
    assert "\n" not in problem
