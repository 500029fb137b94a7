from __future__ import annotations

import cv2
import numpy as np
import pytest

from moonjelly.vision.classes import TRAFFIC_CLASSES
from moonjelly.vision.scenes import MIN_VISIBILITY_RATIO, Scene, SceneFrame, Split


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(3, "test", 640, 360)


def _same(a: SceneFrame, b: SceneFrame) -> bool:
    return bool(np.array_equal(a.image, b.image)) and a.objects == b.objects


def test_a_frame_is_the_same_whenever_it_is_asked_for(scene: Scene) -> None:
    first = scene.frame(31)
    for index in (7, 90, 0):
        scene.frame(index)
    assert _same(first, scene.frame(31))


def test_two_scenes_of_one_seed_are_the_same_and_of_two_seeds_are_not(scene: Scene) -> None:
    assert _same(scene.frame(12), Scene(3, "test", 640, 360).frame(12))
    assert not np.array_equal(scene.frame(12).image, Scene(4, "test", 640, 360).frame(12).image)


def test_one_seed_gives_another_scene_in_each_split() -> None:
    frames = [Scene(3, split, 320, 192).frame(5).image for split in ("train", "val", "test")]
    assert not np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[1], frames[2])
    assert not np.array_equal(frames[0], frames[2])


def test_a_frame_has_the_size_asked_for_and_boxes_inside_it(scene: Scene) -> None:
    for index in range(0, 200, 20):
        frame = scene.frame(index)
        assert frame.image.shape == (360, 640, 3)
        assert frame.image.dtype == np.uint8
        for found in frame.objects:
            x0, y0, x1, y1 = found.box_px
            assert 0 <= x0 < x1 <= 640
            assert 0 <= y0 < y1 <= 360
            assert 0 < found.visibility_ratio <= 1
            assert 0 <= found.class_id < len(TRAFFIC_CLASSES)


def test_what_is_mostly_hidden_is_not_asked_for() -> None:
    seen = [
        found
        for seed in range(4)
        for index in range(0, 120, 12)
        for found in _CROWDED[seed].frame(index).objects
    ]
    hidden = [found for found in seen if found.visibility_ratio < MIN_VISIBILITY_RATIO]
    assert hidden
    assert all(found.is_ignored for found in hidden)


_CROWDED = [Scene(seed, "train", 320, 192) for seed in range(4)]


def test_traffic_moves_and_its_pace_follows_the_frame_rate() -> None:
    slow, fast = Scene(5, "test", 320, 192, fps=5.0), Scene(5, "test", 320, 192, fps=10.0)
    assert [f.box_px for f in slow.frame(10).objects] != [f.box_px for f in slow.frame(14).objects]
    a = [(found.class_id, found.is_ignored) for found in slow.frame(10).objects]
    b = [(found.class_id, found.is_ignored) for found in fast.frame(20).objects]
    assert a == b


def test_a_box_is_the_box_of_the_pixels_that_the_object_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each vehicle is drawn alone, without shadow, blur or noise, onto the empty street."""
    from moonjelly.vision.scenes import scene as module

    monkeypatch.setattr(module, "cast_shadow", lambda *_: None)
    monkeypatch.setattr(module, "blur_motion", lambda *_: None)
    monkeypatch.setattr(module, "light_lamps", lambda *_: None)
    checked = 0
    for seed in range(3):
        scene = Scene(seed, "test")
        scene._noise = np.zeros_like(scene._noise)
        whole = scene._in_sight
        empty = _with_vehicles(monkeypatch, scene, [])
        for vehicle in whole(4.0, _shake(scene, 40)):
            drawn = _with_vehicles(monkeypatch, scene, [vehicle])
            if not drawn.objects or drawn.objects[0].is_ignored:
                continue
            changed = cv2.absdiff(drawn.image, empty.image).max(axis=2) > 5
            rows, columns = np.nonzero(changed.any(axis=1))[0], np.nonzero(changed.any(axis=0))[0]
            # The rim of a smooth edge is painted half and may reach one pixel further.
            expected = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            np.testing.assert_allclose(drawn.objects[0].box_px, expected, atol=2.0)
            checked += 1
    assert checked >= 8


def _shake(scene: Scene, index: int) -> tuple[int, int]:
    from moonjelly.vision.scenes.splits import generator

    rng = generator(scene.split, scene.seed, 1, index)
    shake = np.clip(rng.normal(0, scene._shake_px, 2), -scene._margin_px, scene._margin_px)
    return round(shake[0]), round(shake[1])


def _with_vehicles(monkeypatch: pytest.MonkeyPatch, scene: Scene, vehicles: list) -> SceneFrame:
    with monkeypatch.context() as patch:
        patch.setattr(scene, "_in_sight", lambda *_: vehicles)
        return scene.frame(40)


@pytest.mark.parametrize(
    ("seed", "split", "classes", "nearest_px", "mean", "spread"),
    [
        (2, "test", [0, 2, 3, 1], (0, 179, 2, 180), (72.4, 74.9, 71.4), 27.1),
        (
            5,
            "test",
            [3, 2, 0, 3, 3, 0, 3, 0, 0, 1],
            (194, 122, 320, 180),
            (75.9, 93.2, 109.6),
            39.8,
        ),
        (0, "val", [2, 3, 3, 2, 3, 0, 3, 0, 0], (238, 105, 270, 143), (94.9, 103.6, 95.6), 30.9),
        (1, "train", [2, 2], (191, 95, 320, 180), (88.5, 107.5, 92.3), 46.7),
    ],
)
def test_scenes_look_as_when_the_shipped_weights_were_trained(
    seed: int, split: Split, classes: list, nearest_px: tuple, mean: tuple, spread: float
) -> None:
    frame = Scene(seed, split, 320, 180).frame(46)
    assert [found.class_id for found in frame.objects] == classes
    assert frame.objects[-1].box_px == pytest.approx(nearest_px, abs=0.75)
    assert tuple(frame.image.mean((0, 1))) == pytest.approx(mean, abs=0.3)
    assert frame.image.std() == pytest.approx(spread, abs=0.3)


def test_traffic_is_not_mostly_tiny_and_holds_every_class() -> None:
    sizes, classes = [], set()
    for seed in range(12):
        scene = Scene(seed, "val", 320, 180)
        for index in (0, 40, 80, 120):
            for found in scene.frame(index).objects:
                classes.add(found.class_id)
                if not found.is_ignored:
                    x0, _, x1, _ = found.box_px
                    sizes.append((x1 - x0) * 4)
    assert classes == {0, 1, 2, 3}
    assert 40 <= np.median(sizes) <= 160
    assert np.quantile(sizes, 0.05) >= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"seed": 0, "split": "exam"}, "split is 'exam'"),
        ({"seed": 0, "width_px": 0}, "0 x 720"),
        ({"seed": 0, "fps": 0.0}, "fps is 0.0"),
    ],
)
def test_a_scene_refuses_what_it_cannot_draw(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scene(**arguments)


def test_a_negative_frame_is_refused(scene: Scene) -> None:
    with pytest.raises(ValueError, match="index is -1"):
        scene.frame(-1)
