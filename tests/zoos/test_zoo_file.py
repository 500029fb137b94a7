"""`zoo.yaml` comes back as it was written, and says what is wrong in it."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.errors import UsageError
from moonjelly.core.zoo import Colour, Fit, InputFormat, Network, Runtime, Task, Zoo
from moonjelly.zoos import ZOO_FILE, read_zoo_file, write_zoo_file

NUMBERS = st.floats(-1000, 1000, allow_nan=False)
POSITIVE = st.floats(0.001, 1000)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
INPUTS = st.builds(
    InputFormat,
    st.just(Fit.LETTERBOX),
    st.sampled_from(Colour),
    POSITIVE,
    st.tuples(NUMBERS, NUMBERS, NUMBERS),
    st.tuples(POSITIVE, POSITIVE, POSITIVE),
    is_nhwc=st.booleans(),
)
NETWORKS = st.builds(
    Network,
    NAMES,
    st.sets(st.integers(1, 4096), min_size=1, max_size=4).map(lambda sides: tuple(sorted(sides))),
    NAMES.map("{}.onnx".format),
    st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    st.sampled_from(Runtime),
    TEXTS,
    INPUTS,
    st.none() | st.integers(1, 8),
)


@given(
    st.sampled_from(Task),
    st.lists(TEXTS.filter(str.isprintable).filter(bool), min_size=1, max_size=5).map(tuple),
    st.lists(NETWORKS, min_size=1, max_size=3, unique_by=lambda one: one.name).map(tuple),
)
@settings(max_examples=60, deadline=None)
def test_a_zoo_comes_back_as_it_was_written(tmp_path_factory, task, class_names, networks) -> None:
    folder = tmp_path_factory.mktemp("zoo")
    zoo = Zoo(folder.name, task, class_names, networks)
    zoo = replace(zoo, golden=zoo.variants[0].name)
    write_zoo_file(folder, zoo)
    assert read_zoo_file(folder) == zoo


GOOD = f"""schema: 1
task: detection
class_names: [cat]
networks:
- name: net
  sides_px: [320, 416]
  file: net.onnx
  sha256: "{64 * "0"}"
  head: yolov8
"""


def read(folder: Path, text: str) -> Zoo:
    (folder / ZOO_FILE).write_text(text, encoding="utf-8")
    return read_zoo_file(folder)


def test_what_is_left_out_is_as_usual(tmp_path: Path) -> None:
    (network,) = read(tmp_path, GOOD).networks
    assert network.input == InputFormat()
    assert network.runtime is Runtime.ONNX
    assert {field.name for field in fields(network)} >= {"max_batch_size", "input"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("schema: 1", "schema: 2", r"zoo\.yaml:1: schema: 2: must be 1"),
        ("detection", "detecting", r"zoo\.yaml:2: task"),
        ("[cat]", '["a\\tb"]', "class_names: .*must be 1 to 256 printable characters"),
        ("[cat]", '[""]', "class_names: '': must be 1 to 256"),
        ("[cat]", "[]", r"zoo\.yaml.*class_names: must be 1 to 10000"),
        ("[320, 416]", "[416, 320]", r"zoo\.yaml:6: .*sides_px: .*rising"),
        ("[320, 416]", "[]", r"zoo\.yaml:6: .*sides_px"),
        ("name: net", "name: a b", r"zoo\.yaml:5: .*name"),
        ("head:", "heads:", r"zoo\.yaml:9: .*heads"),
        ("file: net.onnx", "file: 7", r"zoo\.yaml:7: .*file"),
        ("file: net.onnx", "file: ../net.onnx", r"zoo\.yaml:7: .*file: .*own folder"),
        ("file: net.onnx", "file: /net.onnx", r"zoo\.yaml:7: .*file: .*own folder"),
        ("file: net.onnx", 'file: "a\\0b"', r"zoo\.yaml:7: .*file: .*own folder"),
        (64 * "0", "00", r"zoo\.yaml:8: .*sha256: '00': must be 64 hexadecimal digits"),
        ("networks:", "golden: net-64\nnetworks:", r"golden: .*must be one of net-320, net-416"),
        ("  head: yolov8", "  input: {scale: 0}", r"zoo\.yaml:9: .*scale"),
        ("  head: yolov8", "  input: {fit: squeeze}", r"zoo\.yaml:9: .*fit"),
        ("  head: yolov8", "  input: {is_uint8: true}", "is_uint8.*scale must be 1"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(tmp_path: Path, old, new, complaint) -> None:
    assert old in GOOD
    with pytest.raises(UsageError, match=complaint):
        read(tmp_path, GOOD.replace(old, new))


def test_networks_of_two_fits_are_refused(tmp_path: Path) -> None:
    text = GOOD + "- {name: other, sides_px: [64], input: {fit: letterbox}}\n"
    with pytest.raises(UsageError, match=r"input\.fit must be the same for all"):
        read(tmp_path, text)
