from __future__ import annotations

import numpy as np
import pytest

from moonjelly.client.sources import EncodingSource
from moonjelly.core.zoo import Fit
from moonjelly.live_run.scenes import LoopedScene, RememberedScene
from moonjelly.vision.preprocessing import encode_frame


def test_a_remembered_scene_knows_the_truth_of_what_it_drew_and_of_what_it_did_not() -> None:
    source = RememberedScene(5, 10.0)
    image = source.read(30)
    assert image is not None
    assert (image == source.scene.frame(30).image).all()
    assert set(source.truth) == {30}
    drawn = source.truth_at(30)
    assert len(drawn.class_ids) == len(source.scene.frame(30).objects)
    assert ((drawn.boxes >= 0) & (drawn.boxes <= 1)).all()
    source.truth_at(31)
    assert set(source.truth) == {30, 31}


def test_a_looped_scene_shows_its_first_frames_again_and_again_with_their_truth() -> None:
    looped, scene = LoopedScene(5, 10.0, 3), RememberedScene(5, 10.0)
    for index in (0, 2, 3, 7):
        image, drawn = looped.read(index), scene.read(index % 3)
        assert image is not None
        assert drawn is not None
        assert np.array_equal(image, drawn)
        assert np.array_equal(looped.truth_at(index).boxes, scene.truth_at(index % 3).boxes)
    looped.close()
    looped.close()


def test_a_looped_scene_encodes_as_others_do_but_only_once() -> None:
    looped = LoopedScene(5, 10.0, 2)
    looped.encode_ahead([128], 90, Fit.STRETCH)
    for index in (0, 1, 5):
        image = looped.read(index)
        assert image is not None
        for side_px, quality in ((128, 90), (160, 50)):
            jpeg = looped.encode(image, side_px, quality, Fit.STRETCH)
            assert jpeg == encode_frame(image, side_px, quality)
            assert looped.encode(image, side_px, quality, Fit.STRETCH) is jpeg
    assert isinstance(looped, EncodingSource)
    assert not isinstance(RememberedScene(5, 10.0), EncodingSource)
    with pytest.raises(KeyError):
        looped.encode(np.zeros((9, 16, 3), np.uint8), 128, 90, Fit.STRETCH)


def test_a_looped_scene_has_a_frame() -> None:
    with pytest.raises(ValueError, match="num_frames=0: must be at least 1"):
        LoopedScene(5, 10.0, 0)
