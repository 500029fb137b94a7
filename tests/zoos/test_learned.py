from __future__ import annotations

import json
from pathlib import Path

import pytest

from moonjelly.scheduling.slowness import AS_PROFILED, Slowness
from moonjelly.zoos import Fingerprint, LearnedFile, learned_file

SLOW = Slowness(1.4, 2.5, 1.2)


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "latency-cpu.csv"
    path.write_text("a profile\n")
    return path


def test_a_new_start_begins_where_the_last_one_ended(tmp_path: Path, profile: Path) -> None:
    path = tmp_path / "learned-cpu0.json"
    first = LearnedFile(path, profile)
    assert first.slowness == AS_PROFILED
    first.keep(SLOW)
    assert LearnedFile(path, profile).slowness == SLOW
    assert {one.name for one in tmp_path.iterdir()} == {path.name, profile.name}


def test_what_was_learned_beside_another_profile_is_forgotten(
    tmp_path: Path, profile: Path
) -> None:
    path = tmp_path / "learned-cpu0.json"
    LearnedFile(path, profile).keep(SLOW)
    profile.write_text("measured again\n")
    assert LearnedFile(path, profile).slowness == AS_PROFILED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"schema": 1}',
        "\x00\xff",
        '{"schema": 1, "profile": "PROFILE", "ratio": "x", "extra_ms": 0, "spread_ratio": 1}',
        '{"schema": 1, "profile": "PROFILE", "ratio": -1, "extra_ms": 0, "spread_ratio": 1}',
        '{"schema": 1, "profile": "PROFILE", "ratio": 1, "extra_ms": Infinity, "spread_ratio": 1}',
        '{"schema": 1, "profile": "PROFILE", "ratio": 1, "strange": 1, "spread_ratio": 1}',
        '{"schema": 9, "profile": "PROFILE", "ratio": 2, "extra_ms": 0, "spread_ratio": 1}',
    ],
)
def test_a_broken_file_is_as_none(tmp_path: Path, profile: Path, text: str) -> None:
    path = tmp_path / "learned-cpu0.json"
    LearnedFile(path, profile).keep(SLOW)
    digest = json.loads(path.read_text())["profile"]
    path.write_text(text.replace("PROFILE", digest), encoding="latin-1")
    assert LearnedFile(path, profile).slowness == AS_PROFILED


def test_a_device_does_not_fail_for_want_of_a_place(tmp_path: Path, profile: Path) -> None:
    learned = LearnedFile(tmp_path / "not" / "there" / "learned-cpu0.json", profile)
    learned.keep(SLOW)
    assert learned.slowness == SLOW


def test_it_lies_with_this_machine_s_own_profiles(
    tmp_path: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = Fingerprint("cpu", 1, "torch")
    learned = learned_file("toy", "cpu0", "cpu-1core", here, profile)
    assert learned is not None
    learned.keep(SLOW)
    (path,) = (tmp_path / "cache").rglob("learned-cpu0.json")
    assert path.parent.name == here.label
