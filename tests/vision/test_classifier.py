from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from moonjelly.core.answers import Labels
from moonjelly.devices.executors.torch_session import torch_session
from moonjelly.vision.classifier import CLASSIFIERS, Classifier
from moonjelly.vision.detector import fuse
from moonjelly.vision.preprocessing import fit_picture
from moonjelly.vision.scenes import Scene
from moonjelly.vision.scenes.crops import MIN_CROP_PX, vehicle_crops
from moonjelly.zoos import open_zoo


@pytest.mark.parametrize("network", CLASSIFIERS)
def test_any_side_gives_a_logit_for_each_class_and_fusing_changes_nothing(network: str) -> None:
    torch.manual_seed(0)
    model = Classifier(network, 4)
    with torch.no_grad():
        model(torch.rand(8, 3, 64, 64))  # moves the means of the normalisation
    model.eval()
    for side_px in (32, 48, 96):
        images = torch.rand(3, 3, side_px, side_px)
        with torch.inference_mode():
            before = model(images)
            assert before.shape == (3, 4)
            after = fuse(copy.deepcopy(model))(images)
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)


def test_a_batch_gives_what_each_picture_gives_alone() -> None:
    zoo = open_zoo("vehicles")
    session = torch_session(zoo, zoo.network_variant("vehicles-s-48"))
    crops = vehicle_crops(Scene(3, "val").frame(40))[:5]
    batch = session.places(len(crops))
    for crop, place in zip(crops, batch, strict=True):
        session.write(fit_picture(crop.image, 48).picture, place)
    together = session.answers(session.infer(batch))
    for number, answer in enumerate(together):
        (alone,) = session.answers(session.infer(batch[number : number + 1]))
        assert isinstance(answer, Labels)
        assert len(answer) == 4
        assert answer.class_ids[0] == alone.class_ids[0]
        assert answer.scores == pytest.approx(alone.scores, abs=1e-3)


def test_crops_hold_a_vehicle_each_that_is_asked_for() -> None:
    frame = Scene(3, "val").frame(40)
    crops = vehicle_crops(frame)
    wanted = [one for one in frame.objects if not one.is_ignored]
    large = [
        one for one in wanted if max(np.subtract(one.box_px[2:], one.box_px[:2])) >= MIN_CROP_PX
    ]
    assert [one.class_id for one in crops] == [one.class_id for one in large]
    assert large
    for crop, found in zip(crops, large, strict=True):
        size = np.subtract(found.box_px[2:], found.box_px[:2])
        height, width = crop.image.shape[:2]
        assert (np.array([width, height]) <= size + 0.2 * max(size) + 2).all()
        assert (np.array([width, height]) >= size - 1).all()
