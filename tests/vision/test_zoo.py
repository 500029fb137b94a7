from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from moonjelly.training.evaluation import (
    answer_frames,
    score_variants,
    truth_of,
)
from moonjelly.vision import zoo as module
from moonjelly.vision.classes import TRAFFIC_CLASSES
from moonjelly.vision.manifest import WeightsError
from moonjelly.vision.postprocessing import BrokenOutput, box_ious
from moonjelly.vision.preprocessing import decode_frame, encode_frame
from moonjelly.vision.scenes import Scene
from moonjelly.vision.zoo import TorchDetector, build_detector, load_network, load_zoo
from moonjelly.zoos.variants import COLUMNS

TABLE = Path(__file__).parents[2] / "profiles" / "traffic" / "variants.csv"


def test_the_zoo_lists_its_variants_smallest_input_first() -> None:
    zoo = load_zoo("traffic")
    assert zoo.class_names == TRAFFIC_CLASSES
    assert 10 <= len(zoo.variants) <= 20
    sides = [variant.input_side_px for variant in zoo.variants]
    assert sides == sorted(sides)
    assert all(side % 32 == 0 and 128 <= side <= 608 for side in sides)
    names = [variant.name for variant in zoo.variants]
    assert len(set(names)) == len(names)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="zoo is 'cats': it must be one of traffic"):
        load_zoo("cats")
    with pytest.raises(ValueError, match=r"variant is 'traffic-x-1'.*traffic-n-128"):
        build_detector("traffic-x-1")


def test_variants_of_a_network_share_its_weights() -> None:
    small, large = build_detector("traffic-n-128"), build_detector("traffic-n-320")
    assert small._network is large._network


def test_the_table_of_the_zoo_agrees_with_the_zoo() -> None:
    content = TABLE.read_bytes()
    assert b"\r" not in content
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    listed = [(row["variant"], row["network"], int(row["input_side_px"])) for row in rows]
    zoo = load_zoo("traffic")
    assert listed == [(v.name, v.network, v.input_side_px) for v in zoo.variants]
    for network in {row["network"] for row in rows}:
        own = [row for row in rows if row["network"] == network]
        for smaller, larger in itertools.pairwise(own):
            assert float(larger["map"]) >= float(smaller["map"]) - 0.01
            assert float(larger["frame_kbits"]) > float(smaller["frame_kbits"])
    assert min(int(row["num_frames"]) for row in rows) >= 600
    best = max(float(row["map"]) for row in rows)
    assert float(rows[0]["map"]) <= 0.65 * best
    assert max(float(row["map50"]) for row in rows) >= 0.85


def test_a_shipped_detector_finds_the_vehicles() -> None:
    detector = build_detector("traffic-s-416")
    found = asked = false = 0
    for seed in (2, 3, 7):
        scene = Scene(seed, "test")
        for index in (10, 35, 60):
            frame = scene.frame(index)
            truth = truth_of(frame)
            batch = decode_frame(encode_frame(frame.image, 416), 416)[None]
            answer = detector(batch)[0]
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


def test_an_answer_does_not_depend_on_the_rest_of_the_batch() -> None:
    detector = build_detector("traffic-n-192")
    frames = [
        decode_frame(encode_frame(Scene(seed, "test", 640, 360).frame(9).image, 192), 192)
        for seed in (1, 2)
    ]
    together = detector(np.stack(frames))
    assert len(together) == 2
    for frame, answer in zip(frames, together, strict=True):
        alone = detector(frame[None])[0]
        assert alone.class_ids.tolist() == answer.class_ids.tolist()
        np.testing.assert_allclose(alone.boxes, answer.boxes, atol=1e-3)
        np.testing.assert_allclose(alone.scores, answer.scores, atol=1e-3)


def test_frames_may_lie_in_memory_that_is_read_only() -> None:
    frames = np.zeros((1, 128, 128, 3), np.uint8)
    frames.flags.writeable = False
    assert len(build_detector("traffic-n-128")(frames)) == 1


def test_an_empty_batch_gives_no_answers() -> None:
    assert build_detector("traffic-n-128")(np.zeros((0, 128, 128, 3), np.uint8)) == []


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 160, 160, 3), np.uint8),
        np.zeros((128, 128, 3), np.uint8),
        np.zeros((1, 128, 128, 3), np.float32),
    ],
)
def test_a_batch_of_another_shape_or_type_is_refused(batch: np.ndarray) -> None:
    with pytest.raises(ValueError, match="it must be uint8"):
        build_detector("traffic-n-128")(batch)


def test_a_network_gone_mad_raises_one_error() -> None:
    class Mad(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            nothing = torch.full((len(images), 336, 4), torch.nan)
            return nothing, nothing

    with pytest.raises(BrokenOutput):
        TorchDetector(Mad(), 128)(np.zeros((1, 128, 128, 3), np.uint8))


def test_weights_of_another_network_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = module.read_manifest()["traffic-s"]
    monkeypatch.setattr(module, "read_manifest", lambda: {"traffic-n": entry})
    load_network.cache_clear()
    try:
        with pytest.raises(WeightsError, match="does not fit network 'traffic-n'"):
            load_network("traffic-n")
    finally:
        load_network.cache_clear()


def test_scores_are_measured_along_the_true_path_and_written(tmp_path: Path) -> None:
    zoo = load_zoo("traffic")
    variant = zoo.variants[0]
    scene = Scene(1, "test", 640, 360)
    frames = (scene.frame(index) for index in (0, 40))
    answers = answer_frames({variant.name: build_detector(variant.name)}, frames)
    (row,) = score_variants(answers, [variant])
    assert (row.variant, row.network, row.input_side_px) == ("traffic-n-128", "traffic-n", 128)
    assert row.num_frames == 2
    size = len(encode_frame(scene.frame(0).image, 128)) * 8 / 1000
    assert row.frame_kbits == pytest.approx(size, rel=0.3)
