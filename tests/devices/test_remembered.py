"""What networks find in pictures is kept, and found again by content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from moonjelly.core.answers import Detections
from moonjelly.core.errors import RunError
from moonjelly.devices import remembered
from moonjelly.devices.detecting import PictureRunner
from moonjelly.devices.remembered import Asked, RememberedDetections
from moonjelly.vision.accuracy import evaluate_detections, truth_of
from moonjelly.vision.classes import TRAFFIC_CLASSES
from moonjelly.vision.preprocessing import decode_frame, encode_frame
from moonjelly.vision.scenes import Scene
from moonjelly.zoos import open_zoo

SMALL = "traffic-n-128"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "moonjelly" / "detections"


@pytest.fixture(scope="module")
def jpegs() -> list[bytes]:
    scene = Scene(3)
    return [encode_frame(scene.frame(number).image, 128) for number in (0, 20, 40)]


def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> PictureRunner:
        raise AssertionError("a network was asked")

    monkeypatch.setattr(remembered, "PictureRunner", refuse)


def same(one: Detections, other: Detections) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("boxes", "scores", "class_ids")
    )


def test_it_finds_what_the_network_finds_and_looks_once(
    jpegs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = PictureRunner(open_zoo("traffic"), SMALL)
    by_hand = [look(decode_frame(jpeg, 128)) for jpeg in jpegs]
    asked = [Asked(SMALL, jpeg) for jpeg in (*jpegs, jpegs[0])]
    first = list(RememberedDetections(open_zoo("traffic")).find(asked))
    assert sum(len(one) for one in first) > 3
    nobody_looks(monkeypatch)
    again = list(RememberedDetections(open_zoo("traffic")).find(asked))
    for expected, one, other in zip([*by_hand, by_hand[0]], first, again, strict=True):
        assert same(expected, one)
        assert same(expected, other)


def test_another_variant_looks_for_itself(jpegs: list[bytes]) -> None:
    finder = RememberedDetections(open_zoo("traffic"))
    small, large = finder.find([Asked(SMALL, jpegs[0]), Asked("traffic-n-256", jpegs[0])])
    assert not same(small, large)


def test_what_was_found_before_it_was_stopped_is_kept(
    jpegs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "AT_ONCE", 2)

    def interrupted() -> Iterator[Asked]:
        yield from (Asked(SMALL, jpeg) for jpeg in jpegs[:2])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(RememberedDetections(open_zoo("traffic")).find(interrupted()))
    nobody_looks(monkeypatch)
    kept = RememberedDetections(open_zoo("traffic"))
    assert len(list(kept.find([Asked(SMALL, jpeg) for jpeg in jpegs[:2]]))) == 2
    with pytest.raises(AssertionError, match="a network was asked"):
        list(kept.find([Asked(SMALL, jpegs[2])]))


def test_a_broken_cache_is_named(jpegs: list[bytes], cache: Path) -> None:
    finder = RememberedDetections(open_zoo("traffic"))
    list(finder.find([Asked(SMALL, jpegs[0])]))
    (path,) = cache.glob("*.sqlite")
    path.write_bytes(b"no database" * 100)
    with pytest.raises(RunError, match=rf"^{path}: cannot be used: .* it may be removed$"):
        list(finder.find([Asked(SMALL, jpegs[0])]))


def test_pictures_that_no_link_has_harmed_are_found_to_hold_most_of_what_is_drawn() -> None:
    frames = [Scene(3).frame(number) for number in (0, 30)]
    golden = open_zoo("traffic").zoo.golden_variant.name
    asked = [Asked(golden, frame.image) for frame in frames]
    found = list(RememberedDetections(open_zoo("traffic")).find(asked))
    scored = evaluate_detections([truth_of(frame) for frame in frames], found, TRAFFIC_CLASSES)
    assert scored.num_frames == 2
    assert scored.map50 > 0.8
