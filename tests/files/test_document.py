from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.core.limits import Range
from moonjelly.core.options import check_ranges, option, required, same_options
from moonjelly.files.document import Document, ReadBy
from moonjelly.files.yaml_file import read_yaml


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def whole_minutes(text: str) -> int:
    if not text.endswith("min"):
        raise ValueError(f"{text!r}: must end with min")
    return int(text.removesuffix("min"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    weight_kg: float = required(Range(0, 10))
    colour: Colour = Colour.RED

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    name: str
    parts: tuple[Part, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    time: Annotated[int, ReadBy(whole_minutes, str)] = 5
    words: Annotated[tuple[str, ...], ReadBy(tuple, takes_one=True)] = ()
    limit: float | None = option(None, limits=Range(1, 2))
    is_new: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)


def read(folder: Path, text: str) -> Whole:
    path = folder / "whole.yaml"
    path.write_text(text)
    return read_yaml(path).read(Whole)


def test_values_become_their_types(tmp_path: Path) -> None:
    text = """\
name: "12"
parts: [{weight_kg: 2, colour: blue}, {weight_kg: 0.5}]
counts: {a: 1, 2: 3}
time: 7min
words: alone
"""
    assert read(tmp_path, text) == Whole(
        name="12",
        parts=(Part(weight_kg=2.0, colour=Colour.BLUE), Part(weight_kg=0.5)),
        counts={"a": 1, "2": 3},
        time=7,
        words=("alone",),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("naem: x", ":1: naem: no such option; did you mean name?"),
        ("name: x\nq: 1", ":2: q: no such option; known are name, parts, counts, time, words, "),
        ("is_new: true", ": name: is missing"),
        ("name: 12", ":1: name: 12: must be text; put it in quotes"),
        ("name: x\nparts:\n- weight_kg: 1\n- {}", ":4: parts[1].weight_kg: is missing"),
        ("name: x\nparts:\n- {weight_kg: 11}", ":3: parts[0].weight_kg: 11.0: must be 0 to 10"),
        ("name: x\nparts:\n- {weight: 1}", ":3: parts[0].weight: no such option; did you mean weight"),
        ("name: x\nparts:\n- {weight_kg: 1, colour: no}", ":3: parts[0].colour: 'no': must be 'red' or"),
        ("name: x\nparts: {}", ":2: parts: {}: must be a list"),
        ("name: x\nparts: [1]", ":2: parts[0]: 1: must be a mapping"),
        ("name: x\ncounts: {a: 1.0}", ":2: counts.a: 1.0: must be a whole number"),
        ('name: x\ncounts: {a: "1"}', ":2: counts.a: '1': must be a whole number"),
        ("name: x\ntime: 7", ":2: time: 7: must be text"),
        ("name: x\ntime: 7s", ":2: time: '7s': must end with min"),
        ("name: x\nwords: [1]", ":2: words[0]: 1: must be text"),
        ("name: x\nis_new: yes", ":2: is_new: 'yes': must be true or false"),
        ("name: x\nlimit: 3", ":2: limit: 3.0: must be 1 to 2"),
        ("name: x\nlimit: ~", ":2: limit: '~': must be a decimal number, true, false, or text in quotes"),
        ('name: "\\ud800"', ": must be of whole characters"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_line_place_value_and_rule(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert f"whole.yaml{complaint}" in str(caught.value)


def test_what_a_flag_gave_is_called_by_the_flag(tmp_path: Path) -> None:
    path = tmp_path / "whole.yaml"
    path.write_text("name: ~\nlimit: 7\n")
    given = Document(None, {"name": "x", "limit": 3.0}, flags={"limit": "--limit"})
    with pytest.raises(UsageError, match=r"^--limit: 3\.0: must be 1 to 2$"):
        given.over(read_yaml(path)).read(Whole)
    given = Document(None, {"name": "x"}, flags={"name": "--name"})
    with pytest.raises(UsageError, match=r"whole\.yaml:2: limit: 7\.0: must be 1 to 2$"):
        given.over(read_yaml(path)).read(Whole)


def test_a_complaint_of_a_value_belongs_to_its_field_if_it_is_given() -> None:
    document = Document(Path("f"), {"a": {"b": 1}}, {("a",): 3, ("a", "b"): 4})
    assert str(document.refusal(("a",), "b=1: is odd")) == "f:4: a.b: 1: is odd"
    assert str(document.refusal(("a", "b"), "b=1: is odd")) == "f:4: a.b: 1: is odd"
    assert str(document.refusal(("a",), "c=1: is odd")) == "f:3: a: c=1: is odd"
    assert str(document.refusal((), "is odd")) == "f: is odd"


def test_fields_of_a_base_are_handed_on() -> None:
    assert same_options(Part(weight_kg=1.0), Part) == {"weight_kg": 1.0, "colour": Colour.RED}


@pytest.mark.parametrize(
    "module", ["cli", "server.child", "server.config_flags", "simulation.scenario"]
)
def test_what_reads_nothing_does_not_load_pydantic(module: str) -> None:
    code = f"import sys, moonjelly.{module}; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
