from __future__ import annotations

import numpy as np
import pytest
import torch

from moonjelly.training import classifier_training
from moonjelly.training.classifier_training import draw_batch, read_crops, train
from moonjelly.training.test_pictures import MOST_CROPS, draw_crops
from moonjelly.vision.classes import TRAFFIC_CLASSES
from moonjelly.zoos import open_zoo


def of_one_colour(class_id: int, seed: int) -> np.ndarray:
    """What is easily learnt: each class has a brightness of its own."""
    rng = np.random.default_rng([class_id, seed])
    return rng.integers(60 * class_id, 60 * class_id + 30, (40, 60, 3), np.uint8)


def test_a_network_learns_what_is_easy_and_the_same_from_the_same_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(classifier_training, "relight", lambda image, rng: image)
    monkeypatch.setattr(classifier_training, "BATCH_SIZE", 12)
    (network, *_) = open_zoo("vehicles").zoo.networks
    classes = torch.arange(24) % 4
    images = [of_one_colour(k, seed) for seed, k in enumerate(classes.tolist())]
    model = train(network, images, classes, 160)
    with torch.inference_mode():
        batch = draw_batch(images, torch.arange(24), 32, np.random.default_rng(0))
        guessed = model(batch).argmax(dim=1)
    assert (guessed == classes).float().mean() > 0.9
    first, second = (train(network, images, classes, 2).state_dict() for _ in range(2))
    for name, value in first.items():
        torch.testing.assert_close(value, second[name])


def test_drawn_vehicles_are_read_with_their_classes(tmp_path) -> None:
    draw_crops(tmp_path, 1, 4, "val")
    images, classes = read_crops(tmp_path)
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert len(images) == len(classes) == len(names) > 4
    for class_id, name in enumerate(TRAFFIC_CLASSES):
        own = [one for one in names if f"-{name}-" in one]
        assert len(own) == int((classes == class_id).sum()) <= MOST_CROPS
