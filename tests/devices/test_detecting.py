"""Networks of a zoo are made ready with the library that runs them, and find what there is."""

from __future__ import annotations

import numpy as np
import pytest
from toy_zoos import make_zoo

from moonjelly.core.errors import UsageError
from moonjelly.devices.detecting import PictureRunner
from moonjelly.vision.accuracy import truth_of
from moonjelly.vision.postprocessing import box_ious
from moonjelly.vision.preprocessing import decode_frame, encode_frame
from moonjelly.vision.scenes import Scene
from moonjelly.zoos import WeightsError, open_zoo


def test_a_shipped_detector_finds_the_vehicles() -> None:
    detect = PictureRunner(open_zoo("traffic"), "traffic-s-416")
    found = asked = false = 0
    for seed in (2, 3, 7):
        scene = Scene(seed, "test")
        for index in (10, 35, 60):
            frame = scene.frame(index)
            truth = truth_of(frame)
            answer = detect(decode_frame(encode_frame(frame.image, 416), 416))
            sure = answer.scores >= 0.4
            overlap = box_ious(truth.boxes, answer.boxes[sure])
            same = truth.class_ids[:, None] == answer.class_ids[sure][None, :]
            hit = ((overlap >= 0.5) & same).any(axis=1)
            asked += int((~truth.is_ignored).sum())
            found += int(hit[~truth.is_ignored].sum())
            false += int((~(overlap >= 0.3).any(axis=0)).sum())
    assert asked >= 30
    assert found / asked >= 0.75
    assert false <= 0.2 * asked


def test_a_variant_that_is_not_known_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"variant 'traffic-x-1'.*traffic-n-128"):
        PictureRunner(open_zoo("traffic"), "traffic-x-1")


def test_a_network_without_a_file_cannot_be_run(tmp_path) -> None:
    with pytest.raises(WeightsError, match="network a has no file"):
        PictureRunner(make_zoo(tmp_path / "mine", {"a": [32]}), "a-32")


def test_every_shipped_table_lists_the_variants_of_its_zoo() -> None:
    for name in ("traffic", "replayed-gpu", "yolov4"):
        zoo = open_zoo(name)
        assert sorted(one.name for one in zoo.variants) == sorted(
            one.name for one in zoo.zoo.variants
        )
        assert all(np.diff([one.accuracy for one in zoo.variants]) >= 0)
